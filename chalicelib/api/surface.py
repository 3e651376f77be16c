"""Surface: a blueprint whose views say by their signature who asks and for what.

A view's parameters are those of its path, and of these whichever it needs, each by its annotation:

    asking   ``KeyPrincipal`` or ``RuntimePrincipal``: whose secret the request must bring; without it anyone may ask.
             ``SessionAsker`` lets the tokens of the path's session in too
    body     a Struct that the JSON body is parsed into, or ``bytes``
    query    a Struct of the query's parameters; without it there are none
    headers  a Struct of the headers that matter

It returns a Struct, which goes out as JSON, or a ``Response`` (``Annotated[Response, X]`` where its body is an ``X``).
What it raises becomes an error's answer. The same signatures are what the OpenAPI document is made of, so that it says
what is parsed.
"""

from __future__ import annotations

import base64
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from chalice import Blueprint, ChaliceUnhandledError, Response
from msgspec.structs import fields

from ..core.access import KeyPrincipal, Principal, Right, RuntimePrincipal, bearer, cookie_in, is_forged
from ..core.errors import Forbidden
from ..core.parsing import parse, parse_headers, parse_query
from ..wire.limits import MAX_PROMPT_BYTES
from ..wiring import plane
from . import replies

_HARMLESS: Final = ("GET", "HEAD")

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Route:
    """One view and where it answers.

    Attributes:
        method: HTTP method.
        path: as Chalice writes it.
        view: the function.
        may: the right that a person needs; None where no person asks.
        max_bytes: how large the body may be.
        content_type: what the body is sent as.
        answer_type: what the answer comes as, where it is no Struct.
    """

    method: str
    path: str
    view: Callable[..., Any]
    may: Right | None
    max_bytes: int
    content_type: str
    answer_type: str

    @functools.cached_property
    def types(self) -> dict[str, Any]:
        """The types of the view's parameters by name, and under ``return`` that of its answer."""
        return typing.get_type_hints(self.view, include_extras=True)

    @functools.cached_property
    def needs_body(self) -> bool:
        """Whether a body must be sent: one that need not say anything need not be there."""
        wanted = self.types.get("body")
        return wanted is bytes or (wanted is not None and any(one.required for one in fields(wanted)))


class Surface:
    """One surface of the API.

    Args:
        blueprint: what the app registers.

    Attributes:
        routes: its views, in the order of the file.
    """

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.routes: list[Route] = []

    def route(
        self,
        method: str,
        path: str,
        *,
        may: Right | None = None,
        max_bytes: int = MAX_PROMPT_BYTES,
        content_type: str = "application/json",
        answer_type: str = "application/json",
    ) -> Callable[[View], View]:
        """Registers a view.

        Args:
            method: HTTP method.
            path: as Chalice writes it, ``/v1/agents/{agent_id}``.
            may: the right that a person who asks must have; for views that a person asks, and no others.
            max_bytes: how large the body may be.
            content_type: what the body is sent as, where there is one.
            answer_type: what the answer comes as, where it is no Struct.
        """

        def of_view(view: View) -> View:
            route = Route(
                method=method,
                path=path,
                view=view,
                may=may,
                max_bytes=max_bytes,
                content_type=content_type,
                answer_type=answer_type,
            )
            self.routes.append(route)
            # Whoever sends no body may still name a type for it, as SDKs do.
            taken = content_type if "body" in inspect.signature(view).parameters else "*/*"
            register = self.blueprint.route(path, methods=[method], name=view.__name__, content_types=[taken])

            def answered(**parameters: str) -> Response:
                try:
                    return self._answer(route, parameters)
                except Exception as exc:
                    # Chalice answers every other exception itself; this one reaches the middleware.
                    raise ChaliceUnhandledError(str(exc)) from exc

            register(functools.wraps(view)(answered))
            return view

        return of_view

    def _answer(self, route: Route, parameters: Mapping[str, str]) -> Response:
        types, given = route.types, dict[str, Any](parameters)
        if "asking" in types:
            given["asking"] = self._principal(types["asking"], route.may, parameters)
        if "query" in types:
            given["query"] = parse_query(self._query(), types["query"])
        if "headers" in types:
            given["headers"] = parse_headers(self.blueprint.current_request.headers, types["headers"])
        if "body" in types:
            raw, wanted = self._body() or (b"" if route.needs_body else b"{}"), types["body"]
            given["body"] = raw if wanted is bytes else parse(raw, wanted, max_bytes=route.max_bytes)
        found = route.view(**given)
        return found if isinstance(found, Response) else replies.json(found)

    def _principal(self, wanted: Any, may: Right | None, parameters: Mapping[str, str]) -> Principal:
        """Whoever asks. Raises Unauthorized, Forbidden."""
        headers = self.blueprint.current_request.headers
        secret = bearer(headers.get("authorization"), headers.get("x-api-key"))
        if secret is None and (secret := cookie_in(headers.get("cookie"))):
            self._check_origin(secret)
        if wanted is RuntimePrincipal:
            return plane().tenants.runtime_principal(secret)
        assert may is not None
        if wanted is KeyPrincipal:
            return plane().tenants.key_principal(secret, may)
        person, in_session = typing.get_args(wanted)
        assert person is KeyPrincipal
        return plane().tenants.session_principal(secret, in_session, may, parameters["session_id"])

    def _check_origin(self, cookie: str) -> None:
        """Raises Forbidden ``csrf_failed``: a browser sends a cookie along with what any site makes it ask."""
        request = self.blueprint.current_request
        given, fetch_site = request.headers.get("x-csrf-token"), request.headers.get("sec-fetch-site")
        if request.method not in _HARMLESS and is_forged(cookie, given, fetch_site):
            why = "With a cookie, what changes something needs the header x-csrf-token, as GET /v1/login gives it."
            raise Forbidden("csrf_failed", why)

    def _body(self) -> bytes:
        event = self.blueprint.current_request.to_original_event()
        body = event.get("body") or b""
        if event.get("isBase64Encoded"):
            return base64.b64decode(body)
        # Chalice would encode strictly; a lone surrogate is the parser's to refuse.
        return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)

    def _query(self) -> Mapping[str, list[str]]:
        event = self.blueprint.current_request.to_original_event()
        return event.get("multiValueQueryStringParameters") or {}
