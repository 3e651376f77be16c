"""Browsers: what a page holds in place of a key, which it should neither keep nor put into an address."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..core.access import KeyPrincipal, csrf_token, token_hash
from ..core.catalog import Pass
from ..wire.ids import SessionId
from .ports import Stores
from .sessions import SessionObjects

COOKIE_TTL_S = 12 * 3600.0
"""How long a browser stays signed in (seconds): a working day."""

TICKET_TTL_S = 60.0
"""How long a ticket opens a WebSocket (seconds); what it opened stays open."""

PASS_BYTES = 24


class SignedIn(Struct, frozen=True):
    """A browser's cookie, shown once, what a page sends along with it, and until when both count (epoch seconds)."""

    cookie: str
    csrf_token: str
    expires_at: float

    def __repr__(self) -> str:
        return f"SignedIn(expires_at={self.expires_at})"


class Ticket(Struct, frozen=True):
    """A ticket, shown once, and until when it opens a WebSocket (epoch seconds)."""

    ticket: str
    expires_at: float

    def __repr__(self) -> str:
        return f"Ticket(expires_at={self.expires_at})"


class Browsers:
    """Lets browsers in. What it gives out opens what the key behind it opens, and ends with that."""

    def __init__(self, stores: Stores, sessions: SessionObjects) -> None:
        self._passes = stores.passes
        self._clock = stores.clock
        self._sessions = sessions

    def sign_in(self, asking: KeyPrincipal) -> SignedIn:
        """Gives a browser a cookie for the key that it has shown."""
        cookie = f"moor_bs_{self._clock.token(PASS_BYTES)}"
        expires_at = self._keep(asking, cookie, "cookie", COOKIE_TTL_S)
        return SignedIn(cookie, csrf_token(cookie), expires_at)

    def sign_out(self, cookie: str) -> None:
        """Ends a cookie. A repeat changes nothing."""
        self._passes.delete(token_hash(cookie))

    def ticket(self, asking: KeyPrincipal, session_id: SessionId) -> Ticket:
        """Gives out a ticket to one session. Raises NotFound ``session_not_found``."""
        self._sessions.head(asking.tenant_id, session_id)
        ticket = f"moor_tk_{self._clock.token(PASS_BYTES)}"
        expires_at = self._keep(asking, ticket, "ticket", TICKET_TTL_S, session_id)
        return Ticket(ticket, expires_at)

    def _keep(
        self,
        asking: KeyPrincipal,
        secret: str,
        kind: Literal["cookie", "ticket"],
        ttl_s: float,
        session_id: SessionId | None = None,
    ) -> float:
        """Writes a pass down. Returns until when it counts: never longer than the key behind it (epoch seconds)."""
        latest = self._clock.now() + ttl_s
        expires_at = latest if asking.expires_at is None else min(latest, asking.expires_at)
        self._passes.put(
            Pass(
                pass_hash=token_hash(secret),
                kind=kind,
                tenant_id=asking.tenant_id,
                key_hash=asking.key_hash,
                expires_at=expires_at,
                session_id=session_id,
            )
        )
        return expires_at
