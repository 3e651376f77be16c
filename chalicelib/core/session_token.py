"""Session tokens: secrets that are good for one session, and what is known of them."""

from __future__ import annotations

import hmac

from msgspec import Struct

from ..wire.ids import RuntimeId, SessionId, TenantId
from .access import SessionRight
from .catalog import KeySecret


class SessionToken(Struct, frozen=True, kw_only=True):
    """A session token, by its id, which its secrets name.

    It opens nothing from the moment on at which ``maker_hash`` opens nothing, or its session is deleted or archived.

    Attributes:
        maker_id: by what it was made: a key, or for a canary's a runtime.
        maker_hash: of the secret by which it was made.
        owner_id: as whom it acts.
        secrets: the newest first; those before it live out their time of grace.
        is_canary: whether a laptop made it, for a session by which it proves itself.
        last_used_at: as of at most an hour ago.
        version: grows with each change.
    """

    token_id: str
    tenant_id: TenantId
    session_id: SessionId
    name: str
    scopes: tuple[SessionRight, ...]
    created_at: float
    expires_at: float
    maker_id: str
    maker_hash: str
    owner_id: str
    secrets: tuple[KeySecret, ...]
    is_canary: bool = False
    revoked_at: float | None = None
    last_used_at: float | None = None
    version: int = 1

    def opens(self, secret_hash: str, now: float) -> bool:
        """Whether the secret with this hash opens anything at ``now`` (epoch seconds), as far as the token knows."""
        if self.revoked_at is not None or now >= self.expires_at:
            return False
        return any(
            hmac.compare_digest(one.key_hash, secret_hash) and (one.expires_at is None or now < one.expires_at)
            for one in self.secrets
        )


class Canary(Struct, frozen=True, kw_only=True):
    """The newest session by which a laptop proves itself, and when it was asked for (epoch seconds)."""

    runtime_id: RuntimeId
    tenant_id: TenantId
    session_id: SessionId
    at: float
