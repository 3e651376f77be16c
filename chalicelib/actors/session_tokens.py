"""Session tokens: how they are made, listed, replaced and revoked, and what one of them opens now.

What a token is stands in one item, its secrets included. By whom it was made and whether its session is open are looked
at each time that it is shown, so that it ends with either and nobody has to remember to end it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ..core.access import (
    SESSION_TOKEN_ID,
    CanaryPrincipal,
    KeyPrincipal,
    RuntimePrincipal,
    SessionPrincipal,
    SessionRight,
    session_token,
    session_token_id,
    token_hash,
)
from ..core.catalog import KeySecret, next_secrets
from ..core.errors import Busy, Conflicting, Forbidden, NotFound, TooMany
from ..core.record import Head
from ..core.session_state import SessionState
from ..core.session_token import SessionToken
from ..wire.ids import SessionId, TenantId
from .agents import timed_id
from .api_keys import MAX_TRIES, USE_EVERY_S, ApiKeys, HangUp
from .ports import Stores

LIFE_S: Final = 3600.0
"""How long a token opens unless it is said otherwise (seconds)."""

MAX_TOKENS: Final = 50
"""Tokens that open something, of one session."""

_SECRET_BYTES: Final = 24
_TOKEN_ID = re.compile(SESSION_TOKEN_ID + r"[0-9a-f]{26}")
_RETRY_AFTER_S: Final = 60

Lookup = Callable[[TenantId, SessionId], Head[SessionState]]
"""A session as it stands; raises NotFound ``session_not_found``."""


class NewToken(Struct, frozen=True, kw_only=True):
    """What a token is to be. Without ``expires_in_s`` it lives for an hour, or as long as the key that asks."""

    name: str
    scopes: tuple[SessionRight, ...] = ("read",)
    expires_in_s: float | None = None


class MintedToken(Struct, frozen=True):
    """A token, and its newest secret, shown once."""

    token: SessionToken
    secret: str

    def __repr__(self) -> str:
        return f"MintedToken(token_id={self.token.token_id!r})"


class SessionTokens:
    """Keeps session tokens.

    Args:
        stores: what is remembered.
        keys: who stands behind a token that a person made.
        head: looks sessions up.
        hang_up: ends the connections of a token that opens nothing any more.
    """

    def __init__(self, stores: Stores, keys: ApiKeys, head: Lookup, hang_up: HangUp) -> None:
        self._passes = stores.passes
        self._runtimes = stores.runtimes
        self._clock = stores.clock
        self._keys = keys
        self._head = head
        self._hang_up = hang_up

    # ---- what people ask for

    def create(self, asking: KeyPrincipal, session_id: SessionId, new: NewToken) -> MintedToken:
        """Makes a token for a session.

        Raises:
            NotFound: ``session_not_found``.
            Conflicting: ``session_archived``.
            Forbidden: ``key_too_wide``: it could do more than the key that asks, or for longer.
            TooMany: ``too_many_tokens``.
        """
        self._check_open(asking.tenant_id, session_id)
        now = self._clock.now()
        if new.expires_in_s is not None:
            expires_at = now + new.expires_in_s
        else:
            expires_at = min(now + LIFE_S, asking.expires_at or now + LIFE_S)
        asking.must_cover(new.scopes, expires_at)
        return self._mint(
            SessionToken(
                token_id=timed_id(SESSION_TOKEN_ID[:-1], self._clock),
                tenant_id=asking.tenant_id,
                session_id=session_id,
                name=new.name,
                scopes=tuple(dict.fromkeys(new.scopes)),
                created_at=now,
                expires_at=expires_at,
                maker_id=asking.key_id,
                maker_hash=asking.key_hash,
                owner_id=asking.owner_id,
                secrets=(),
            )
        )

    def for_canary(
        self, asking: RuntimePrincipal, session_id: SessionId, owner_id: str, expires_in_s: float
    ) -> MintedToken:
        """Makes the token of a canary's session, which acts as the laptop's owner. Raises as ``create``."""
        now = self._clock.now()
        return self._mint(
            SessionToken(
                token_id=timed_id(SESSION_TOKEN_ID[:-1], self._clock),
                tenant_id=asking.tenant_id,
                session_id=session_id,
                name="canary",
                scopes=("read", "sessions:write"),
                created_at=now,
                expires_at=now + expires_in_s,
                maker_id=asking.runtime_id,
                maker_hash=asking.token_hash,
                owner_id=owner_id,
                secrets=(),
                is_canary=True,
            )
        )

    def list(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[SessionToken]:
        """A session's tokens that have not expired, newest first. Raises NotFound ``session_not_found``."""
        self._head(tenant_id, session_id)
        return self._passes.tokens(tenant_id, session_id, self._clock.now())

    def rotate(self, asking: KeyPrincipal, session_id: SessionId, token_id: str, grace_s: float) -> MintedToken:
        """Gives a token another secret; the one before it ends after ``grace_s`` seconds, 0 for at once.

        Raises:
            NotFound: ``session_not_found``, ``session_token_not_found``.
            Forbidden: ``owner_only``: it acts as somebody else; ``key_too_wide``.
            Conflicting: ``session_token_ended``.
        """
        text = self._clock.token(_SECRET_BYTES)
        for _ in range(MAX_TRIES):
            token = self._token(asking.tenant_id, session_id, token_id)
            if token.owner_id != asking.owner_id:
                raise Forbidden("owner_only", f"Only who made token {token_id} gives it another secret.")
            if self._principal(token) is None:
                raise Conflicting("session_token_ended", f"Token {token_id} opens nothing any more; make another one.")
            asking.must_cover(token.scopes, token.expires_at)
            now, secret = self._clock.now(), session_token(token_id, text)
            secrets = next_secrets(token.secrets, token_hash(secret), now, now + grace_s)
            after = replace(token, secrets=secrets, version=token.version + 1)
            if self._passes.put_token(after):
                if not grace_s:
                    self._hang_up(token.tenant_id, token_id)
                return MintedToken(after, secret)
        raise _busy(token_id)

    def revoke(self, asking: KeyPrincipal, session_id: SessionId, token_id: str) -> SessionToken:
        """Ends a token, and the connections that it opened. Doing it again does what is left to do.

        Raises:
            NotFound: ``session_not_found``, ``session_token_not_found``.
        """
        for _ in range(MAX_TRIES):
            token = self._token(asking.tenant_id, session_id, token_id)
            if token.revoked_at is None:
                token = replace(token, revoked_at=self._clock.now(), version=token.version + 1)
                if not self._passes.put_token(token):
                    continue
            self._hang_up(token.tenant_id, token_id)
            return token
        raise _busy(token_id)

    # ---- what a token opens

    def shown(self, secret: str) -> SessionPrincipal | None:
        """Whoever shows a token, or None for one that opens nothing now."""
        token_id, now = session_token_id(secret), self._clock.now()
        token = self._passes.token(token_id, now) if token_id else None
        if token is None or not token.opens(token_hash(secret), now):
            return None
        principal = self._principal(token)
        if principal is not None and (token.last_used_at is None or now - token.last_used_at >= USE_EVERY_S):
            # Whoever changes it at this moment goes first; the next use is noted.
            self._passes.put_token(replace(token, last_used_at=now, version=token.version + 1))
        return principal

    def _principal(self, token: SessionToken) -> SessionPrincipal | None:
        """As whom a token acts; None when it, its maker or its session has ended."""
        now = self._clock.now()
        if token.revoked_at is not None or not self._is_open(token.tenant_id, token.session_id):
            return None
        scopes, ends = token.scopes, None
        if token.is_canary:
            maker = self._runtimes.token(token.maker_hash)
            if maker is None or not maker.opens(now):
                return None
        else:
            key = self._keys.used(token.maker_hash)
            if key is None:
                return None
            person = KeyPrincipal(key.tenant_id, key.key_id, key.user_id, key.role, key.scopes)
            scopes, ends = tuple(one for one in scopes if person.may(one)), key.expires_at
        kind = CanaryPrincipal if token.is_canary else SessionPrincipal
        return kind(
            tenant_id=token.tenant_id,
            session_id=token.session_id,
            token_id=token.token_id,
            maker_id=token.maker_id,
            owner_id=token.owner_id,
            scopes=scopes,
            expires_at=token.expires_at if ends is None else min(token.expires_at, ends),
        )

    # ---- within

    def _mint(self, blank: SessionToken) -> MintedToken:
        """Writes a token with its first secret. Raises TooMany ``too_many_tokens``."""
        others = self._passes.tokens(blank.tenant_id, blank.session_id, blank.created_at)
        if sum(one.revoked_at is None for one in others) >= MAX_TOKENS:
            why = f"Session {blank.session_id} has {MAX_TOKENS} tokens; revoke one, or let one expire."
            raise TooMany("too_many_tokens", why, retry_after_s=_RETRY_AFTER_S)
        secret = session_token(blank.token_id, self._clock.token(_SECRET_BYTES))
        token = replace(blank, secrets=(KeySecret(token_hash(secret)),))
        self._passes.put_token(token)
        return MintedToken(token, secret)

    def _token(self, tenant_id: TenantId, session_id: SessionId, token_id: str) -> SessionToken:
        self._head(tenant_id, session_id)
        found = self._passes.token(token_id, self._clock.now()) if _TOKEN_ID.fullmatch(token_id) else None
        if found is None or (found.tenant_id, found.session_id) != (tenant_id, session_id):
            raise NotFound("session_token_not_found", f"There is no token {token_id[:80]}.", field="token_id")
        return found

    def _is_open(self, tenant_id: TenantId, session_id: SessionId) -> bool:
        try:
            return self._head(tenant_id, session_id).state.archived_at is None
        except NotFound:
            return False

    def _check_open(self, tenant_id: TenantId, session_id: SessionId) -> None:
        if self._head(tenant_id, session_id).state.archived_at is not None:
            raise Conflicting("session_archived", f"Session {session_id} is archived; a token for it opens nothing.")


def _busy(token_id: str) -> Busy:
    return Busy("object_busy", f"Too many change session token {token_id} at once; try again.", retry_after_s=1)
