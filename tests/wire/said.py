"""Everything that can be said, by the name of its golden file: ``<dialect>-<type>``, where events are dialects too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.wire import bundle, codec, events, frames

DIALECTS: dict[str, tuple[Any, Callable[[bytes], object]]] = {
    "daemon_up": (frames.DaemonUp, codec.decode_daemon_up),
    "daemon_down": (frames.DaemonDown, codec.decode_daemon_down),
    "viewer_up": (frames.ViewerUp, codec.decode_viewer_up),
    "viewer_down": (frames.ViewerDown, codec.decode_viewer_down),
    "event": (events.Event, codec.decode_stored_event),
    "room": (events.RoomEvent, msgspec.json.Decoder(events.RoomEvent).decode),
}
"""Each union, and how its bytes are read."""


def tag(said: type[Struct]) -> str:
    """The ``type`` that a frame or event carries."""
    return str(said.__struct_config__.tag)


def members(dialect: str) -> dict[str, type[Struct]]:
    """The frames or events of a dialect by the name of their golden file."""
    return {f"{dialect}-{tag(one)}": one for one in DIALECTS[dialect][0].__args__}


EVERYTHING: dict[str, type[Struct]] = {
    name: said for dialect in DIALECTS for name, said in members(dialect).items()
} | {"bundle": bundle.Bundle}


def read(name: str, raw: bytes) -> object:
    """The golden bytes of ``name`` as what they say."""
    dialect = name.partition("-")[0]
    if dialect == "bundle":
        return msgspec.json.decode(raw, type=bundle.Bundle)
    return DIALECTS[dialect][1](raw)
