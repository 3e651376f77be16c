"""Whether the plane can be reached from here, and if not, at which step the way ends. Nothing here needs a token.

The way is the one that the daemon goes: the same proxies, the same trust. One request tells of the name, the network,
the proxy and TLS, and its answer of the plane's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Timeout

from ..errors import MoorError
from .dialer import Closed, Dialer, Report
from .https import CONNECT_S, pool_of
from .network import proxy_for

ANSWER_S: Final = 15.0
"""How long the plane may take to say that it is well: a cold start is seconds."""


class Reached(Struct, frozen=True, kw_only=True):
    """The plane answered.

    Attributes:
        took_s: from the first packet to the answer.
        ahead_s: how far this laptop's clock is ahead of the plane's; None = the plane does not tell.
        proxy: the proxy's host on the way, or None.
    """

    took_s: float
    ahead_s: float | None
    proxy: str | None


def reach(server_url: str) -> Reached:
    """Asks the plane whether it is well.

    Raises:
        MoorError: where the way ends: ``name_unknown``, ``proxy_unreachable``, ``tls_untrusted``, ``timed_out``,
            ``not_reachable``, ``no_plane`` (something else answers); ``bad_proxy``, ``bad_ca_file``.
    """
    host, via = urlsplit(server_url).hostname or "", proxy_for(server_url)
    proxy = urlsplit(via).hostname if via else None
    pool = pool_of(server_url)
    began, asked_at = time.monotonic(), time.time()
    try:
        answer = pool.request(
            "GET",
            f"{server_url}/health",
            redirect=False,
            retries=False,
            timeout=Timeout(connect=CONNECT_S, read=ANSWER_S),
        )
    except HTTPError as exc:
        raise _end_of_the_way(exc, host, proxy) from exc
    finally:
        pool.clear()
    took_s = time.monotonic() - began
    if answer.status != 200:
        raise MoorError("no_plane", f"{host} answers, but not as a plane does: with status {answer.status}.")
    ahead_s = _ahead_s(answer.headers.get("date"), asked_at + took_s / 2)
    return Reached(took_s=took_s, ahead_s=ahead_s, proxy=proxy)


def open_socket(ws_url: str, token: str) -> None:
    """Opens a WebSocket as the daemon does, says nothing on it, and closes it: the runtime stays whose it was.

    Raises:
        MoorError: ``websocket_refused``.
    """
    closed = asyncio.run(_opened(ws_url, token))
    if closed is not None:
        raise MoorError("websocket_refused", f"No WebSocket to the plane opens: {closed.reason}.")


async def _opened(ws_url: str, token: str) -> Closed | None:
    reports: asyncio.Queue[Report] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    dialer = Dialer(ws_url, lambda: token, loop, lambda _, report: reports.put_nowait(report))
    first = await reports.get()
    dialer.close()
    await asyncio.to_thread(dialer.join)
    return first if isinstance(first, Closed) else None


def _end_of_the_way(exc: HTTPError, host: str, proxy: str | None) -> MoorError:
    cause: BaseException = exc
    while isinstance(cause, MaxRetryError) and cause.reason is not None:
        cause = cause.reason
    match cause:
        case ProxyError():
            return MoorError("proxy_unreachable", f"The proxy {proxy} does not let us through: {_words(cause)}.")
        case NameResolutionError():
            return MoorError("name_unknown", f"Nobody knows where {proxy or host} is.")
        case SSLError():
            return MoorError("tls_untrusted", f"{host} could not prove who it is: {_words(cause)}.")
        case ConnectTimeoutError() | ReadTimeoutError() if not isinstance(cause, NewConnectionError):
            return MoorError("timed_out", f"{proxy or host} does not answer in time.")
    return MoorError("not_reachable", f"{proxy or host} takes no connection: {_words(cause)}.")


def _words(exc: BaseException) -> str:
    """Why, without the names of objects."""
    return (str(exc).rpartition(": ")[2] or type(exc).__name__).rstrip(".")


def _ahead_s(date: str | None, now: float) -> float | None:
    """Source: RFC 9110 §5.6.7; the header has whole seconds, so half a one is added."""
    with contextlib.suppress(ValueError, TypeError):
        return now - (parsedate_to_datetime(date or "").timestamp() + 0.5)
    return None
