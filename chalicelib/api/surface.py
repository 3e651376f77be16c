"""Surface: a blueprint whose views may raise what they like, and can ask who is asking for what."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from chalice import Blueprint, ChaliceUnhandledError

from ..core.access import KeyPrincipal, RuntimePrincipal, bearer
from ..wire.limits import MAX_PROMPT_BYTES
from ..wiring import plane
from .parsing import parse

T = TypeVar("T")


class Surface:
    """One surface of the API.

    Args:
        blueprint: what the app registers.
    """

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint

    def route(self, path: str, **options: Any) -> Callable[..., Any]:
        """Registers a view as Chalice does. What it raises reaches ``replies.middleware``, whatever it is."""
        register = self.blueprint.route(path, **options)

        def of_view(view: Callable[..., Any]) -> Any:
            @functools.wraps(view)
            def answered(**parameters: str) -> Any:
                try:
                    return view(**parameters)
                except Exception as exc:
                    raise ChaliceUnhandledError(str(exc)) from exc

            return register(answered)

        return of_view

    def key(self) -> KeyPrincipal:
        """Who holds the API key of this request. Raises Unauthorized, Forbidden."""
        return plane().tenants.key_principal(self._secret())

    def runtime(self) -> RuntimePrincipal:
        """Which runtime this request's token stands for. Raises Unauthorized, Forbidden."""
        return plane().tenants.runtime_principal(self._secret())

    def body(self, wanted: type[T], max_bytes: int = MAX_PROMPT_BYTES) -> T:
        """The body as a ``wanted``. Raises BadRequest, TooLarge."""
        return parse(self.raw_body(), wanted, max_bytes=max_bytes)

    def raw_body(self) -> bytes:
        """The body's bytes."""
        event = self.blueprint.current_request.to_original_event()
        body = event.get("body") or b""
        if event.get("isBase64Encoded"):
            return base64.b64decode(body)
        # Chalice would encode strictly; a lone surrogate is the parser's to refuse.
        return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)

    def header(self, name: str) -> str | None:
        """A header's value, or None."""
        value: str | None = self.blueprint.current_request.headers.get(name)
        return value

    @property
    def query(self) -> Mapping[str, Sequence[str]]:
        """The query's values by name."""
        return self.blueprint.current_request.to_original_event().get("multiValueQueryStringParameters") or {}

    def _secret(self) -> str | None:
        return bearer(self.header("authorization"), self.header("x-api-key"))
