"""Sessions: make, see, change, talk to, read, follow, archive and delete them."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint, Response

from ..actors.session_rows import session_id_of
from ..core.access import CanaryPrincipal, KeyPrincipal, SessionAsker
from ..core.catalog import SessionRow
from ..core.errors import BadRequest
from ..core.sse import StreamQuery
from ..wire.ids import EventId
from ..wire.limits import MAX_POST_BYTES
from ..wiring import plane
from . import replies
from .answers.pages import Page
from .answers.sessions import Events, SessionAnswer, SessionDeleted, SessionList, session_answer, session_list
from .requests.sessions import (
    CreateSession,
    EventsQuery,
    PostEvents,
    PostHeaders,
    SessionsQuery,
    StreamHeaders,
    UpdateSession,
)
from .stream_page import stream_page
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("POST", "/v1/sessions", may="sessions:write", max_bytes=MAX_POST_BYTES)
def create_session(asking: KeyPrincipal, body: CreateSession, headers: PostHeaders) -> SessionAnswer:
    """Makes a session, with its first messages if there are any."""
    attempt = headers.attempt(asking, body, _arrived_ms())
    return _shown(plane().session_rows.create(asking, body.wanted(), headers.cause(body), attempt))


@surface.route("GET", "/v1/sessions", may="read")
def list_sessions(asking: KeyPrincipal, query: SessionsQuery) -> SessionList:
    """A page of sessions, newest first unless asked otherwise."""
    page = plane().session_rows.list(asking.tenant_id, query.wanted(), query.page, query.limit, query.order)
    return session_list(page, plane().clock.now())


@surface.route("GET", "/v1/sessions/{session_id}", may="read")
def get_session(asking: SessionAsker, session_id: str) -> SessionAnswer:
    """One session, with its status as of now."""
    return _shown(plane().session_rows.get(asking.tenant_id, session_id_of(session_id)))


@surface.route("POST", "/v1/sessions/{session_id}", may="sessions:write")
def update_session(asking: KeyPrincipal, session_id: str, body: UpdateSession) -> SessionAnswer:
    """Changes a session's title and metadata; what is left out stays."""
    return _shown(plane().session_rows.update(asking.tenant_id, session_id_of(session_id), body.wanted()))


@surface.route("POST", "/v1/sessions/{session_id}/archive", may="sessions:write")
def archive_session(asking: KeyPrincipal, session_id: str) -> SessionAnswer:
    """Makes a session read only, for good. Its folder stays on the laptop until the session is deleted."""
    return _shown(plane().session_rows.archive(asking.tenant_id, session_id_of(session_id)))


@surface.route("DELETE", "/v1/sessions/{session_id}", may="sessions:write")
def delete_session(asking: KeyPrincipal | CanaryPrincipal, session_id: str) -> SessionDeleted:
    """Ends a session, here at once and on its laptop as soon as that is there."""
    plane().sessions.delete(asking.tenant_id, session_id_of(session_id))
    return SessionDeleted(session_id)


@surface.route("POST", "/v1/sessions/{session_id}/events", may="sessions:write", max_bytes=MAX_POST_BYTES)
def post_events(asking: SessionAsker, session_id: str, body: PostEvents, headers: PostHeaders) -> Events:
    """Posts messages, interrupts and answers to questions: all of them, or none."""
    posted = plane().session_rows.post(
        asking.tenant_id,
        session_id_of(session_id),
        body.items(),
        expires_in_s=body.expires_in,
        cause=headers.cause(body),
        attempt=headers.attempt(asking, body, _arrived_ms()),
        sender=asking.owner_id,
        by=asking.signature,
    )
    return Events(tuple(posted))


@surface.route("GET", "/v1/sessions/{session_id}/events", may="read")
def list_events(asking: SessionAsker, session_id: str, query: EventsQuery) -> Page[dict[str, Any]]:
    """A page of events, in the order in which the agent lived them."""
    page = plane().reading.page(
        asking.tenant_id,
        session_id_of(session_id),
        cursor=query.page or query.after,
        limit=query.limit,
        order=query.order,
        ours=bool(query.include),
        types=query.types,
        created=query.created(),
    )
    return Page(data=tuple(page.events), next_page=page.next_page)


@surface.route("GET", "/v1/sessions/{session_id}/events/stream", may="read")
def stream_events(asking: SessionAsker, session_id: str, query: StreamQuery, headers: StreamHeaders) -> Response:
    """A bounded piece of the stream, for a plane without its streaming half; any EventSource goes on by itself."""
    wish = query.wish(headers.last_event_id)
    return replies.stream(stream_page(plane(), asking.tenant_id, session_id_of(session_id), wish))


@surface.route("GET", "/v1/sessions/{session_id}/events/{event_id}", may="read")
def get_event(asking: SessionAsker, session_id: str, event_id: str) -> dict[str, Any]:
    """One event, whole."""
    return plane().reading.event(asking.tenant_id, session_id_of(session_id), EventId(event_id))


# ---- what sessions have elsewhere, and not here


@surface.route("GET", "/v1/sessions/{session_id}/resources", may="read")
def list_resources(asking: KeyPrincipal, session_id: str) -> Page[dict[str, Any]]:
    """What is mounted into a session: nothing. Its messages bring their files along."""
    plane().sessions.head(asking.tenant_id, session_id_of(session_id))
    return Page(data=(), next_page=None)


@surface.route("POST", "/v1/sessions/{session_id}/resources", may="sessions:write")
def add_resource(asking: KeyPrincipal, session_id: str) -> Response:
    """Refused: nothing is mounted into a session; a message brings its files along."""
    plane().sessions.head(asking.tenant_id, session_id_of(session_id))
    why = "Nothing can be mounted into a session on a laptop; send the file in a user.message."
    raise BadRequest("unsupported_resource", why)


@surface.route("GET", "/v1/sessions/{session_id}/resources/{resource_id}", may="read")
def get_resource(asking: KeyPrincipal, session_id: str, resource_id: str) -> Response:
    """Not found: nothing is mounted into a session."""
    raise plane().session_rows.none_of(asking.tenant_id, session_id_of(session_id), "resource")


@surface.route("POST", "/v1/sessions/{session_id}/resources/{resource_id}", may="sessions:write")
def update_resource(asking: KeyPrincipal, session_id: str, resource_id: str) -> Response:
    """Not found: nothing is mounted into a session."""
    raise plane().session_rows.none_of(asking.tenant_id, session_id_of(session_id), "resource")


@surface.route("DELETE", "/v1/sessions/{session_id}/resources/{resource_id}", may="sessions:write")
def delete_resource(asking: KeyPrincipal, session_id: str, resource_id: str) -> Response:
    """Not found: nothing is mounted into a session."""
    raise plane().session_rows.none_of(asking.tenant_id, session_id_of(session_id), "resource")


@surface.route("GET", "/v1/sessions/{session_id}/threads", may="read")
def list_threads(asking: KeyPrincipal, session_id: str) -> Response:
    """Not found: a session is one thread, which is the session itself."""
    raise plane().session_rows.none_of(asking.tenant_id, session_id_of(session_id), "thread")


@surface.route("GET", "/v1/sessions/{session_id}/threads/{thread_id}", may="read")
def get_thread(asking: KeyPrincipal, session_id: str, thread_id: str) -> Response:
    """Not found: a session is one thread, which is the session itself."""
    raise plane().session_rows.none_of(asking.tenant_id, session_id_of(session_id), "thread")


@surface.route("POST", "/v1/sessions/{session_id}/threads/{thread_id}/archive", may="sessions:write")
def archive_thread(asking: KeyPrincipal, session_id: str, thread_id: str) -> Response:
    """Not found: a session is one thread, which is the session itself."""
    raise plane().session_rows.none_of(asking.tenant_id, session_id_of(session_id), "thread")


@surface.route("GET", "/v1/sessions/{session_id}/threads/{thread_id}/events", may="read")
def list_thread_events(asking: KeyPrincipal, session_id: str, thread_id: str) -> Response:
    """Not found: a session is one thread, which is the session itself."""
    raise plane().session_rows.none_of(asking.tenant_id, session_id_of(session_id), "thread")


@surface.route("GET", "/v1/sessions/{session_id}/threads/{thread_id}/stream", may="read")
def stream_thread_events(asking: KeyPrincipal, session_id: str, thread_id: str) -> Response:
    """Not found: a session is one thread, which is the session itself."""
    raise plane().session_rows.none_of(asking.tenant_id, session_id_of(session_id), "thread")


def _shown(row: SessionRow) -> SessionAnswer:
    return session_answer(row, plane().clock.now())


def _arrived_ms() -> int:
    """When the request reached the plane (epoch milliseconds): API Gateway's time, since a function may begin late."""
    at_ms = surface.blueprint.current_request.context.get("requestTimeEpoch")
    return int(at_ms) if at_ms is not None else int(plane().clock.now() * 1000)
