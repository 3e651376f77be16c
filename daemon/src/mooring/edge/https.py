"""HTTPS to the plane: one request, its answer or its refusal. Nothing here prints or keeps a header.

A request is sent again only where that can't do harm: a refused connection was never heard; a method that changes
nothing twice, or a POST with an idempotency key, may be repeated after a lost answer, a 429 or a 5xx as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3
from msgspec import Struct, field
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout, make_headers

from .. import __version__
from ..errors import EXIT_FAILED, MoorError
from .network import is_exposed, proxy_for, proxy_login, tls_context

CONNECT_S: Final = 10.0
READ_S: Final = 35.0
"""Longer than API Gateway's 29 s, so that its own refusal is heard."""

STREAM_READ_S: Final = 60.0
"""A stream is never silent for longer than its heartbeat of 15 s; four of them missing means it is dead."""

ATTEMPTS: Final = 4
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_BACKOFF_S: Final = 0.2
_MAX_BACKOFF_S: Final = 5.0


_T = TypeVar("_T")

Bearer = str | Callable[[], str]
"""A secret, or what gives the one that counts now."""


class PlaneError(MoorError):
    """The plane refused a request. ``code`` is the plane's own.

    Attributes:
        status: HTTP status.
        request_id: where the plane's log has more, or "".
    """

    def __init__(
        self, code: str, message: str, *, status: int, request_id: str = "", exit_code: int = EXIT_FAILED
    ) -> None:
        super().__init__(code, message, exit_code)
        self.status = status
        self.request_id = request_id


class Unreachable(MoorError):
    """No answer came from the plane."""

    def __init__(self, server_url: str, reason: str) -> None:
        why = f"{server_url} does not answer: {reason}. Check the address, the network and the proxy settings."
        super().__init__("plane_unreachable", why)


class _Told(Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Fault(Struct, frozen=True):
    error: _Told = field(default_factory=_Told)
    request_id: str = ""


def decoded(content: bytes, kind: type[_T]) -> _T:
    """An answer's body as ``kind``.

    Raises:
        MoorError: ``bad_answer``.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as exc:
        why = f"The plane's answer can't be read: {exc}. Is the server's address right?"
        raise MoorError("bad_answer", why) from exc


def is_retryable(method: str, status: int, *, has_key: bool = False) -> bool:
    """Whether the same request may be sent again after this answer: 401, 403 and other refusals are final."""
    return status in _AGAIN and (method in _IDEMPOTENT or has_key)


def is_final(error: MoorError) -> bool:
    """Whether asking again can't help: the plane has understood and refused."""
    return isinstance(error, PlaneError) and 400 <= error.status < 500 and error.status not in (408, 429)


class Channel:
    """Requests to one server in one principal's name. May be used from several threads.

    Args:
        server_url: without a path.
        bearer: the secret, or None for requests that need none.
    """

    def __init__(self, server_url: str, bearer: Bearer | None, *, attempts: int = ATTEMPTS) -> None:
        self.server_url = server_url
        self._attempts = attempts
        self._headers = {"accept": "application/json", "user-agent": f"mooring-daemon/{__version__}"}
        self._bearer = bearer
        self._pool = pool_of(server_url)

    def __repr__(self) -> str:
        return f"Channel({self.server_url!r})"

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        idempotency_key: str | None = None,
    ) -> bytes:
        """The answer's body.

        Raises:
            PlaneError: the plane refused.
            Unreachable: no answer came.
        """
        response = self._request(method, path, query, body, idempotency_key, preload=True)
        content: bytes = response.data
        if not 200 <= response.status < 300:
            raise refusal(response.status, content)
        return content

    def download(self, path: str) -> bytes:
        """The bytes at a path, or at the address to which it sends; the secret does not go there.

        Raises:
            PlaneError: the plane refused.
            Unreachable: no answer came.
            MoorError: ``file_unavailable``: the address gives no bytes; ``bad_answer``: it must not be asked.
        """
        response = self._request(
            "GET", path, None, None, None, preload=True, more={"accept": "application/octet-stream"}
        )
        content: bytes = response.data
        if response.status in (302, 307):
            return self._elsewhere(response.headers.get("location", ""))
        if response.status != 200:
            raise refusal(response.status, content)
        return content

    def open(self, path: str, *, query: Mapping[str, str], headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """A GET whose body is read as it comes; the caller closes it. Raises as ``ask`` does."""
        response = self._request("GET", path, query, None, None, preload=False, more=headers)
        if response.status != 200:
            try:
                content = response.read()
            finally:
                response.close()
            raise refusal(response.status, content)
        return response

    def close(self) -> None:
        """Closes idle connections."""
        self._pool.clear()

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        idempotency_key: str | None,
        *,
        preload: bool,
        more: Mapping[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        headers = {**self._headers, **(more or {})}
        if self._bearer is not None:
            secret = self._bearer if isinstance(self._bearer, str) else self._bearer()
            headers["authorization"] = f"Bearer {secret}"
        if body is not None:
            headers["content-type"] = "application/json"
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
        url = f"{self.server_url}{path}?{urlencode(query)}" if query else self.server_url + path
        try:
            return self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                redirect=False,  # A redirect could carry the secret to somebody else.
                preload_content=preload,
                timeout=Timeout(connect=CONNECT_S, read=READ_S if preload else STREAM_READ_S),
                retries=self._retries(method, idempotency_key is not None),
            )
        except HTTPError as exc:
            raise Unreachable(self.server_url, _reason(exc)) from exc

    def _elsewhere(self, url: str) -> bytes:
        """The bytes at an address that the plane gives out. It is as good as a secret: nothing repeats it."""
        if urlsplit(url).scheme not in ("http", "https") or (is_exposed(url) and not is_exposed(self.server_url)):
            raise MoorError("bad_answer", "The plane sends to an address that this laptop must not ask.")
        host, pool = urlsplit(url).hostname or "", pool_of(url)
        ask = partial(
            pool.request,
            "GET",
            url,
            headers={"user-agent": self._headers["user-agent"]},
            redirect=False,
            timeout=Timeout(connect=CONNECT_S, read=READ_S),
            retries=False,  # urllib3 would log the address with each one.
        )
        try:
            response = _asked_again(ask, self._attempts)
        except HTTPError as exc:
            raise Unreachable(host, "no bytes came from there") from exc
        finally:
            pool.clear()
        if response.status != 200:
            raise MoorError("file_unavailable", f"{host} answered with status {response.status} instead of the file.")
        content: bytes = response.data
        return content

    def _retries(self, method: str, has_key: bool) -> Retry:
        again = self._attempts - 1
        repeatable = method in _IDEMPOTENT or has_key
        return Retry(
            total=again,
            connect=again,
            read=again if repeatable else 0,
            status=again if repeatable else 0,
            other=0,
            redirect=0,
            allowed_methods=None,
            status_forcelist=[status for status in _AGAIN if is_retryable(method, status, has_key=has_key)],
            backoff_factor=_BACKOFF_S,
            backoff_max=_MAX_BACKOFF_S,
            backoff_jitter=_BACKOFF_S,
            raise_on_status=False,
        )


def refusal(status: int, content: bytes) -> PlaneError:
    """The error that an answer with this status and body stands for."""
    try:
        fault = msgspec.json.decode(content, type=_Fault)
    except (msgspec.MsgspecError, UnicodeError):
        fault = _Fault()
    code = fault.error.code or {401: "unauthorized", 403: "forbidden", 404: "not_found"}.get(status, "plane_error")
    message = fault.error.message or f"The plane answered with status {status}."
    return PlaneError(code, message, status=status, request_id=fault.request_id)


def _asked_again(ask: Callable[[], urllib3.BaseHTTPResponse], attempts: int) -> urllib3.BaseHTTPResponse:
    """The first answer that is final, or what the last of some attempts brings. Raises HTTPError."""
    for _ in range(attempts - 1):
        with contextlib.suppress(HTTPError):
            response = ask()
            if not is_retryable("GET", response.status):
                return response
    return ask()


def pool_of(server_url: str) -> urllib3.PoolManager:
    """Connections to a server, on the way that the environment says. Raises ``bad_proxy``, ``bad_ca_file``."""
    context = tls_context() if server_url.startswith("https:") else None
    proxy = proxy_for(server_url)
    if proxy is None:
        return urllib3.PoolManager(ssl_context=context)
    parts = urlsplit(proxy)
    login = proxy_login(proxy)
    headers = make_headers(proxy_basic_auth=":".join(login)) if login else None
    try:
        return urllib3.ProxyManager(proxy, ssl_context=context, proxy_headers=headers)
    except HTTPError as exc:
        why = f"The proxy at {parts.hostname} can't be used: only http and https ones can."
        raise MoorError("bad_proxy", why) from exc


def _reason(exc: HTTPError) -> str:
    """Why no answer came, without urllib3's object names."""
    cause: BaseException = getattr(exc, "reason", None) or exc
    return str(cause).rpartition(": ")[2] or type(cause).__name__
