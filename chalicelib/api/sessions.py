"""Sessions: make, see, talk to, read, follow and delete them."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint

from ..actors.loop import Cause
from ..actors.session_rows import session_id_of
from ..core import sse
from ..wire.codec import digest
from ..wire.ids import EventId
from ..wiring import plane
from . import parsing, replies
from .requests import CreateSession, PostEvents
from .shapes import session_shape
from .stream_page import stream_page
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("/v1/sessions", methods=["POST"])
def create_session() -> Any:
    """Makes a session, with its first messages if there are any."""
    asking = surface.key()
    asked = surface.body(CreateSession)
    return replies.json(session_shape(plane().session_rows.create(asking.tenant_id, asked.wanted())))


@surface.route("/v1/sessions", methods=["GET"])
def list_sessions() -> Any:
    """A page of sessions, newest first."""
    asking, query = surface.key(), surface.query
    parsing.only(query, "limit", "page", "beta", "include_archived")
    page = plane().session_rows.list(
        asking.tenant_id, parsing.one(query, "page"), parsing.limit(query, default=20, most=100)
    )
    return replies.json({"data": [session_shape(row) for row in page.rows], "next_page": page.next_page})


@surface.route("/v1/sessions/{session_id}", methods=["GET"])
def get_session(session_id: str) -> Any:
    """One session, with its status as of now."""
    asking = surface.key()
    return replies.json(session_shape(plane().session_rows.get(asking.tenant_id, session_id_of(session_id))))


@surface.route("/v1/sessions/{session_id}", methods=["DELETE"])
def delete_session(session_id: str) -> Any:
    """Ends a session, here at once and on its laptop as soon as that is there."""
    asking = surface.key()
    plane().sessions.delete(asking.tenant_id, session_id_of(session_id))
    return replies.json({"type": "session_deleted", "id": session_id})


@surface.route("/v1/sessions/{session_id}/events", methods=["POST"])
def post_events(session_id: str) -> Any:
    """Posts messages, interrupts and answers to questions: all of them, or none."""
    asking = surface.key()
    asked = surface.body(PostEvents)
    key = parsing.idempotency_key(surface.header("idempotency-key"))
    cause = Cause(key, digest(surface.raw_body())) if key else None
    posted = plane().session_rows.post(
        asking.tenant_id, session_id_of(session_id), asked.items(), expires_in_s=asked.expires_in, cause=cause
    )
    return replies.json({"data": posted})


@surface.route("/v1/sessions/{session_id}/events", methods=["GET"])
def list_events(session_id: str) -> Any:
    """A page of events, in the order in which the agent lived them."""
    asking, query = surface.key(), surface.query
    parsing.only(query, "limit", "page", "after", "order", "include", "types", "beta")
    page = plane().reading.page(
        asking.tenant_id,
        session_id_of(session_id),
        cursor=parsing.one(query, "page") or parsing.one(query, "after"),
        limit=parsing.limit(query, default=100, most=1000),
        order=parsing.order(query),
        ours=sse.wants_ours(query),
    )
    return replies.json({"data": parsing.of_types(page.events, query), "next_page": page.next_page})


@surface.route("/v1/sessions/{session_id}/events/stream", methods=["GET"])
def stream_events(session_id: str) -> Any:
    """A bounded piece of the stream, for a plane without its streaming half; any EventSource goes on by itself."""
    asking = surface.key()
    wish = sse.wish_of(surface.query, surface.header("last-event-id"))
    return replies.stream(stream_page(plane(), asking.tenant_id, session_id_of(session_id), wish))


@surface.route("/v1/sessions/{session_id}/events/{event_id}", methods=["GET"])
def get_event(session_id: str, event_id: str) -> Any:
    """One event, whole."""
    asking = surface.key()
    return replies.json(plane().reading.event(asking.tenant_id, session_id_of(session_id), EventId(event_id)))
