"""The streaming app: a session's events as server-sent events, for as long as somebody reads.

Whatever can be refused is refused before the first byte. Then headers and a comment go out at once, since SDKs wait for
them before they send anything, and the reader is attached by then. Reads block, so they happen in threads; a reader
that waits for news holds none.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ..actors.follower import Follower
from ..actors.session_rows import session_id_of
from ..core import sse
from ..core.access import SessionAsker, SessionPrincipal, bearer
from ..core.errors import MooringError
from ..core.faults import Fault, fault_of, internal_fault, plain_fault
from ..wiring import Plane, plane

log = logging.getLogger(__name__)

T = TypeVar("T")

THREADS = 200
"""Reads at once; a read takes milliseconds, so this serves many times as many readers."""

RETRY_MS = 1000
"""When a browser is to reconnect after a cut (milliseconds)."""

ASK_AGAIN_S = 60.0
"""How long a stream may outlive the secret that opened it (seconds): looking at it costs a read or two."""

_PATH = "/v1/sessions/{session_id}/events/stream"
_OWNED = re.compile(r"/v1/sessions/[^/]+/events/stream/?")
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


def owns(method: str, path: str) -> bool:
    """Whether a request is this app's to answer."""
    return method == "GET" and _OWNED.fullmatch(path) is not None


def build(plane: Callable[[], Plane] = plane, *, ask_again_s: float = ASK_AGAIN_S) -> ASGIApp:
    """The app.

    Args:
        plane: gives the plane, at the first request.
        ask_again_s: how often a reader's secret is looked at again (seconds).
    """
    streams = _Streams(plane, ask_again_s)
    return Starlette(
        routes=[Route(_PATH, streams.events, methods=["GET"])],
        exception_handlers={HTTPException: _of_starlette},
    )


class _Streams:
    def __init__(self, plane: Callable[[], Plane], ask_again_s: float) -> None:
        self._plane = plane
        self._ask_again_s = ask_again_s
        self._limiter = anyio.CapacityLimiter(THREADS)

    async def events(self, request: Request) -> Response:
        """``GET /v1/sessions/{id}/events/stream``."""
        request_id = f"req_{secrets.token_hex(16)}"
        try:
            follower = await self._blocking(lambda: self._follow(request))
        except MooringError as exc:
            return _faulty(fault_of(exc, request_id), request_id)
        except Exception:
            # A Lambda entry: a stranger is told only where to look.
            log.exception("request=%s path=%s failed", request_id, request.url.path)
            return _faulty(internal_fault(request_id), request_id)
        return _Stream(self._frames(request, follower, request_id), follower, self._close, request_id)

    def _asking(self, request: Request) -> SessionAsker:
        """Whoever may follow the session now. Raises Unauthorized, Forbidden, NotFound."""
        secret = bearer(request.headers.get("authorization"), request.headers.get("x-api-key"))
        named = request.path_params["session_id"]
        return self._plane().tenants.session_principal(secret, SessionPrincipal, "read", named)

    def _follow(self, request: Request) -> Follower:
        here, asking = self._plane(), self._asking(request)
        wish = sse.wish_of(_values(request), request.headers.get("last-event-id"))
        session_id = session_id_of(request.path_params["session_id"])
        return here.reading.follow(asking.tenant_id, session_id, after=wish.after, ours=wish.ours, deltas=wish.deltas)

    async def _frames(self, request: Request, follower: Follower, request_id: str) -> AsyncIterator[bytes]:
        yield sse.comment("open") + sse.retry(RETRY_MS)
        spoke = asked = anyio.current_time()
        try:
            while not follower.ended:
                if anyio.current_time() - asked >= self._ask_again_s:
                    await self._blocking(lambda: self._asking(request))
                    asked = anyio.current_time()
                found = await self._blocking(follower.poll)
                for one in found:
                    yield sse.frame(one.body, one.cursor)
                if found:
                    spoke = anyio.current_time()
                elif anyio.current_time() - spoke >= sse.HEARTBEAT_S - follower.idle_s:
                    yield sse.comment("still here")
                    spoke = anyio.current_time()
                if not follower.ended:
                    await anyio.sleep(follower.idle_s)
        except MooringError as exc:
            yield _error_frame(fault_of(exc, request_id))
        except Exception:
            # A Lambda entry: the headers are out, so the error goes into the stream.
            log.exception("request=%s broke off", request_id)
            yield _error_frame(internal_fault(request_id))

    async def _close(self, follower: Follower) -> None:
        """Detaches the reader, also when its request was cancelled because it left."""
        with anyio.CancelScope(shield=True):
            await self._blocking(follower.close)

    async def _blocking(self, call: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(call, limiter=self._limiter)


class _Stream(StreamingResponse):
    """A streaming response whose reader is detached however it ends, even if not one byte could be sent."""

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        follower: Follower,
        close: Callable[[Follower], Awaitable[None]],
        request_id: str,
    ) -> None:
        super().__init__(frames, headers={**_HEADERS, "request-id": request_id})
        self._follower = follower
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # Starlette would notice a reader that has left only when the next frame can't be sent.
            async with anyio.create_task_group() as both:
                both.start_soon(self._send_all, send, both.cancel_scope)
                await self.listen_for_disconnect(receive)
                both.cancel_scope.cancel()
        finally:
            await self._close(self._follower)

    async def _send_all(self, send: Send, done: anyio.CancelScope) -> None:
        try:
            await self.stream_response(send)
        except OSError:
            log.info("the reader left in the middle of a frame")
        done.cancel()


def _values(request: Request) -> Mapping[str, Sequence[str]]:
    values: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        values.setdefault(name, []).append(value)
    return values


def _error_frame(fault: Fault) -> bytes:
    return sse.frame(fault.body)


def _of_starlette(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    request_id = f"req_{secrets.token_hex(16)}"
    code = "method_not_allowed" if exc.status_code == 405 else "not_found" if exc.status_code == 404 else "bad_request"
    return _faulty(plain_fault(exc.status_code, code, exc.detail, request_id, dict(exc.headers or {})), request_id)


def _faulty(fault: Fault, request_id: str) -> Response:
    headers = {**fault.headers, "request-id": request_id}
    return Response(msgspec.json.encode(fault.body), fault.status, headers=headers, media_type="application/json")
