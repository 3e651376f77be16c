"""Browser: how a page signs in by a key and out again, and gets a ticket for its WebSocket."""

from __future__ import annotations

from typing import Annotated

from chalice import Blueprint, Response

from ..actors.browsers import COOKIE_TTL_S
from ..actors.session_rows import session_id_of
from ..core.access import COOKIE, KeyPrincipal, cookie_in, csrf_token
from ..core.errors import Forbidden
from ..wiring import plane
from . import replies
from .answers.browser import SignedInAnswer, SignedOutAnswer, TicketAnswer
from .requests.browser import BrowserHeaders, SignIn
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("POST", "/v1/login")
def sign_in(body: SignIn, headers: BrowserHeaders) -> Annotated[Response, SignedInAnswer]:
    """Signs a browser in by a key: sets a cookie that no script can read."""
    if headers.fetch_site not in (None, "same-origin", "none"):
        raise Forbidden("cross_site", "A browser is signed in by a page of this plane only.")
    signed = plane().browsers.sign_in(plane().tenants.key_principal(body.key, "read"))
    answer = replies.json(SignedInAnswer(csrf_token=signed.csrf_token))
    answer.headers["Set-Cookie"] = _cookie(signed.cookie, headers, int(COOKIE_TTL_S))
    return answer


@surface.route("GET", "/v1/login", may="read")
def get_login(asking: KeyPrincipal, headers: BrowserHeaders) -> SignedInAnswer:
    """What a page that was loaded again needs; a key has no ``csrf_token`` and needs none."""
    cookie = cookie_in(headers.cookie)
    return SignedInAnswer(csrf_token=csrf_token(cookie) if cookie else None)


@surface.route("DELETE", "/v1/login", may="read")
def sign_out(asking: KeyPrincipal, headers: BrowserHeaders) -> Annotated[Response, SignedOutAnswer]:
    """Signs the browser out."""
    cookie = cookie_in(headers.cookie)
    if cookie:
        plane().browsers.sign_out(cookie)
    answer = replies.json(SignedOutAnswer())
    answer.headers["Set-Cookie"] = _cookie("", headers, 0)
    return answer


@surface.route("POST", "/v1/sessions/{session_id}/tickets", may="read")
def create_ticket(asking: KeyPrincipal, session_id: str) -> TicketAnswer:
    """Makes a ticket by which a browser's WebSocket, which can set no header, attaches to this session."""
    made = plane().browsers.ticket(asking, session_id_of(session_id))
    ws_url = f"{plane().ws_url()}?ticket={made.ticket}"
    return TicketAnswer(ticket=made.ticket, expires_at=int(made.expires_at), ws_url=ws_url)


def _cookie(value: str, headers: BrowserHeaders, max_age_s: int) -> str:
    """Source: RFC 6265 §4.1."""
    # The plane on a developer's own machine is not behind TLS; API Gateway always is, and says so.
    secure = "; Secure" if headers.protocol == "https" else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}"
