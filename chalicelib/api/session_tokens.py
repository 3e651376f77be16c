"""Session tokens: secrets that are good for one session, made by people, and by a laptop for its canary."""

from __future__ import annotations

from chalice import Blueprint

from ..actors.session_rows import session_id_of
from ..core.access import KeyPrincipal, RuntimePrincipal
from ..wiring import plane
from .answers.session_tokens import (
    CanaryAnswer,
    SessionTokenAnswer,
    SessionTokenList,
    SessionTokenWithSecret,
    minted_token_answer,
    session_token_answer,
)
from .requests.session_tokens import CreateSessionToken, RotateSessionToken
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("POST", "/v1/sessions/{session_id}/tokens", may="sessions:write")
def create_session_token(asking: KeyPrincipal, session_id: str, body: CreateSessionToken) -> SessionTokenWithSecret:
    """Makes a token that is good for this session alone, never a wider one than the key that asks; shown once."""
    return minted_token_answer(plane().session_tokens.create(asking, session_id_of(session_id), body.wanted()))


@surface.route("GET", "/v1/sessions/{session_id}/tokens", may="read")
def list_session_tokens(asking: KeyPrincipal, session_id: str) -> SessionTokenList:
    """A session's tokens that have not expired, newest first, without their secrets."""
    found = plane().session_tokens.list(asking.tenant_id, session_id_of(session_id))
    return SessionTokenList(tuple(map(session_token_answer, found)))


@surface.route("POST", "/v1/sessions/{session_id}/tokens/{token_id}/rotate", may="sessions:write")
def rotate_session_token(
    asking: KeyPrincipal, session_id: str, token_id: str, body: RotateSessionToken
) -> SessionTokenWithSecret:
    """Gives one's token another secret, shown once; the one before it opens for a while longer."""
    sid = session_id_of(session_id)
    return minted_token_answer(plane().session_tokens.rotate(asking, sid, token_id, body.grace_s))


@surface.route("DELETE", "/v1/sessions/{session_id}/tokens/{token_id}", may="sessions:write")
def revoke_session_token(asking: KeyPrincipal, session_id: str, token_id: str) -> SessionTokenAnswer:
    """Ends a session's token at once, and closes what it opened."""
    return session_token_answer(plane().session_tokens.revoke(asking, session_id_of(session_id), token_id))


@surface.route("POST", "/agents/runtime/canary")
def send_canary(asking: RuntimePrincipal) -> CanaryAnswer:
    """Makes a session with the laptop's own canary, in place of the one before, and a token for it."""
    made = plane().canaries.send(asking)
    return CanaryAnswer(session_id=made.token.session_id, token=made.secret, expires_at=int(made.token.expires_at))
