"""Server-sent events, read: bytes in any cut, whole events out.

Source: WHATWG HTML, "Server-sent events", 9.2.6 (interpreting an event stream).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct


class ServerSent(Struct, frozen=True):
    """One event. ``event_id`` is the last id seen, "" before the first one."""

    event: str
    data: str
    event_id: str


class EventParser:
    """Feeds on bytes. ``last_id`` is where to go on from after a cut."""

    def __init__(self) -> None:
        self.last_id = ""
        self._rest = b""
        self._event = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[ServerSent]:
        """The events that ``piece`` completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            found = self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if found is not None:
                yield found

    def _line(self, line: str) -> ServerSent | None:
        if not line:
            event, data = self._event or "message", self._data
            self._event, self._data = "", []
            return ServerSent(event, "\n".join(data), self.last_id) if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self.last_id = value
            case _:
                pass  # A comment (no name), a reconnection time, or a field of a later standard.
        return None
