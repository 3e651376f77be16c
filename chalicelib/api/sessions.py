"""Sessions: make, see, talk to, read, follow and delete them."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint, Response

from ..actors.session_rows import session_id_of
from ..core.access import KeyPrincipal
from ..core.sse import StreamQuery
from ..wire.ids import EventId
from ..wiring import plane
from . import replies
from .answers.pages import Page
from .answers.sessions import Events, SessionAnswer, SessionDeleted, session_answer
from .requests.fields import ListQuery
from .requests.sessions import CreateSession, EventsQuery, PostEvents, PostHeaders, StreamHeaders
from .stream_page import stream_page
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("POST", "/v1/sessions", may="sessions:write")
def create_session(asking: KeyPrincipal, body: CreateSession) -> SessionAnswer:
    """Makes a session, with its first messages if there are any."""
    return session_answer(plane().session_rows.create(asking.tenant_id, body.wanted()))


@surface.route("GET", "/v1/sessions", may="read")
def list_sessions(asking: KeyPrincipal, query: ListQuery) -> Page[SessionAnswer]:
    """A page of sessions, newest first."""
    page = plane().session_rows.list(asking.tenant_id, query.page, query.limit)
    return Page(data=tuple(map(session_answer, page.rows)), next_page=page.next_page)


@surface.route("GET", "/v1/sessions/{session_id}", may="read")
def get_session(asking: KeyPrincipal, session_id: str) -> SessionAnswer:
    """One session, with its status as of now."""
    return session_answer(plane().session_rows.get(asking.tenant_id, session_id_of(session_id)))


@surface.route("DELETE", "/v1/sessions/{session_id}", may="sessions:write")
def delete_session(asking: KeyPrincipal, session_id: str) -> SessionDeleted:
    """Ends a session, here at once and on its laptop as soon as that is there."""
    plane().sessions.delete(asking.tenant_id, session_id_of(session_id))
    return SessionDeleted(session_id)


@surface.route("POST", "/v1/sessions/{session_id}/events", may="sessions:write")
def post_events(asking: KeyPrincipal, session_id: str, body: PostEvents, headers: PostHeaders) -> Events:
    """Posts messages, interrupts and answers to questions: all of them, or none."""
    posted = plane().session_rows.post(
        asking.tenant_id,
        session_id_of(session_id),
        body.items(),
        expires_in_s=body.expires_in,
        cause=headers.cause(body),
    )
    return Events(tuple(posted))


@surface.route("GET", "/v1/sessions/{session_id}/events", may="read")
def list_events(asking: KeyPrincipal, session_id: str, query: EventsQuery) -> Page[dict[str, Any]]:
    """A page of events, in the order in which the agent lived them."""
    page = plane().reading.page(
        asking.tenant_id,
        session_id_of(session_id),
        cursor=query.page or query.after,
        limit=query.limit,
        order=query.order,
        ours=bool(query.include),
    )
    return Page(data=query.wanted(page.events), next_page=page.next_page)


@surface.route("GET", "/v1/sessions/{session_id}/events/stream", may="read")
def stream_events(asking: KeyPrincipal, session_id: str, query: StreamQuery, headers: StreamHeaders) -> Response:
    """A bounded piece of the stream, for a plane without its streaming half; any EventSource goes on by itself."""
    wish = query.wish(headers.last_event_id)
    return replies.stream(stream_page(plane(), asking.tenant_id, session_id_of(session_id), wish))


@surface.route("GET", "/v1/sessions/{session_id}/events/{event_id}", may="read")
def get_event(asking: KeyPrincipal, session_id: str, event_id: str) -> dict[str, Any]:
    """One event, whole."""
    return plane().reading.event(asking.tenant_id, session_id_of(session_id), EventId(event_id))
