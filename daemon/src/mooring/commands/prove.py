"""``moor doctor --prove``: a canary session on this laptop, through the plane and back, by the way that real ones go.

It needs only the laptop's token. The plane gives it a session with ``echo``, the agent that comes with the daemon, and
a token that is good for that session alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..edge.creds import Credentials, Login
from ..edge.person import Person
from ..edge.plane import Plane
from ..errors import MoorError
from ..wire.events import TERMINAL
from .findings import Finding
from .follower import Follower

PATIENCE_S: Final = 45.0
"""How long one step may take (seconds): a cold plane and a cold agent are seconds each."""

_PIECES: Final = 12
_SLOW: Final = f"/tool canary {{}}\n/slow 3 {_PIECES}"
"""What is said while the connection is cut: it outlasts the cut."""

_HOLD: Final = "/tool canary {}\n/hold"

Event = dict[str, Any]


def prove(credentials: Credentials) -> Iterator[Finding]:
    """Sends the canary through each of its steps; the first that fails is the last."""
    plane = Plane(credentials.server_url, credentials.token)
    try:
        canary = plane.canary()
        person = Person(Login(server_url=credentials.server_url, api_key=canary.token))
        try:
            yield from _Flight(plane, person, canary.session_id).steps()
        finally:
            person.close()
    except MoorError as exc:
        yield Finding("canary", "problem", exc.message, "", {"code": exc.code})
    finally:
        plane.close()


class _Flight:
    """One canary's."""

    def __init__(self, plane: Plane, person: Person, session_id: str) -> None:
        self._plane, self._person, self._session_id = plane, person, session_id
        self._follower = Follower(person, session_id, person.stream(session_id, deltas=False, after="0"), deltas=False)
        self._seen: list[Event] = []

    def steps(self) -> Iterator[Finding]:
        """Each step's finding. The session is deleted whatever comes of them."""
        try:
            for step in (self._turn, self._permission, self._cancel, self._reconnect, self._replay):
                began = time.monotonic()
                name = step.__name__.removeprefix("_")
                try:
                    told = step()
                except MoorError as exc:
                    took = {"code": exc.code, "took_s": round(time.monotonic() - began, 2)}
                    yield Finding(name, "problem", exc.message, "Look into `moor logs`.", took)
                    return
                took = {"took_s": round(time.monotonic() - began, 2)}
                yield Finding(name, "ok", f"{told} ({took['took_s']:.2f} s)", "", took)
        finally:
            self._follower.leave()
            self._person.delete_session(self._session_id)

    def _turn(self) -> str:
        message = self._say("Hello from the canary.")
        self._settled(message, "completed")
        self._must(self._said()[-1:] == ["You said: Hello from the canary."], "The agent's answer is not what it said.")
        return "A message went to this laptop's agent and its answer came back."

    def _permission(self) -> str:
        for verdict in ("deny", "allow"):
            message = self._say('/ask canary {"harmless": true}')
            use = self._until("a permission question", lambda one: one.get("evaluated_permission") == "ask", message)
            answer = {"type": "user.tool_confirmation", "tool_use_id": use["id"], "result": verdict}
            self._person.send(self._session_id, [answer])
            self._settled(message, "completed")
            (result,) = (one for one in self._seen if one.get("tool_use_id") == use["id"] and _is_result(one))
            is_denied = bool(result.get("is_error"))
            self._must(is_denied == (verdict == "deny"), f"The agent did not keep to the answer {verdict!r}.")
        return "The agent asked twice, heard no, then yes, and kept to both."

    def _cancel(self) -> str:
        message = self._say(_HOLD)
        self._started(message)
        self._person.send(self._session_id, [{"type": "user.interrupt"}])
        self._settled(message, "cancelled")
        return "A turn was stopped in the middle."

    def _reconnect(self) -> str:
        message = self._say(_SLOW)
        self._started(message)
        self._plane.cut_connection()
        self._settled(message, "completed")
        whole = "".join(f"piece {number} " for number in range(1, _PIECES + 1))
        self._must(self._said()[-1:] == [whole], "The answer is not whole after the connection was cut.")
        return "The connection was cut in the middle of a turn, came back, and nothing was lost."

    def _replay(self) -> str:
        live = [one["id"] for one in self._seen if one.get("processed_at") is not None]
        self._must(len(live) == len(set(live)), "An event came twice.")
        again = Follower(
            self._person,
            self._session_id,
            self._person.stream(self._session_id, deltas=False, after="0"),
            deltas=False,
        )
        replayed: list[str] = []
        try:
            while len(replayed) < len(live):
                event = _next(again, "the session's beginning")
                if event.get("processed_at") is not None:
                    replayed.append(event["id"])
        finally:
            again.leave()
        self._must(replayed == live, "A second look at the session is not what was seen live.")
        return f"All {len(live)} events came again in the same order."

    # ---- how a step speaks and listens

    def _say(self, text: str) -> str:
        """Sends a message; its id."""
        message = {"type": "user.message", "content": [{"type": "text", "text": text}]}
        return str(self._person.send(self._session_id, [message])[0]["id"])

    def _started(self, message: str) -> Event:
        return self._until("the turn's start", lambda one: _receipt(one, message) == "started", message)

    def _settled(self, message: str, wanted: str) -> None:
        """Waits for the message's end, and for the status that comes with it."""
        self._until("the turn's end", lambda one: _receipt(one, message) in TERMINAL, message, wanted)
        self._until("the session to be idle", lambda one: one.get("type") == "session.status_idle", message)

    def _until(self, what: str, is_it: Callable[[Event], bool], message: str, wanted: str | None = None) -> Event:
        """The next event that is it. Every terminal receipt of ``message`` but ``wanted`` is a failure."""
        while True:
            event = _next(self._follower, what)
            self._seen.append(event)
            ended = _receipt(event, message)
            if ended in TERMINAL and ended != wanted:
                errors = [one["error"]["message"] for one in self._seen if one.get("type") == "session.error"]
                why = f": {errors[-1]}" if errors else "."
                raise MoorError("canary_failed", f"The turn ended {ended} while waiting for {what}{why}")
            if is_it(event):
                return event

    def _said(self) -> list[str]:
        said = (one["content"] for one in self._seen if one.get("type") == "agent.message")
        return ["".join(block.get("text", "") for block in content) for content in said]

    def _must(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            raise MoorError("canary_failed", otherwise)


def _next(follower: Follower, what: str) -> Event:
    item = follower.next(PATIENCE_S)
    if item is None:
        raise MoorError("canary_lost", f"{what[0].upper()}{what[1:]} did not come within {PATIENCE_S:g} s.")
    if isinstance(item, MoorError):
        raise item
    return item


def _receipt(event: Event, message: str) -> str | None:
    """What the event says of how far the message is, or None."""
    if event.get("type") != "mooring.receipt" or message not in event.get("event_ids", ()):
        return None
    return str(event["status"])


def _is_result(event: Event) -> bool:
    return event.get("type") in ("agent.tool_result", "agent.mcp_tool_result")
