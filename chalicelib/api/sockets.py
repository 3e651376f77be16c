"""Sockets: what the three WebSocket functions do. Who may connect is decided at ``$connect``, by its status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalice.app import Response, WebsocketEvent

from ..core.access import (
    KeyPrincipal,
    Principal,
    RuntimePrincipal,
    SessionPrincipal,
    TicketPrincipal,
    bearer,
    kind_of,
)
from ..core.catalog import Connection
from ..wire.ids import ConnectionId
from ..wire.limits import MAX_CONNECTION_S
from ..wiring import Plane, plane

GRACE_S = 60.0
"""How much longer than its connection a row lives (seconds): ``$disconnect`` is to find it."""


def connect(event: WebsocketEvent) -> Response:
    """Lets a daemon or a viewer in. Raises Unauthorized and Forbidden, which become the handshake's 401 and 403."""
    here = _plane(event)
    secret = _secret(event.to_dict())
    asking = here.tenants.visitor(secret)
    now = here.clock.now()
    here.frames.connected(
        Connection(
            connection_id=ConnectionId(event.connection_id),
            role="daemon" if isinstance(asking, RuntimePrincipal) else "viewer",
            tenant_id=asking.tenant_id,
            created_at=now,
            expires_at=_until(asking, now + MAX_CONNECTION_S + GRACE_S),
            runtime_id=asking.runtime_id if isinstance(asking, RuntimePrincipal) else None,
            token_hash=asking.token_hash if isinstance(asking, RuntimePrincipal) else None,
            key_id=asking.key_id if isinstance(asking, KeyPrincipal | TicketPrincipal) else None,
            only_session_id=asking.session_id if isinstance(asking, TicketPrincipal | SessionPrincipal) else None,
            held_by=(asking.maker_id, asking.token_id) if isinstance(asking, SessionPrincipal) else (),
        )
    )
    # Whoever revoked the secret before the row was there could not find it, and could not close what is still opening.
    here.tenants.visitor(secret)
    return Response(body="", status_code=200)


def message(event: WebsocketEvent) -> None:
    """Gives a frame to whom it concerns; the answers go out by themselves."""
    _plane(event).frames.on_message(ConnectionId(event.connection_id), event.body)


def disconnect(event: WebsocketEvent) -> None:
    """Tells that a connection has ended. Best effort on AWS: a lease that runs out says the same."""
    _plane(event).frames.disconnected(ConnectionId(event.connection_id))


def _until(asking: Principal, latest: float) -> float:
    """When a connection is over: what a key or a token opened ends with that."""
    ends = None if isinstance(asking, RuntimePrincipal) else asking.expires_at
    return latest if ends is None else min(latest, ends)


def _plane(event: WebsocketEvent) -> Plane:
    here = plane()
    here.sockets_from(event.domain_name, event.stage)
    return here


def _secret(handshake: Mapping[str, Any]) -> str | None:
    """The secret of a handshake: in a header, or, for browsers, which can't set one, a ticket in the query.

    Only tickets: an address ends up in logs, and a ticket is good for one session and a short time.
    """
    headers = {name.lower(): value for name, value in (handshake.get("headers") or {}).items()}
    query = handshake.get("queryStringParameters") or {}
    found = bearer(headers.get("authorization"), headers.get("x-api-key"))
    ticket = query.get("ticket") or ""
    return found or (ticket if kind_of(ticket) == "ticket" else None)
