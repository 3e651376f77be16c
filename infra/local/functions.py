"""The plane's Lambda functions, found in its Chalice object and called as Lambda calls them.

Event and context in, plain data out, each call in a thread of its own from a bounded pool.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from chalice.app import ScheduledEventConfig
from chalice.config import Config
from chalice.local import LocalChalice, LocalGateway

from infra.local.lambda_events import Event, lambda_context

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class FunctionTimeout(Exception):
    """The function did not answer in time; it runs on, and what it answers later is ignored."""


class FunctionPool:
    """A bounded number of functions at once, as reserved concurrency would give.

    Args:
        threads: How many run at the same time; more wait.
        timeout_s: Seconds the caller waits for an answer, waiting for a thread included.
        name: Shown in thread names and log lines.
    """

    def __init__(self, threads: int, timeout_s: float, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._timeout_s = timeout_s
        self._name = name
        self._running: set[asyncio.Future[Any]] = set()

    async def call(self, function: Callable[[], Answer]) -> Answer:
        """Run one function in the pool.

        Returns:
            What it returned.

        Raises:
            FunctionTimeout: It took longer than `timeout_s`. Its thread is not stopped: Lambda would run on, too.
            Exception: Whatever it raised.
        """
        future = asyncio.get_running_loop().run_in_executor(self._pool, function)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        # Not wait_for: that would cancel the call, and a call still waiting for its thread would never be made.
        done, _ = await asyncio.wait({future}, timeout=self._timeout_s)
        if not done:
            future.add_done_callback(self._ignore_late_answer)
            raise FunctionTimeout(f"no answer within {self._timeout_s} s")
        return future.result()

    async def close(self, timeout_s: float) -> int:
        """Wait for what is running, then take no more.

        Args:
            timeout_s: Seconds to wait at most.

        Returns:
            How many functions still ran after that.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=timeout_s)
        return len(self._running)

    def _ignore_late_answer(self, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        if error := future.exception():
            log.error("pool=%s a function failed after its caller had given up", self._name, exc_info=error)
        else:
            log.warning("pool=%s a function answered after its caller had given up; ignored", self._name)


class PlaneFunctions:
    """The functions of one Chalice app.

    Args:
        app: The Chalice object. It is made fit for several threads in place, once.
        connections_url: Where the @connections API answers; what `app.websocket_api` then talks to.
        timeout_s: What the functions' contexts say is left, in seconds.
    """

    def __init__(self, app: Any, *, connections_url: str, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s
        _allow_threads(app)
        # Chalice would build an amazonaws.com address from the first event and never look at AWS_ENDPOINT_URL.
        app.websocket_api._endpoint = connections_url
        self._http = LocalGateway(app, Config())
        # Chalice compares a whole header, and would find no form: its header names a boundary, too.
        converter: Any = self._http.event_converter
        converter._is_binary = lambda sent: self.takes_binary(sent.get("content-type", ""))

    def takes_binary(self, header: str) -> bool:
        """Say whether API Gateway carries the media type in a header as base64."""
        return header.partition(";")[0].strip().lower() in self._app.api.binary_types

    def http(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> dict[str, Any]:
        """Answer one HTTP request through Chalice's own request path.

        Args:
            method: The HTTP method. HEAD is answered by the route's GET when the route has no HEAD of its own.
            target: Path and query string, as sent.
            headers: Lower case names.
            body: None when there is none.

        Returns:
            The Lambda proxy answer: statusCode, headers, multiValueHeaders, body, isBase64Encoded.

        Raises:
            chalice.local.LocalGatewayException: No such route, or the authorizer refused.
        """
        if method == "HEAD" and not self._has_route_for(method, target):
            method = "GET"
        answer: dict[str, Any] = self._http.handle_request(method, target, headers, body)
        return answer

    def websocket(self, route_key: str, event: Event) -> dict[str, Any]:
        """Call the handler of `$connect`, `$default` or `$disconnect`.

        Returns:
            The handler's answer, with at least a statusCode; 200 when the app has no handler for the route.
        """
        config = self._app.websocket_handlers.get(route_key)
        if config is None:
            return {"statusCode": 200}
        answer: dict[str, Any] = self._app.handler_map[config.name](event, lambda_context(config.name, self._timeout_s))
        return answer

    def scheduled_names(self) -> list[str]:
        """Name the functions that run on a schedule."""
        return [source.name for source in self._app.event_sources if isinstance(source, ScheduledEventConfig)]

    def scheduled(self, name: str, event: Event) -> object:
        """Call a scheduled function by its name."""
        answer: object = self._app.handler_map[name](event, lambda_context(name, self._timeout_s))
        return answer

    def _has_route_for(self, method: str, target: str) -> bool:
        try:
            match = self._http.event_converter._route_matcher.match_route(target)
        except ValueError:  # Chalice's word for "no such route"; the request itself will say so.
            return False
        return method in self._app.routes[match.route]


def _allow_threads(app: Any) -> None:
    """Undo two places where a Chalice app counts on one request at a time, as a Lambda container has."""
    if not isinstance(app, LocalChalice):
        # `current_request` becomes thread-local; `chalice local` changes the class in the same way.
        app.__class__ = type("GatewayChalice", (LocalChalice, app.__class__), {})
    for handler in app.handler_map.values():
        # An event handler's middlewares are a generator that its first event uses up. Of two first events at the
        # same time the second would run without them: no authentication, no error mapping.
        if hasattr(handler, "middleware_handlers"):
            handler.middleware_handlers = list(handler.middleware_handlers)
