"""The follower: a session's events as they come, over cuts of the stream."""

from __future__ import annotations

import queue
import threading
from typing import Any, Final

import msgspec

from ..edge.https import is_final
from ..edge.person import EventStream, Person
from ..errors import MoorError

REOPENED: Final = 8
"""How often in a row a cut stream is opened again."""

REOPEN_S: Final = 1.0
"""Between two attempts to open it (seconds, times the attempt's number)."""

_Item = dict[str, Any] | MoorError


class Follower:
    """Reads the stream in a thread of its own, so that Ctrl-C never falls into the middle of an event.

    A stream that ends or is cut is opened again at its cursor. Before there is one, it goes on from the beginning:
    events before the message are skipped by ``Answer``, which also knows repeats.
    """

    def __init__(self, person: Person, session_id: str, stream: EventStream, *, deltas: bool) -> None:
        self._person, self._session_id, self._stream, self._deltas = person, session_id, stream, deltas
        self._items: queue.Queue[_Item] = queue.Queue()
        self._left = threading.Event()
        threading.Thread(target=self._read, name="moor-ask", daemon=True).start()

    def next(self, timeout_s: float | None) -> _Item | None:
        """The next event, or what ended the stream; None when nothing came in ``timeout_s`` seconds."""
        try:
            return self._items.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def leave(self) -> None:
        """Opens no further stream. The thread ends with the stream it reads, or with the process."""
        self._left.set()

    def _read(self) -> None:
        cuts = 0
        stream: EventStream | None = self._stream
        while not self._left.is_set():
            try:
                stream = stream or self._reopened()
                for one in stream:
                    cuts = 0
                    if one.event != "ping":
                        self._items.put(msgspec.json.decode(one.data, type=dict[str, Any]))
            except MoorError as exc:
                cuts += 1
                if is_final(exc) or cuts > REOPENED:
                    self._items.put(exc)
                    return
            except msgspec.MsgspecError as exc:
                self._items.put(MoorError("bad_answer", f"The plane's stream can't be read: {exc}."))
                return
            stream = None
            self._left.wait(REOPEN_S * cuts)

    def _reopened(self) -> EventStream:
        after = self._stream.last_id or "0"
        self._stream.close()
        self._stream = self._person.stream(self._session_id, deltas=self._deltas, after=after)
        return self._stream
