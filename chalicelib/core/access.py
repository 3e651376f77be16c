"""Who may ask: the kinds of secret, told apart by prefix, and the principals they stand for."""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct

from ..wire.ids import KeyId, RuntimeId, SessionId, TenantId

TokenKind = Literal["session_token", "api_key", "runtime_token", "ticket"]

_PREFIXES: tuple[tuple[str, TokenKind], ...] = (
    ("moor_st_", "session_token"),
    ("moor_tk_", "ticket"),
    ("moor_", "api_key"),
    ("sk_machine_", "runtime_token"),
)
"""Longest first where one prefix begins another."""


class KeyPrincipal(Struct, frozen=True):
    """An API key: it acts for a person of the tenant."""

    tenant_id: TenantId
    key_id: KeyId


class RuntimePrincipal(Struct, frozen=True):
    """A runtime token: it acts for one laptop."""

    tenant_id: TenantId
    runtime_id: RuntimeId
    token_hash: str


class TicketPrincipal(Struct, frozen=True):
    """A ticket: it lets a browser's WebSocket attach to one session."""

    tenant_id: TenantId
    session_id: SessionId


Principal = KeyPrincipal | RuntimePrincipal | TicketPrincipal


def kind_of(token: str) -> TokenKind | None:
    """The kind of secret that ``token`` is by its prefix, or None."""
    return next((kind for prefix, kind in _PREFIXES if token.startswith(prefix)), None)


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
