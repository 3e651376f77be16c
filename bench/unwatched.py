"""Text that nobody watches, from the daemon's real desk to the plane: it is meant to stay on the laptop."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from bench.scene import TEXT, Scene
from mooring.core.open_text import OpenText
from mooring.wire.ids import EventId, SessionId, TurnId
from tests.daemon.daemon.laptop import Laptop

PIECES: Final = 1000
PIECE_S: Final = 0.02


def grow_unwatched(scene: Scene) -> list[Struct]:
    """Has a desk take text that grows for 20 s; whatever frames it sends for that go to the plane. Returns these."""
    sent = grown(scene.session_id, scene.turn_id, window_ms=None)
    for frame in sent:
        scene.world.ws("$default", scene.laptop.connection_id, body=msgspec.json.encode(frame).decode())
    return sent


def grown(session: str, turn: str, window_ms: int | None) -> list[Struct]:
    """What a desk sends while text grows in pieces and the session is watched so (None = by nobody)."""
    laptop = Laptop().online()
    session_id, turn_id = SessionId(session), TurnId(turn)
    laptop.prompt(turn_id, session_id=session_id, window_ms=window_ms, as_of=laptop.clock.now)
    assert laptop.desk.start_turn(session_id, turn_id)
    laptop.sent.clear()
    text = OpenText(EventId("sevt_open"), turn_id, "agent.message")
    for _ in range(PIECES):
        laptop.clock.now += PIECE_S
        text.add(TEXT[:20])
        laptop.desk.grow(session_id, text)
        laptop.desk.tick(laptop.clock.now)
    return laptop.sent
