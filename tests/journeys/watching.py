"""Watching: the two ways to follow a session live, as strangers would write them from the documentation."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import websocket

from infra.local.stage import API

from .waiting import PATIENCE_S, Board

Event = dict[str, Any]
Wanted = Callable[[Event], bool]


def of_type(kind: str, **fields: Any) -> Wanted:
    """Wants an event of a type, with these values."""

    def wanted(event: Event) -> bool:
        return event["type"] == kind and all(event.get(name) == value for name, value in fields.items())

    return wanted


def text_of(event: Event) -> str:
    """What an event says."""
    return "".join(block["text"] for block in event["content"])


class Reader:
    """Follows a session by server-sent events. Attached when it is made.

    Attributes:
        whole: whole events with their cursors, as they came.
        pieces: of an event still being written, what came so far; by event id.
    """

    def __init__(
        self,
        api: API,
        session_id: str,
        *,
        after: str | None = "0",
        last_event_id: str | None = None,
        deltas: bool = True,
    ) -> None:
        self.whole: list[tuple[str, Event]] = []
        self.pieces: dict[str, str] = defaultdict(str)
        self.board = Board()
        query = [("include", "mooring")] + ([("after", after)] if after is not None else [])
        query += [("event_deltas[]", "agent.message")] if deltas else []
        headers = {"authorization": f"Bearer {api.key}", "accept": "text/event-stream"}
        if last_event_id is not None:
            headers["last-event-id"] = last_event_id
        place = urlsplit(api.url)
        self._connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=PATIENCE_S)
        self._connection.request("GET", f"/v1/sessions/{session_id}/events/stream?{urlencode(query)}", headers=headers)
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        assert self._answer.readline().startswith(b":"), "a stream begins with a comment, for SDKs that wait for bytes"
        self._thread = threading.Thread(target=self._read, name=f"reader of {session_id}")
        self._thread.start()

    @property
    def events(self) -> list[Event]:
        """The whole events so far."""
        with self.board.changed:
            return [event for _, event in self.whole]

    @property
    def cursor(self) -> str:
        """The cursor of the newest whole event."""
        with self.board.changed:
            return self.whole[-1][0]

    def until(self, wanted: Wanted, what: str, count: int = 1) -> Event:
        """The ``count``th whole event that is wanted, those that came already included."""

        def look() -> Event | None:
            found = [event for _, event in self.whole if wanted(event)]
            return found[count - 1] if len(found) >= count else None

        return self.board.wait(what, look)

    def until_settled(self, message_id: str, status: str = "completed") -> Event:
        """Waits for a message's terminal receipt, which must be ``status``."""
        terminal = ("completed", "failed", "cancelled", "expired", "unknown")
        receipt = self.until(
            lambda event: (
                event["type"] == "mooring.receipt" and message_id in event["event_ids"] and event["status"] in terminal
            ),
            f"the terminal receipt of {message_id}",
        )
        assert receipt["status"] == status
        return receipt

    def until_over(self) -> None:
        """Waits until the plane ends the stream."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the stream goes on"

    def close(self) -> None:
        """Leaves."""
        with contextlib.suppress(OSError):  # The plane may have ended it already.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._answer.close()
        self._connection.close()
        self._socket.close()

    def _read(self) -> None:
        try:
            for cursor, body in self._frames():
                with self.board.changed:
                    if body["type"] == "event_delta":
                        self.pieces[body["event_id"]] += body["delta"]["content"]["text"]
                    elif body["type"] != "event_start":
                        assert cursor is not None, f"a whole event without a cursor: {body}"
                        self.whole.append((cursor, body))
                    self.board.changed.notify_all()
        except (OSError, ValueError, http.client.HTTPException):
            return  # The plane was killed, or the journey has left: whoever waits is told below.
        finally:
            self.board.over()

    def _frames(self) -> Iterator[tuple[str | None, Event]]:
        cursor: str | None = None
        data = ""
        while line := self._answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                cursor = value
            elif name == "data":
                data += value
            elif not line.strip() and data:
                yield cursor, json.loads(data)
                cursor, data = None, ""


class Wire:
    """A WebSocket to the plane, and every frame that came over it.

    Args:
        ws_url: the plane's WebSocket address.
        secret: an API key or a runtime's token.
    """

    def __init__(self, ws_url: str, secret: str) -> None:
        self.frames: list[Event] = []
        self.close_code: int | None = None
        self.board = Board()
        header = [f"Authorization: Bearer {secret}"]
        self._socket = websocket.create_connection(ws_url, header=header, timeout=PATIENCE_S)
        self._socket.settimeout(
            None
        )  # Its thread reads until there is nothing more; it is who waits that is impatient.
        self._thread = threading.Thread(target=self._read, name="wire")
        self._thread.start()

    def say(self, kind: str, **fields: Any) -> None:
        """Sends a frame."""
        self.send(json.dumps({"type": kind, **fields}))

    def send(self, text: str) -> None:
        """Sends a text message as it is."""
        self._socket.send(text)

    def send_bytes(self, message: bytes) -> None:
        """Sends a binary message."""
        self._socket.send_binary(message)

    def send_in_pieces(self, text: str, size: int) -> None:
        """Sends a text message in frames of ``size`` bytes."""
        message = text.encode()
        pieces = [message[start : start + size] for start in range(0, len(message), size)]
        for index, piece in enumerate(pieces):
            opcode = websocket.ABNF.OPCODE_CONT if index else websocket.ABNF.OPCODE_TEXT
            frame = websocket.ABNF.create_frame(piece, opcode, int(index == len(pieces) - 1))
            try:
                self._socket.send_frame(frame)
            except OSError:
                return  # The plane may close as soon as it has seen too much; the close code tells.

    def until(self, wanted: Wanted, what: str, start: int = 0) -> Event:
        """The first wanted frame from number ``start`` on."""
        return self.board.wait(what, lambda: next((one for one in self.frames[start:] if wanted(one)), None))

    def until_closed(self) -> int | None:
        """Waits for the close frame and gives its code."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the connection stays open"
        return self.close_code

    def close(self) -> None:
        """Leaves."""
        if self._socket.sock is not None:
            with contextlib.suppress(OSError):  # The plane may have closed it already.
                self._socket.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._socket.shutdown()  # type: ignore[no-untyped-call]  # It would not wake the thread that reads.

    def _read(self) -> None:
        try:
            while True:
                opcode, content = self._socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.close_code = int.from_bytes(content[:2], "big")
                    return
                with self.board.changed:
                    self.frames.append(json.loads(content))
                    self.board.changed.notify_all()
        except (OSError, websocket.WebSocketException):
            return  # The journey has left, or the plane is gone.
        finally:
            self.board.over()


class Viewer:
    """Follows one session over a WebSocket: puts records in order by their number and drops repeats, as viewers must.

    Args:
        wire: its connection.
        session_id: what it follows.
        after: its cursor; None = live from now.
    """

    def __init__(self, wire: Wire, session_id: str, after: str | None = None) -> None:
        self.wire, self.session_id = wire, session_id
        fields = {} if after is None else {"after": after}
        wire.say("attach", session_id=session_id, include=["mooring"], **fields)
        self.attached = wire.until(of_type("attached", session_id=session_id), "attached")
        place = None if after is None else after.split(".")
        self.first = self.attached["head"] + 1 if place is None else max(int(place[0]) + (len(place) == 1), 1)

    @property
    def whole(self) -> list[tuple[str, Event]]:
        """The whole events so far with their cursors, by record."""
        with self.wire.board.changed:
            return [item for _, items in sorted(self._records().items()) for item in items]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the records so far."""
        with self.wire.board.changed:
            return sorted({n for n, _ in self._records()})

    def pieces(self) -> dict[str, list[tuple[int, str]]]:
        """By event, the pieces that came while it was being written: offset and text, by offset."""
        found: dict[str, list[tuple[int, str]]] = defaultdict(list)
        with self.wire.board.changed:
            for frame in self.wire.frames:
                if frame["type"] == "delta":
                    found[frame["event_id"]].append((frame["offset"], frame["text"]))
        return {event_id: sorted(given) for event_id, given in found.items()}

    def until_at(self, n: int) -> None:
        """Waits until every record up to ``n`` since the attachment is here."""
        wanted = set(range(self.first, n + 1))
        self.wire.board.wait(f"records {self.first} to {n}", lambda: wanted <= {one for one, _ in self._records()})

    def head(self) -> int:
        """The session's newest record, as the plane's pong has it."""
        start = len(self.wire.frames)
        self.wire.say("ping", session_id=self.session_id)
        return int(self.wire.until(of_type("pong", session_id=self.session_id), "pong", start)["head"])

    def _records(self) -> dict[tuple[int, int], list[tuple[str, Event]]]:
        """By number and part. A repeat must say the same."""
        found: dict[tuple[int, int], list[tuple[str, Event]]] = {}
        for frame in self.wire.frames:
            if frame["type"] == "record" and frame["session_id"] == self.session_id:
                items = [(item["cursor"], item["event"]) for item in frame["events"]]
                place = frame["n"], frame["part"]
                assert found.setdefault(place, items) == items, f"record {place} came twice, with other events"
        return found
