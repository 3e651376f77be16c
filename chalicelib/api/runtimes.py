"""Runtimes: a person connects laptops and sees them; a laptop enrols, fetches what it needs, uploads what is large."""

from __future__ import annotations

from chalice import Blueprint

from ..actors.session_rows import session_id_of
from ..core.access import KeyPrincipal, RuntimePrincipal
from ..core.errors import TooLarge
from ..core.parsing import event_id_of
from ..wire.bundle import Bundle
from ..wire.ids import TurnId
from ..wire.limits import MAX_EVENT_BYTES
from ..wiring import plane
from .answers.runtimes import (
    CodeAnswer,
    ConnectionCut,
    EnrolledAnswer,
    Kept,
    RenewedAnswer,
    RuntimeAnswer,
    RuntimeList,
    RuntimeRemoved,
    RuntimeSelf,
    TokenAnswer,
    TokenEnded,
    TokenList,
    TurnContent,
    runtime_answer,
    token_answer,
)
from .requests.runtimes import BundleQuery, ChangeRuntime, ConnectRuntime, ExchangeCode
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("POST", "/v1/runtimes/connect-runtime", may="runtimes:write")
def connect_runtime(asking: KeyPrincipal, body: ConnectRuntime) -> CodeAnswer:
    """Makes a connect code for a laptop."""
    made = plane().enrolment.start(asking, body.state, body.code_challenge)
    return CodeAnswer(made.code, int(made.expires_at))


@surface.route("GET", "/v1/runtimes", may="read")
def list_runtimes(asking: KeyPrincipal) -> RuntimeList:
    """All of the tenant's runtimes, newest first."""
    now = plane().clock.now()
    return RuntimeList(tuple(runtime_answer(one, now) for one in plane().enrolment.list(asking.tenant_id)))


@surface.route("GET", "/v1/runtimes/{runtime_id}", may="read")
def get_runtime(asking: KeyPrincipal, runtime_id: str) -> RuntimeAnswer:
    """One runtime."""
    return runtime_answer(plane().ownership.get(asking.tenant_id, runtime_id), plane().clock.now())


@surface.route("POST", "/v1/runtimes/{runtime_id}", may="runtimes:write")
def share_runtime(asking: KeyPrincipal, runtime_id: str, body: ChangeRuntime) -> RuntimeAnswer:
    """Shares one's runtime with the tenant, or takes it back."""
    return runtime_answer(plane().ownership.share(asking, runtime_id, body.shared), plane().clock.now())


@surface.route("DELETE", "/v1/runtimes/{runtime_id}", may="runtimes:write")
def remove_runtime(asking: KeyPrincipal, runtime_id: str) -> RuntimeRemoved:
    """Removes a runtime and closes its connection; its sessions stay readable."""
    return RuntimeRemoved(plane().ownership.remove(asking, runtime_id))


@surface.route("GET", "/v1/runtimes/{runtime_id}/tokens", may="runtimes:write")
def list_runtime_tokens(asking: KeyPrincipal, runtime_id: str) -> TokenList:
    """The tokens of one's runtime, newest first."""
    return TokenList(tuple(map(token_answer, plane().ownership.tokens(asking, runtime_id))))


@surface.route("DELETE", "/v1/runtimes/{runtime_id}/tokens/{token_id}", may="runtimes:write")
def revoke_runtime_token(asking: KeyPrincipal, runtime_id: str, token_id: str) -> TokenAnswer:
    """Ends a token of one's runtime at once, and closes what it opened."""
    return token_answer(plane().ownership.revoke(asking, runtime_id, token_id))


@surface.route("POST", "/agents/runtime/token")
def renew_token(asking: RuntimePrincipal) -> RenewedAnswer:
    """Gives a laptop another token; the one that asks opens for a day more."""
    made = plane().ownership.renew(asking)
    return RenewedAnswer(made.token, int(made.expires_at))


@surface.route("DELETE", "/agents/runtime/token")
def end_token(asking: RuntimePrincipal) -> TokenEnded:
    """Ends a laptop's own token at once, and closes what it opened; whoever asks again is 401."""
    plane().ownership.leave(asking)
    return TokenEnded(asking.runtime_id)


@surface.route("DELETE", "/agents/runtime/connection")
def cut_connection(asking: RuntimePrincipal) -> ConnectionCut:
    """Closes a laptop's own WebSocket, which its daemon opens again: a laptop proves so that it would."""
    plane().ownership.cut(asking)
    return ConnectionCut(asking.runtime_id)


@surface.route("POST", "/agents/runtime/exchange")
def exchange_code(body: ExchangeCode) -> EnrolledAnswer:
    """Turns a connect code into a runtime and its token; the code is all the authority there is."""
    ws_url = plane().ws_url()
    enrolled = plane().enrolment.exchange(body.code, body.state, body.code_verifier, body.machine)
    return EnrolledAnswer(
        runtime_id=enrolled.runtime_id,
        token=enrolled.token,
        ws_url=ws_url,
        expires_at=int(enrolled.expires_at),
    )


@surface.route("GET", "/agents/runtime/me")
def runtime_me(asking: RuntimePrincipal) -> RuntimeSelf:
    """The runtime that the token stands for."""
    runtime = runtime_answer(plane().enrolment.me(asking), plane().clock.now())
    return RuntimeSelf(runtime_id=asking.runtime_id, tenant_id=asking.tenant_id, runtime=runtime)


@surface.route("GET", "/agents/runtime/sessions/{session_id}/bundle")
def session_bundle(asking: RuntimePrincipal, session_id: str, query: BundleQuery) -> Bundle:
    """What the session's folder on the laptop gets."""
    return plane().session_rows.bundle(asking, session_id_of(session_id), query.agent_id)


@surface.route("GET", "/agents/runtime/sessions/{session_id}/turns/{turn_id}")
def turn_content(asking: RuntimePrincipal, session_id: str, turn_id: str) -> TurnContent:
    """What a turn works on, for a prompt that did not fit a frame."""
    sid = session_id_of(session_id)
    return TurnContent(plane().reading.prompt(asking.tenant_id, sid, TurnId(turn_id), asking.runtime_id))


@surface.route("PUT", "/agents/runtime/sessions/{session_id}/events/{event_id}")
def upload_event(asking: RuntimePrincipal, session_id: str, event_id: str, body: bytes) -> Kept:
    """Keeps an event that is too large for a frame; the daemon's next batch refers to it."""
    if len(body) > MAX_EVENT_BYTES:
        raise TooLarge("content_too_large", f"An event has at most {MAX_EVENT_BYTES} bytes.")
    sid, eid = session_id_of(session_id), event_id_of(event_id)
    plane().reading.keep_body(asking.tenant_id, sid, eid, body, asking.runtime_id)
    return Kept(event_id, len(body))
