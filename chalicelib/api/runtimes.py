"""Runtimes: a person connects laptops and sees them; a laptop enrols, fetches what it needs, uploads what is large."""

from __future__ import annotations

from typing import Any

import msgspec
from chalice import Blueprint

from ..actors.session_rows import session_id_of
from ..core.errors import BadRequest, TooLarge
from ..wire.ids import TurnId
from ..wire.limits import MAX_EVENT_BYTES
from ..wiring import plane
from . import parsing, replies
from .requests import ConnectRuntime, ExchangeCode
from .shapes import runtime_shape
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("/v1/runtimes/connect-runtime", methods=["POST"])
def connect_runtime() -> Any:
    """Makes a connect code for a laptop."""
    asking = surface.key()
    asked = surface.body(ConnectRuntime)
    made = plane().enrolment.start(asking, asked.state, asked.code_challenge)
    return replies.json({"code": made.code, "expires_at": int(made.expires_at)})


@surface.route("/v1/runtimes", methods=["GET"])
def list_runtimes() -> Any:
    """All of the tenant's runtimes, newest first."""
    seen = plane().enrolment.list(surface.key().tenant_id)
    now = plane().clock.now()
    return replies.json({"runtimes": [runtime_shape(one, now) for one in seen]})


@surface.route("/agents/runtime/exchange", methods=["POST"])
def exchange_code() -> Any:
    """Turns a connect code into a runtime and its token; the code is all the authority there is."""
    asked = surface.body(ExchangeCode)
    ws_url = plane().ws_url()
    enrolled = plane().enrolment.exchange(asked.code, asked.state, asked.code_verifier, asked.machine)
    return replies.json({"runtime_id": enrolled.runtime_id, "token": enrolled.token, "ws_url": ws_url})


@surface.route("/agents/runtime/me", methods=["GET"])
def runtime_me() -> Any:
    """The runtime that the token stands for."""
    asking = surface.runtime()
    shape = runtime_shape(plane().enrolment.me(asking), plane().clock.now())
    return replies.json({"runtime_id": asking.runtime_id, "tenant_id": asking.tenant_id, "runtime": shape})


@surface.route("/agents/runtime/sessions/{session_id}/bundle", methods=["GET"])
def session_bundle(session_id: str) -> Any:
    """What the session's folder on the laptop gets."""
    asking = surface.runtime()
    agent_id = parsing.one(surface.query, "agent_id")
    if agent_id is None:
        raise BadRequest("bad_request", "agent_id names the ACP agent; it is missing.", field="agent_id")
    return replies.json(msgspec.to_builtins(plane().session_rows.bundle(asking, session_id_of(session_id), agent_id)))


@surface.route("/agents/runtime/sessions/{session_id}/turns/{turn_id}", methods=["GET"])
def turn_content(session_id: str, turn_id: str) -> Any:
    """What a turn works on, for a prompt that did not fit a frame."""
    asking = surface.runtime()
    sid = session_id_of(session_id)
    content = plane().reading.prompt(asking.tenant_id, sid, TurnId(turn_id), asking.runtime_id)
    return replies.json({"content": content})


@surface.route("/agents/runtime/sessions/{session_id}/events/{event_id}", methods=["PUT"])
def upload_event(session_id: str, event_id: str) -> Any:
    """Keeps an event that is too large for a frame; the daemon's next batch refers to it."""
    asking = surface.runtime()
    body = surface.raw_body()
    if len(body) > MAX_EVENT_BYTES:
        raise TooLarge("content_too_large", f"An event has at most {MAX_EVENT_BYTES} bytes.")
    sid, eid = session_id_of(session_id), parsing.event_id(event_id)
    plane().reading.keep_body(asking.tenant_id, sid, eid, body, asking.runtime_id)
    return replies.json({"id": event_id, "n_bytes": len(body)})
