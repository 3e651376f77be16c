"""Tenancy: whose secret this is, and the first tenant of a new plane."""

from __future__ import annotations

import hmac
import re

from ..core.access import (
    EVERYTHING,
    KeyPrincipal,
    Principal,
    Right,
    RuntimePrincipal,
    SessionAsker,
    SessionPrincipal,
    TicketPrincipal,
    kind_of,
    token_hash,
)
from ..core.errors import BadRequest, Forbidden, Unauthorized
from ..wire.ids import TenantId
from .api_keys import USE_EVERY_S, ApiKeys
from .people import People
from .ports import Stores
from .session_tokens import SessionTokens
from .sessions import no_session

_KEY_FORMAT = re.compile(r"moor_(?!st_|tk_|bs_)[A-Za-z0-9_-]{32,128}")
"""A key that somebody brings along: at least 128 bits if it is hex, and none of the prefixes of other secrets."""


class Tenancy:
    """Knows tenants and who speaks for them."""

    def __init__(self, stores: Stores, people: People, keys: ApiKeys, tokens: SessionTokens) -> None:
        self._tenants = stores.tenants
        self._runtimes = stores.runtimes
        self._passes = stores.passes
        self._clock = stores.clock
        self._people = people
        self._keys = keys
        self._tokens = tokens

    def bootstrap(self, admin_key: str | None) -> tuple[TenantId, str]:
        """Makes the first tenant with an owner and a key of theirs, or finds them.

        Args:
            admin_key: the key that is to work afterwards; None to have one made.

        Returns:
            The key's tenant, and the key.

        Raises:
            BadRequest: ``bad_admin_key``: not ``moor_`` and at least 32 letters, digits, ``-`` or ``_``; or one that
                opens nothing any more.
        """
        if admin_key is not None and not _KEY_FORMAT.fullmatch(admin_key):
            why = "An admin key is moor_ and 32 to 128 letters, digits, - or _, not beginning with st_, tk_ or bs_."
            raise BadRequest("bad_admin_key", why)
        standing = self._tenants.key(token_hash(admin_key)) if admin_key is not None else None
        if admin_key is not None and standing is not None:
            if self._keys.used(standing.key_hash) is None:
                why = f"The key {standing.key_id} was revoked or has expired; give another one."
                raise BadRequest("bad_admin_key", why)
            return standing.tenant_id, admin_key
        tenant = self._tenants.first() or self._people.found("first tenant")
        owner = self._people.first_owner(tenant.tenant_id)
        owner = owner or self._people.join(tenant.tenant_id, "owner", None, "owner")
        return tenant.tenant_id, self._keys.mint(owner, "admin", EVERYTHING, secret=admin_key).secret

    def key_principal(self, secret: str | None, may: Right) -> KeyPrincipal:
        """Who holds an API key that may do this.

        Raises:
            Unauthorized: ``unauthorized``: no secret, or one that is unknown, revoked or has expired.
            Forbidden: ``wrong_principal``: a secret of another kind; ``role_not_allowed``, ``scope_missing``.
        """
        principal = self.principal(secret)
        if not isinstance(principal, KeyPrincipal):
            raise Forbidden("wrong_principal", "This needs an API key (moor_…), not a secret of another kind.")
        principal.must(may)
        return principal

    def session_principal(
        self, secret: str | None, wanted: type[SessionPrincipal], may: Right, session_id: str
    ) -> SessionAsker:
        """Who holds an API key that may do this, or such a token of this session.

        Raises:
            Unauthorized, Forbidden: as ``key_principal``.
            NotFound: ``session_not_found``: the token is another session's, whether there is this one or not.
        """
        principal = self.principal(secret)
        if isinstance(principal, wanted):
            if principal.session_id != session_id:
                raise no_session(session_id[:80])
        elif not isinstance(principal, KeyPrincipal):
            raise Forbidden("wrong_principal", "This needs an API key (moor_…), not a secret of another kind.")
        principal.must(may)
        return principal

    def runtime_principal(self, secret: str | None) -> RuntimePrincipal:
        """Which runtime a token stands for. Raises as ``key_principal`` does."""
        principal = self.principal(secret)
        if not isinstance(principal, RuntimePrincipal):
            raise Forbidden("wrong_principal", "This needs a runtime's token (sk_machine_…), not an API key.")
        return principal

    def visitor(self, secret: str | None) -> Principal:
        """Who may open a WebSocket: a laptop, a ticket, or somebody who may read. Raises Unauthorized, Forbidden."""
        principal = self.principal(secret)
        if isinstance(principal, KeyPrincipal | SessionPrincipal):
            principal.must("read")
        return principal

    def principal(self, secret: str | None) -> Principal:
        """Whoever a secret stands for. Raises Unauthorized: no secret, or one that is unknown, revoked or expired."""
        if secret:
            hashed = token_hash(secret)
            match kind_of(secret):
                case "api_key":
                    if person := self._person(hashed):
                        return person
                case "session_token":
                    if in_session := self._tokens.shown(secret):
                        return in_session
                case "cookie" | "ticket":
                    shown = self._passes.get(hashed, self._clock.now())
                    person = self._person(shown.key_hash) if shown else None
                    if shown and person and shown.session_id is None:
                        return person
                    if shown and person and shown.session_id is not None:
                        return TicketPrincipal(person.tenant_id, shown.session_id, person.key_id, person.expires_at)
                case "runtime_token":
                    now = self._clock.now()
                    token = self._runtimes.token(hashed)
                    if token and token.opens(now) and hmac.compare_digest(token.token_hash, hashed):
                        if token.last_used_at is None or now - token.last_used_at >= USE_EVERY_S:
                            self._runtimes.use_token(hashed, now, now - USE_EVERY_S)
                        return RuntimePrincipal(token.tenant_id, token.runtime_id, hashed)
                case _:
                    pass
        raise Unauthorized(
            "unauthorized",
            "Send a valid key as 'Authorization: Bearer …' or 'x-api-key'; this one is missing, unknown or has ended.",
        )

    def _person(self, key_hash: str) -> KeyPrincipal | None:
        key = self._keys.used(key_hash)
        if key is None or not hmac.compare_digest(key.key_hash, key_hash):
            return None
        return KeyPrincipal(key.tenant_id, key.key_id, key.user_id, key.role, key.scopes, key.expires_at, key.key_hash)
