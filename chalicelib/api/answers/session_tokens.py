"""Session tokens as they are answered. Times are epoch seconds."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ...actors.session_tokens import MintedToken
from ...core.access import SessionRight
from ...core.session_token import SessionToken


class SessionTokenAnswer(Struct, frozen=True, kw_only=True):
    """A session's token without its secret. ``last_used_at`` may be up to an hour old."""

    type: Literal["session_token"] = "session_token"
    id: str
    session_id: str
    name: str
    scopes: tuple[SessionRight, ...]
    created_at: int
    created_by: str
    expires_at: int
    last_used_at: int | None
    revoked_at: int | None


class SessionTokenWithSecret(SessionTokenAnswer, frozen=True, kw_only=True):
    """A session's token with its secret, shown this once."""

    token: str


class SessionTokenList(Struct, frozen=True):
    """The tokens of a session that have not expired, newest first."""

    tokens: tuple[SessionTokenAnswer, ...]


class CanaryAnswer(Struct, frozen=True, kw_only=True):
    """A session by which a laptop proves itself, and its token, shown once."""

    session_id: str
    token: str
    expires_at: int


def session_token_answer(token: SessionToken) -> SessionTokenAnswer:
    """A token as it is answered."""
    return SessionTokenAnswer(
        id=token.token_id,
        session_id=token.session_id,
        name=token.name,
        scopes=token.scopes,
        created_at=int(token.created_at),
        created_by=token.maker_id,
        expires_at=int(token.expires_at),
        last_used_at=None if token.last_used_at is None else int(token.last_used_at),
        revoked_at=None if token.revoked_at is None else int(token.revoked_at),
    )


def minted_token_answer(minted: MintedToken) -> SessionTokenWithSecret:
    """A token as it is answered once."""
    known = session_token_answer(minted.token)
    said = {name: getattr(known, name) for name in known.__struct_fields__}
    return SessionTokenWithSecret(token=minted.secret, **said)
