"""``moor ask``: says something to an agent, as a person, and shows what it does until it is done.

The stream is opened before the message is sent, so nothing of the answer can be missed. What other messages of the
session bring is not shown: that is everything before the message's place in the log and after its terminal receipt.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from ..edge.creds import paths, read_login
from ..edge.person import Person
from ..errors import MoorError
from .answer import Answer
from .follower import Follower
from .result import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Result, Screen
from .verbs import Verbs

LINGER_S: Final = 1.0
"""How long the session's status is awaited once the message is done: it comes with it, unless others wait (seconds)."""


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
        session_id = session or person.create_session(person.agent(agent).id)
        stream = person.stream(session_id, deltas=deltas)
        follower = Follower(person, session_id, stream, deltas=deltas)
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


def _follow(person: Person, session_id: str, follower: Follower, answer: Answer, screen: Screen) -> bool:
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
