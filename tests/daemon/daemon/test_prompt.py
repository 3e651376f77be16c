"""The prompt of a turn: what was brought is fetched, put where the agent works, and named so that it can be told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mooring.daemon.prompt import plain_name, prompt_of
from mooring.errors import MoorError
from mooring.providers.ports import FileBlock, TextBlock
from mooring.wire import events as ev
from mooring.wire.bundle import Bundle
from mooring.wire.ids import EventId, FileId, SessionId, TurnId

S, T = SessionId("sesn_1"), TurnId("turn_1")


@dataclass
class Laptop:
    """The plane's files, and the files that were kept."""

    files: dict[str, bytes]
    kept: dict[str, bytes] = field(default_factory=dict)

    def bundle(self, session_id: SessionId, agent_id: str) -> Bundle:
        """What a session's folder gets."""
        return Bundle()

    def turn(self, session_id: SessionId, turn_id: TurnId) -> tuple[ev.UserBlock, ...]:
        """What the user said."""
        return ()

    def file(self, session_id: SessionId, turn_id: TurnId, source: ev.FileSource) -> bytes:
        """A file's bytes."""
        if source.file_id not in self.files:
            raise MoorError("file_not_found", f"There is no file {source.file_id}.")
        return self.files[source.file_id]

    def upload(self, session_id: SessionId, event_id: EventId, body: bytes) -> None:
        """Puts an event aside."""

    async def keep(self, session_id: SessionId, turn_id: TurnId, name: str, body: bytes) -> Path:
        """Keeps a file."""
        self.kept[f"{session_id}/{turn_id}/{name}"] = body
        return Path("/kept") / name


def source(name: str, media_type: str, filename: str = "") -> ev.FileSource:
    return ev.FileSource(file_id=FileId(name), media_type=media_type, size_bytes=1, sha256="", filename=filename)


def test_what_is_brought_is_kept_under_names_of_its_own() -> None:
    """Catches two files of one name of which one is lost, and a title or context that the agent never sees."""
    laptop = Laptop({"file_1": b"png", "file_2": b"pdf"})
    content = (
        ev.TextBlock("Look"),
        ev.ImageBlock(source=source("file_1", "image/png", "a b.png")),
        ev.DocumentBlock(source=source("file_2", "application/pdf", "a b.png"), title="Report", context="Draft."),
        ev.DocumentBlock(source=source("file_2", "application/pdf")),
    )
    blocks = asyncio.run(prompt_of(laptop, laptop, S, T, content))
    assert blocks == (
        TextBlock("Look"),
        FileBlock("image", "image/png", "a b.png", Path("/kept/2-a_b.png"), b"png"),
        TextBlock("Draft."),
        FileBlock("document", "application/pdf", "Report", Path("/kept/3-a_b.png"), b"pdf"),
        FileBlock("document", "application/pdf", "4-file", Path("/kept/4-file"), b"pdf"),
    )
    assert laptop.kept == {
        "sesn_1/turn_1/2-a_b.png": b"png",
        "sesn_1/turn_1/3-a_b.png": b"pdf",
        "sesn_1/turn_1/4-file": b"pdf",
    }


def test_a_file_that_can_not_be_had_ends_the_preparation() -> None:
    """Catches an agent that is asked about what it does not have."""
    laptop = Laptop({})
    with pytest.raises(MoorError, match="file_not_found"):
        asyncio.run(prompt_of(laptop, laptop, S, T, (ev.ImageBlock(source=source("file_1", "image/png")),)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("report.pdf", "1-report.pdf"),
        ("../../etc/passwd", "1-etc_passwd"),
        (".bashrc", "1-bashrc"),
        ("", "1-file"),
        ("Größe\0.txt", "1-Gr_e_.txt"),
        ("x" * 300 + ".pdf", "1-" + "x" * 196 + ".pdf"),
        ("CON:", "1-CON"),
    ],
)
def test_a_name_is_good_on_any_disk(given: str, expected: str) -> None:
    assert plain_name(1, given) == expected
