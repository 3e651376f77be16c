"""Messages as lines: how pieces of the pipe become messages, and how the stream ends."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from mooring.providers.acp_lines import Lines
from mooring.providers.children import Child


class Pipe:
    """A child of which only the pipes are real: gives these pieces, takes what is written."""

    pid = 1

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.written = b""

    async def read(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def write(self, message: bytes, timeout_s: float) -> None:
        if self.written:
            raise ConnectionResetError("closed")
        self.written += message


def lines(*pieces: bytes, updates: list[Any] | None = None, limit: int = 100) -> tuple[Lines, Pipe]:
    pipe = Pipe(*pieces)
    heard: list[Any] = [] if updates is None else updates
    return Lines(cast(Child, pipe), heard.append, write_timeout_s=1, max_line_bytes=limit), pipe


def received(stream: Lines) -> list[dict[str, Any]]:
    async def whole() -> list[dict[str, Any]]:
        found = []
        while (message := await stream.receive()) is not None:
            found.append(message)
        return found

    return asyncio.run(whole())


@pytest.mark.parametrize(
    "pieces",
    [
        (b'{"id":1}\n{"id":2}\n{"id":3}\n',),
        (b'{"id":1}\n', b'{"id":2}\n', b'{"id":3}\n'),
        (b'{"i', b"", b'd":1}\n')[:1] + (b'd":1}', b'\n{"id":2}\n{"id"', b":3}", b"\n"),
        (b'\n\r\n{"id":1}\r\n[1]\n{"id":2}\n   \n{"id":3}\n{"id":4',),
    ],
)
def test_lines_do_not_depend_on_how_they_were_cut(pieces: tuple[bytes, ...]) -> None:
    stream, _ = lines(*pieces)
    assert received(stream) == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert stream.ended.is_set()
    assert stream.why is None


def test_updates_go_their_own_way_and_other_notifications_none() -> None:
    updates: list[Any] = []
    stream, _ = lines(
        b'{"method":"session/update","params":{"n":1}}\n{"id":1,"method":"session/update"}\n{"method":"$/x"}\n'
        b'{"method":"session/update","params":{"n":2}}\n',
        updates=updates,
    )
    assert received(stream) == [{"id": 1, "method": "session/update"}]
    assert updates == [{"n": 1}, {"n": 2}]


def test_a_line_too_long_ends_the_stream_with_a_reason() -> None:
    stream, _ = lines(b'{"id":1}\n' + b"x" * 60, b"x" * 60, b'\n{"id":2}\n')
    assert received(stream) == [{"id": 1}]
    assert stream.why == "The agent wrote a line of more than 100 bytes."


def test_halves_of_surrogate_pairs_are_mended_everywhere_and_whole_ones_kept() -> None:
    stream, _ = lines(b'{"id":"\\ud83d","result":[{"a\\uDE00":1.5},"\\ud83d\\ude00",null]}\n')
    assert received(stream) == [{"id": "\ufffd", "result": [{"a\ufffd": 1.5}, "\U0001f600", None]}]


def test_a_failing_listener_ends_the_stream() -> None:
    def listen(params: dict[str, Any]) -> None:
        raise KeyError("bug")

    pipe = Pipe(b'{"method":"session/update","params":{}}\n')
    stream = Lines(cast(Child, pipe), listen, write_timeout_s=1, max_line_bytes=100)
    with pytest.raises(KeyError):
        received(stream)
    assert stream.ended.is_set()


def test_a_write_that_fails_ends_the_stream() -> None:
    async def whole() -> None:
        await stream.send({"id": 1, "text": "\ud83d ä"})
        assert pipe.written == b'{"id":1,"text":"\\ud83d \\u00e4"}\n'
        assert not stream.ended.is_set()
        with pytest.raises(ConnectionError):
            await stream.send({"id": 2})
        await stream.close()
        assert stream.why == "closed"
        assert await stream.receive() is None

    stream, pipe = lines()
    asyncio.run(whole())
