"""``moor ask``: says something to an agent, as a person, and shows what it does until it is done.

The stream is opened before the message is sent, so nothing of the answer can be missed. What other messages of the
session bring is not shown: that is everything before the message's place in the log and after its terminal receipt.
"""

from __future__ import annotations

import argparse
import queue
import threading
from typing import Any, Final

import msgspec

from ..edge.creds import paths, read_login
from ..edge.https import is_final
from ..edge.person import Agent, EventStream, Person
from ..errors import MoorError
from .answer import Answer
from .result import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Result, Screen
from .verbs import Verbs

REOPENED: Final = 8
"""How often in a row a cut stream is opened again."""

REOPEN_S: Final = 1.0
"""Between two attempts to open it (seconds, times the attempt's number)."""

LINGER_S: Final = 1.0
"""How long the session's status is awaited once the message is done: it comes with it, unless others wait (seconds)."""

_Item = dict[str, Any] | MoorError


def add(verbs: Verbs) -> None:
    """Adds ``moor ask``."""
    one = verbs.add("ask", "Say something to an agent and watch what it does.", _run)
    one.add_argument("text", help="what to say")
    one.add_argument("--agent", help="whom: an agent's id or name, or the id of its ACP agent")
    one.add_argument("--session", metavar="ID", help="go on with this session")
    one.add_argument("--allow", action="store_true", help="answer the agent's permission questions with yes")


def run(screen: Screen, text: str, *, agent: str | None, session: str | None, allow: bool, deltas: bool) -> Result:
    """Sends ``text`` and follows its turn.

    Args:
        screen: shows what happens, asks permission questions.
        text: what to say.
        agent: whom: an agent's id or name, or the id of its ACP agent; None = the only one there is.
        session: the session to go on with; None = a new one.
        allow: permission questions are answered with yes, unasked.
        deltas: whether to show text as it grows.

    Raises:
        MoorError: ``not_logged_in``, ``agent_not_found``, ``agent_ambiguous``, the plane's refusals.
    """
    person = Person(read_login(paths()))
    try:
        session_id = session or person.create_session(_chosen(person.agents(), agent).id)
        stream = person.stream(session_id, deltas=deltas)
        follower = _Follower(person, session_id, stream, deltas=deltas)
        sent = person.send(session_id, [{"type": "user.message", "content": [{"type": "text", "text": text}]}])
        answer = Answer(screen, str(sent[0]["id"]), lambda event: _permit(person, session_id, screen, event, allow))
        try:
            interrupted = _follow(person, session_id, follower, answer, screen)
        finally:
            follower.leave()
    finally:
        person.close()
    return _result(session_id, answer, interrupted)


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(screen, given.text, agent=given.agent, session=given.session, allow=given.allow, deltas=not given.json)


def _chosen(agents: list[Agent], wanted: str | None) -> Agent:
    if wanted is None:
        found = agents
    else:
        found = (
            [one for one in agents if one.id == wanted]
            or [one for one in agents if one.name == wanted]
            or [one for one in agents if one.binding and one.binding.acp_agent_id == wanted]
        )
    if len(found) == 1:
        return found[0]
    told = ", ".join(f"{one.name or '?'} ({one.id})" for one in (found or agents)[:10])
    if found:
        raise MoorError("agent_ambiguous", f"Say which agent with --agent: {told}.")
    which = f"There is no agent {wanted!r}." if wanted else "There is no agent."
    raise MoorError("agent_not_found", f"{which} There are: {told}." if told else f"{which} Make one first.")


def _follow(person: Person, session_id: str, follower: _Follower, answer: Answer, screen: Screen) -> bool:
    """Shows events until the message is done. Returns whether somebody pressed Ctrl-C."""
    interrupted = False
    while True:
        try:
            item = follower.next(LINGER_S if answer.outcome else None)
            if item is None or (isinstance(item, MoorError) and answer.outcome):
                return interrupted
            if isinstance(item, MoorError):
                raise item
            answer.take(item)
            if answer.is_settled:
                return interrupted
        except KeyboardInterrupt:
            if interrupted:
                screen.note("Left; the session goes on without you.")
                return True
            interrupted = True
            screen.note("Stopping the agent; press Ctrl-C again to leave.")
            person.send(session_id, [{"type": "user.interrupt"}])


def _permit(person: Person, session_id: str, screen: Screen, event: dict[str, Any], allow: bool) -> None:
    """Answers the agent's question about a tool call."""
    said = allow
    body: dict[str, Any] = {"type": "user.tool_confirmation", "tool_use_id": event["id"]}
    if not allow and screen.asks:
        said = screen.confirm(f"Allow {event.get('title') or event.get('name')}?")
    elif not allow:
        screen.note("Denied: nobody is here to be asked; --allow says yes to everything.")
        body["deny_message"] = "Nobody was there to be asked."
    body["result"] = "allow" if said else "deny"
    try:
        person.send(session_id, [body])
    except MoorError as exc:
        if exc.code not in ("already_answered", "no_such_question"):
            raise
        screen.note("Somebody else has answered, or the question is gone.")


def _result(session_id: str, answer: Answer, interrupted: bool) -> Result:
    outcome = answer.outcome or "left"
    exit_code = EXIT_INTERRUPTED if interrupted else EXIT_OK if outcome == "completed" else EXIT_FAILED
    data = {
        "type": "summary",
        "session_id": session_id,
        "message_id": answer.message_id,
        "turn_id": answer.turn_id,
        "outcome": outcome,
        "text": answer.said,
        "errors": answer.errors,
    }
    lines = [] if outcome == "completed" else [f"The turn ended: {outcome}."]
    return Result(exit_code, [*lines, f"Go on with: moor ask --session {session_id} …"], data)


class _Follower:
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
