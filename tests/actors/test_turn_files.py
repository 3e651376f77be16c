"""Turn files: a laptop fetches what its running turn brings, and nothing else of its tenant's."""

from __future__ import annotations

import pytest

from chalicelib.actors.filing import Filing
from chalicelib.actors.sources import Sources
from chalicelib.actors.turn_files import TurnFiles
from chalicelib.core.access import RuntimePrincipal
from chalicelib.core.content import GivenBlock, Inline, MessageGiven
from chalicelib.core.errors import NotFound
from chalicelib.core.session_cues import MessageIn
from chalicelib.wire.events import DocumentBlock, TextBlock
from chalicelib.wire.ids import RuntimeId, TurnId
from tests.actors.plane import OTHER, RUNTIME, SESSION, TENANT, Plane

OWN = RuntimePrincipal(TENANT, RUNTIME, "hash")


def test_only_the_running_turns_own_files_are_given_and_to_its_own_runtime_only(live: Plane) -> None:
    """Catches a token of one laptop that opens another one's files, or those of turns that are over."""
    filing = Filing(live.stores)
    notes = GivenBlock(kind="document", source=Inline("text/plain", b"Notes."), where="here")
    (message,) = Sources(filing).settled(TENANT, SESSION, (MessageGiven((TextBlock("Read"), notes)),))
    assert isinstance(message, MessageIn)
    document = message.content[1]
    assert isinstance(document, DocumentBlock)
    file_id = document.source.file_id
    loose = filing.upload(TENANT, "a", "text/plain", b"secret", None).file_id
    live.post(message)
    turn_id, turn_files = live.turn_id, TurnFiles(filing, live.actors.reading)
    assert turn_files.content(OWN, SESSION, turn_id, file_id, takes_bytes=True).body == b"Notes."
    assert turn_files.content(OWN, SESSION, turn_id, file_id, takes_bytes=False).url is not None

    def refusal(asking: RuntimePrincipal, turn: TurnId, wanted: str) -> str:
        with pytest.raises(NotFound) as refused:
            turn_files.content(asking, SESSION, turn, wanted, takes_bytes=True)
        return refused.value.code

    assert refusal(OWN, turn_id, loose) == "file_not_found"
    assert refusal(OWN, TurnId("turn_none"), file_id) == "turn_not_found"
    assert refusal(RuntimePrincipal(TENANT, RuntimeId("rt_2"), "hash"), turn_id, file_id) == "session_not_found"
    assert refusal(RuntimePrincipal(OTHER, RUNTIME, "hash"), turn_id, file_id) == "session_not_found"
    live.batch(live.ended())
    assert refusal(OWN, turn_id, file_id) == "turn_not_found"
