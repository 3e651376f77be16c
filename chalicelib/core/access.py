"""Who may ask for what: the kinds of secret, told apart by prefix, the principals they stand for, and their rights.

A person has a role, and a key of theirs may be narrowed to some scopes: it may do what both allow. The scopes are the
rights that routes ask for.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from ..wire.ids import KeyId, RuntimeId, SessionId, TenantId
from .errors import Forbidden

Role = Literal["owner", "admin", "member", "viewer"]
"""A person's part in a tenant. An owner alone makes and unmakes owners."""

Right = Literal["read", "sessions:write", "agents:write", "runtimes:write", "admin"]
"""What a route may ask for.

    read            see agents, sessions, runtimes and files
    sessions:write  make sessions, talk to them, answer their questions, end them; bring and delete files
    agents:write    make and change agents and environments
    runtimes:write  connect laptops, share and remove one's own
    admin           people, keys, and the tenant itself
"""

EVERYTHING: Final[tuple[Right, ...]] = ("read", "sessions:write", "agents:write", "runtimes:write", "admin")

RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    "owner": frozenset(EVERYTHING),
    "admin": frozenset(EVERYTHING),
    "member": frozenset(EVERYTHING) - {"admin"},
    "viewer": frozenset({"read"}),
}

SessionRight = Literal["read", "sessions:write"]
"""What a session token may be good for."""

COOKIE: Final = "moor_session"
"""The name of the cookie in which a browser keeps its sign-in."""

TokenKind = Literal["session_token", "api_key", "runtime_token", "ticket", "cookie"]

_PREFIXES: tuple[tuple[str, TokenKind], ...] = (
    ("moor_st_", "session_token"),
    ("moor_tk_", "ticket"),
    ("moor_bs_", "cookie"),
    ("moor_", "api_key"),
    ("sk_machine_", "runtime_token"),
)
"""Longest first where one prefix begins another."""

SESSION_TOKEN_ID: Final = "stk_"
"""Begins the id of a session token."""

_SESSION_TOKEN = re.compile(r"moor_st_([0-9a-f]{26})_[0-9a-f]{48}")


class KeyPrincipal(Struct, frozen=True):
    """An API key: it acts for a person of the tenant.

    Attributes:
        user_id: the person; a key made before there were people stands for itself.
        role: the person's.
        scopes: what the key is narrowed to.
        expires_at: when its secret ends (epoch seconds), or None.
        key_hash: of the secret that was shown, or that a browser was signed in with.
    """

    tenant_id: TenantId
    key_id: KeyId
    user_id: str = ""
    role: Role = "owner"
    scopes: tuple[Right, ...] = EVERYTHING
    expires_at: float | None = None
    key_hash: str = ""

    @property
    def owner_id(self) -> str:
        """To whom belongs what this principal makes: the person, or a key without one."""
        return self.user_id or self.key_id

    @property
    def shown_id(self) -> str:
        """The id of what was shown: the key's."""
        return self.key_id

    @property
    def signature(self) -> str:
        """Who is said to have done something: the person, or a key without one."""
        return self.owner_id

    def may(self, right: Right) -> bool:
        """Whether both role and scopes allow it."""
        return right in self.scopes and right in RIGHTS[self.role]

    def must(self, right: Right) -> None:
        """Raises Forbidden ``role_not_allowed`` or ``scope_missing`` unless it may."""
        if right not in RIGHTS[self.role]:
            raise Forbidden("role_not_allowed", f"This needs the right {right!r}, which a {self.role} does not have.")
        if right not in self.scopes:
            raise Forbidden("scope_missing", f"This needs the right {right!r}, which is not among this key's scopes.")

    def must_govern(self, *roles: Role) -> None:
        """Raises Forbidden ``owners_only`` where an owner is among those concerned and this is none."""
        if "owner" in roles and self.role != "owner":
            raise Forbidden("owners_only", "Only an owner makes, changes or removes owners and their keys.")

    def must_cover(self, scopes: Iterable[Right], expires_at: float | None) -> None:
        """Raises Forbidden ``key_too_wide`` for a key that could do more than this one, or do it for longer.

        Otherwise whoever gets hold of a narrow key, or of one that ends soon, would make themselves a better one.
        """
        beyond = [one for one in scopes if one not in self.scopes]
        if beyond:
            why = f"A key gives no more than it has; {', '.join(beyond)} is not among this key's scopes."
            raise Forbidden("key_too_wide", why, field="scopes")
        if self.expires_at is not None and (expires_at is None or expires_at > self.expires_at):
            why = f"A key gives nothing that outlives it; this one ends at {int(self.expires_at)}."
            raise Forbidden("key_too_wide", why, field="expires_in")


class SessionPrincipal(Struct, frozen=True, kw_only=True):
    """A session token: it acts in one session, on behalf of whoever made it.

    Attributes:
        maker_id: by what it was made, and with what it ends: a key, or a runtime.
        owner_id: as whom it acts.
        scopes: what it is good for, and its maker still may.
        expires_at: when it, or its maker's secret, ends (epoch seconds).
    """

    tenant_id: TenantId
    session_id: SessionId
    token_id: str
    maker_id: str
    owner_id: str
    scopes: tuple[Right, ...]
    expires_at: float

    @property
    def shown_id(self) -> str:
        """The id of what was shown: the token's."""
        return self.token_id

    @property
    def signature(self) -> str:
        """Who is said to have done something: the token, whoever holds it."""
        return self.token_id

    def must(self, right: Right) -> None:
        """Raises Forbidden ``scope_missing`` unless it may."""
        if right not in self.scopes:
            raise Forbidden("scope_missing", f"This needs the right {right!r}, which is not among this token's scopes.")


class CanaryPrincipal(SessionPrincipal, frozen=True, kw_only=True):
    """The token of a canary's session: what it proves a plane by, it may also delete."""


SessionAsker = KeyPrincipal | SessionPrincipal
"""Whoever may look into a session, and speak in it."""


class RuntimePrincipal(Struct, frozen=True):
    """A runtime token: it acts for one laptop."""

    tenant_id: TenantId
    runtime_id: RuntimeId
    token_hash: str


class TicketPrincipal(Struct, frozen=True):
    """A ticket: it lets a browser's WebSocket attach to one session, on behalf of the key that asked for it."""

    tenant_id: TenantId
    session_id: SessionId
    key_id: KeyId
    expires_at: float | None = None


Principal = KeyPrincipal | SessionPrincipal | RuntimePrincipal | TicketPrincipal


def kind_of(token: str) -> TokenKind | None:
    """The kind of secret that ``token`` is by its prefix, or None."""
    return next((kind for prefix, kind in _PREFIXES if token.startswith(prefix)), None)


def session_token(token_id: str, secret: str) -> str:
    """A session token as it is shown: it names itself, so that it is found by one read, whichever its secret is."""
    return f"moor_st_{token_id.removeprefix(SESSION_TOKEN_ID)}_{secret}"


def session_token_id(token: str) -> str | None:
    """The id of a session token as it is shown, or None for what can't be one."""
    found = _SESSION_TOKEN.fullmatch(token)
    return SESSION_TOKEN_ID + found[1] if found else None


def token_hash(token: str) -> str:
    """What is stored of a secret: its SHA-256. Secrets carry at least 128 bits of chance, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def bearer(authorization: str | None, x_api_key: str | None = None) -> str | None:
    """The secret in ``Authorization: Bearer …`` (the scheme in any case) or ``x-api-key``; None when there is none."""
    if authorization:
        scheme, _, rest = authorization.strip().partition(" ")
        if scheme.lower() == "bearer" and rest.strip():
            return rest.strip()
    return x_api_key.strip() if x_api_key and x_api_key.strip() else None


def cookie_in(header: str | None) -> str | None:
    """The secret in a ``Cookie`` header, or None. Source: RFC 6265 §5.4."""
    for part in (header or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None


def csrf_token(cookie: str) -> str:
    """What a page must send along with a cookie to change anything; nobody learns the cookie from it."""
    return hashlib.sha256(f"csrf:{cookie}".encode()).hexdigest()


def is_forged(cookie: str, given: str | None, fetch_site: str | None) -> bool:
    """Whether a request that would change something was made by another site, in the browser of who holds the cookie.

    Args:
        cookie: the cookie's secret.
        given: the ``x-csrf-token`` header, or None.
        fetch_site: the ``Sec-Fetch-Site`` header, or None from a browser that sends none.
    """
    if fetch_site not in (None, "same-origin", "none"):
        return True
    return not hmac.compare_digest((given or "").encode(), csrf_token(cookie).encode())
