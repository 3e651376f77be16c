"""What strangers, old clients and broken programs send: the tables that the journeys of bad input work through.

``$name`` in a path, a frame or a body stands for something of the scene: ``$session`` (of a laptop that never came),
``$foreign_session`` (another tenant's), ``$other_session`` (same tenant, another laptop's), and so on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

CODE_STATE = "state-of-the-journey"

Who = Literal[
    "key", "foreign_key", "revoked_key", "unknown_key", "nobody", "asleep", "ghost", "revoked_token", "unknown_token"
]
"""Whose secret is shown: a tenant's, a laptop's (``asleep`` never said hello, ``ghost`` did), or no one's."""


@dataclass(frozen=True)
class Ask:
    """A request that is refused.

    Attributes:
        body: what is sent as JSON; a string is sent as it is.
        status, code: what the answer must have.
    """

    name: str
    method: str
    path: str
    status: int
    code: str
    body: Any = None
    who: Who = "key"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Say:
    """A frame that is refused with an ``error`` frame of this ``code``."""

    name: str
    who: Who
    frame: Any
    code: str

    @property
    def text(self) -> str:
        """The frame as it is sent."""
        return self.frame if isinstance(self.frame, str) else json.dumps(self.frame)


def message(text: str = "Hello.") -> dict[str, Any]:
    """A body that posts a message."""
    return {"events": [{"type": "user.message", "content": [{"type": "text", "text": text}]}]}


def exchange(code: str, state: str = CODE_STATE) -> dict[str, Any]:
    """A body that uses a connect code."""
    return {"code": code, "state": state, "machine_id": "machine-of-a-stranger"}


EVENTS = "/v1/sessions/$session/events"
FOREIGN = "/v1/sessions/$foreign_session"
UNKNOWN = "/v1/sessions/sesn_unknown"
EXCHANGE = "/agents/runtime/exchange"
BUNDLE = "/bundle?agent_id=echo"

ASKS = [
    # Who asks.
    Ask("no key", "GET", "/v1/sessions", 401, "unauthorized", who="nobody"),
    Ask("a key that nobody has", "POST", EVENTS, 401, "unauthorized", message(), who="unknown_key"),
    Ask("a revoked key", "POST", EVENTS, 401, "unauthorized", message(), who="revoked_key"),
    Ask("a key where a laptop's token is due", "GET", "/agents/runtime/me", 403, "wrong_principal"),
    Ask("a laptop's token where a key is due", "GET", "/v1/sessions", 403, "wrong_principal", who="asleep"),
    Ask("a revoked token", "GET", "/agents/runtime/me", 401, "unauthorized", who="revoked_token"),
    # What is absent, and what is another tenant's, answer alike.
    Ask("an unknown session", "GET", UNKNOWN, 404, "session_not_found"),
    Ask("what can be no id", "GET", "/v1/sessions/..%2Fx", 404, "session_not_found"),
    Ask("a message to an unknown session", "POST", f"{UNKNOWN}/events", 404, "session_not_found", message()),
    Ask("a foreign session", "GET", FOREIGN, 404, "session_not_found"),
    Ask("a foreign session's events", "GET", f"{FOREIGN}/events", 404, "session_not_found"),
    Ask("a foreign session's event", "GET", f"{FOREIGN}/events/$foreign_event", 404, "session_not_found"),
    Ask("a foreign session's stream", "GET", f"{FOREIGN}/events/stream", 404, "session_not_found"),
    Ask("a message to a foreign session", "POST", f"{FOREIGN}/events", 404, "session_not_found", message()),
    Ask("deleting a foreign session", "DELETE", FOREIGN, 404, "session_not_found"),
    Ask("our session, to the other tenant", "GET", EVENTS, 404, "session_not_found", who="foreign_key"),
    Ask("our event under another session", "GET", "/v1/sessions/$other_session/events/$event", 404, "event_not_found"),
    Ask("a session with a foreign agent", "POST", "/v1/sessions", 404, "agent_not_found", {"agent": "$foreign_agent"}),
    Ask("a session with an unknown agent", "POST", "/v1/sessions", 404, "agent_not_found", {"agent": "agent_unknown"}),
    Ask(
        "an agent on a foreign laptop",
        "POST",
        "/v1/agents",
        404,
        "runtime_not_found",
        {"name": "x", "runtime_binding": {"runtime_id": "$foreign_runtime", "acp_agent_id": "echo"}},
    ),
    Ask(
        "another laptop's bundle",
        "GET",
        f"/agents/runtime/sessions/$other_session{BUNDLE}",
        404,
        "session_not_found",
        who="asleep",
    ),
    Ask(
        "a foreign session's bundle",
        "GET",
        f"/agents/runtime/sessions/$foreign_session{BUNDLE}",
        404,
        "session_not_found",
        who="asleep",
    ),
    Ask(
        "an upload to another laptop's session",
        "PUT",
        "/agents/runtime/sessions/$other_session/events/sevt_x",
        404,
        "session_not_found",
        {"type": "agent.message", "id": "sevt_x", "turn_id": "turn_x", "content": []},
        who="asleep",
    ),
    # What can't be read.
    Ask("no JSON", "POST", EVENTS, 400, "not_json", "{"),
    Ask("no body", "POST", EVENTS, 400, "not_json", ""),
    Ask("no events", "POST", EVENTS, 400, "bad_request", {}),
    Ask("an empty list of events", "POST", EVENTS, 400, "bad_request", {"events": []}),
    Ask("events of the wrong type", "POST", EVENTS, 400, "bad_request", {"events": "hello"}),
    Ask("an event without a type", "POST", EVENTS, 400, "bad_request", {"events": [{"content": "hello"}]}),
    Ask(
        "an event that people do not send",
        "POST",
        EVENTS,
        400,
        "unsupported_event",
        {"events": [*message()["events"], {"type": "agent.message", "content": []}]},
    ),
    Ask("a message without content", "POST", EVENTS, 400, "bad_request", {"events": [{"type": "user.message"}]}),
    Ask("a text with a NUL", "POST", EVENTS, 400, "bad_text", message("a\0b")),
    Ask("an expiry in the past", "POST", EVENTS, 400, "bad_request", {**message(), "expires_in": -1}),
    Ask("a text that is too long", "POST", EVENTS, 413, "content_too_large", message("x" * 300_000)),
    Ask(
        "an answer to no question, behind a message",
        "POST",
        EVENTS,
        404,
        "no_such_question",
        {
            "events": [
                *message()["events"],
                {"type": "user.tool_confirmation", "tool_use_id": "sevt_unknown", "result": "allow"},
            ]
        },
    ),
    Ask(
        "an idempotency key used for something else",
        "POST",
        EVENTS,
        422,
        "idempotency_key_reused",
        message("Something else."),
        headers={"idempotency-key": "used-before"},
    ),
    Ask("a cursor that is none", "GET", f"{EVENTS}?page=x", 400, "bad_cursor"),
    Ask("a cursor that is none, for a stream", "GET", f"{EVENTS}/stream?after=x", 400, "bad_cursor"),
    Ask("a limit of none", "GET", f"{EVENTS}?limit=0", 400, "bad_request"),
    Ask("an order that is none", "GET", f"{EVENTS}?order=random", 400, "bad_request"),
    Ask("a filter that nobody knows", "GET", "/v1/sessions?status=idle", 400, "unsupported_filter"),
    Ask("an agent without a name", "POST", "/v1/agents", 400, "bad_request", {"model": "x"}),
    Ask("another harness", "POST", "/v1/agents", 400, "unsupported_harness", {"name": "x", "harness": "else"}),
    Ask("an address that is none", "GET", "/v1/nothing", 404, "route_not_found"),
    Ask("a method that is none", "DELETE", "/v1/sessions", 405, "method_not_allowed"),
    # Connect codes.
    Ask("a code that nobody made", "POST", EXCHANGE, 400, "code_invalid", exchange("0" * 32), who="nobody"),
    Ask("a code for another state", "POST", EXCHANGE, 400, "code_invalid", exchange("$code", "another"), who="nobody"),
    Ask("a code that expired", "POST", EXCHANGE, 400, "code_expired", exchange("$expired_code"), who="nobody"),
    Ask("a code that was used", "POST", EXCHANGE, 400, "code_used", exchange("$used_code"), who="nobody"),
    Ask(
        "a code without a machine", "POST", EXCHANGE, 400, "bad_request", {"code": "$code", "state": "x"}, who="nobody"
    ),
    Ask("a code without a state", "POST", "/v1/runtimes/connect-runtime", 400, "bad_request", {}),
]


def of_daemon(kind: str, runtime: str = "$ghost", session: str | None = None, **fields: Any) -> dict[str, Any]:
    """A daemon's frame."""
    named = {"session_id": session} if session is not None else {}
    return {"type": kind, "runtime_id": runtime, **named, **fields}


def batch(session: str, *events: dict[str, Any], runtime: str = "$ghost") -> dict[str, Any]:
    """A daemon's batch."""
    return of_daemon("session.event", runtime, session, outbox="outbox-of-a-ghost", batch=1, events=list(events))


SAID = {"type": "agent.message", "id": "sevt_said", "turn_id": "turn_x", "content": [{"type": "text", "text": "x"}]}
NOT_OURS = ("$foreign_session", "$session", "sesn_unknown")
"""To the ghost: another tenant's session, another laptop's, and none."""

SAYS = [
    # Viewers.
    Say("no JSON", "key", "hello", "not_json"),
    Say("half of some JSON", "key", '{"type": "att', "not_json"),
    Say("no object", "key", "[1]", "bad_frame"),
    Say("no type", "key", {}, "bad_frame"),
    Say("a type that is no text", "key", {"type": 7}, "bad_frame"),
    Say("a frame that nobody knows", "key", {"type": "dance"}, "unknown_frame"),
    Say("attach without a session", "key", {"type": "attach"}, "bad_frame"),
    Say("attach to a number", "key", {"type": "attach", "session_id": 7}, "bad_frame"),
    Say("attach at no cursor", "key", {"type": "attach", "session_id": "$session", "after": "x"}, "bad_cursor"),
    Say("attach to nothing", "key", {"type": "attach", "session_id": "sesn_unknown"}, "session_not_found"),
    Say("attach abroad", "key", {"type": "attach", "session_id": "$foreign_session"}, "session_not_found"),
    Say(
        "a ping about a foreign session", "key", {"type": "ping", "session_id": "$foreign_session"}, "session_not_found"
    ),
    Say("a viewer that says hello", "key", of_daemon("hello", instance="i", seq=1, outbox="o"), "foreign_runtime"),
    Say("a viewer that pings for a laptop", "key", of_daemon("ping"), "foreign_runtime"),
    Say("a viewer that writes events", "key", batch("$session", SAID), "foreign_runtime"),
    # Daemons that are not (yet) the laptop's own.
    Say("a daemon that attaches", "asleep", {"type": "attach", "session_id": "$session"}, "not_a_viewer"),
    Say("a ping before hello", "asleep", of_daemon("ping", "$asleep"), "hello_first"),
    Say("a batch before hello", "asleep", batch("$session", SAID, runtime="$asleep"), "hello_first"),
    Say("a hello without an outbox", "asleep", of_daemon("hello", "$asleep", instance="i", seq=1), "bad_frame"),
    Say(
        "a hello of long ago",
        "asleep",
        of_daemon("hello", "$asleep", instance="i", seq=1, outbox="o", protocol=0),
        "protocol_too_old",
    ),
    Say("a hello for another laptop", "asleep", of_daemon("hello", instance="i", seq=1, outbox="o"), "foreign_runtime"),
    Say("a ping for another laptop", "asleep", of_daemon("ping"), "foreign_runtime"),
    Say("a ping for a foreign laptop", "asleep", of_daemon("ping", "$foreign_runtime"), "foreign_runtime"),
    Say("a batch for another laptop", "asleep", batch("$session", SAID), "foreign_runtime"),
    # The laptop's own daemon.
    Say("a batch that is no list", "ghost", {**batch("$ghost_session"), "events": "x"}, "bad_frame"),
    Say("a batch of nothing", "ghost", batch("$ghost_session"), "bad_frame"),
    Say("a batch without its number", "ghost", of_daemon("session.event", session="$ghost_session"), "bad_frame"),
    Say(
        "an event that daemons do not write",
        "ghost",
        batch("$ghost_session", SAID, {"type": "user.message", "id": "sevt_y", "content": [], "expires_at": 0}),
        "bad_frame",
    ),
    Say(
        "an event without its content",
        "ghost",
        batch("$ghost_session", SAID, {"type": "agent.message", "id": "sevt_y", "turn_id": "turn_x"}),
        "bad_frame",
    ),
    *(Say(f"a batch for {one}", "ghost", batch(one, SAID), "session_not_found") for one in NOT_OURS),
    *(
        Say(
            f"a turn taken on for {one}",
            "ghost",
            of_daemon("session.accepted", session=one, turn_id="turn_x"),
            "session_not_found",
        )
        for one in NOT_OURS
    ),
    *(
        Say(f"the end of {one}", "ghost", of_daemon("session.disposed", session=one), "session_not_found")
        for one in NOT_OURS
    ),
    *(
        Say(
            f"a piece of text for {one}",
            "ghost",
            of_daemon(
                "session.delta",
                session=one,
                turn_id="turn_x",
                counter=1,
                event_id="sevt_x",
                event_type="agent.message",
                offset=0,
                text="x",
            ),
            "session_not_found",
        )
        for one in NOT_OURS
    ),
]

REFUSED_AT_THE_DOOR: list[Who] = ["nobody", "unknown_key", "revoked_key", "unknown_token", "revoked_token"]
