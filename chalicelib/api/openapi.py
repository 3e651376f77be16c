"""OpenAPI: what this API says of itself, made of the very signatures by which its views are called.

Source: OpenAPI 3.1.0, whose schemas are JSON Schema 2020-12, as msgspec writes them.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
from chalice import Blueprint, Response
from msgspec import inspect as shapes

from ..core.access import CanaryPrincipal, KeyPrincipal, RuntimePrincipal, SessionPrincipal
from .answers.errors import ErrorAnswer
from .surface import Route, Surface

API_VERSION: Final = "1"

_REF: Final = "#/components/schemas/{name}"
_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_SECRETS: Final[Mapping[str, dict[str, str]]] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, moor_…"},
    "x_api_key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same key"},
    "session_token": {"type": "http", "scheme": "bearer", "description": "A token of that session, moor_st_…"},
    "runtime_token": {"type": "http", "scheme": "bearer", "description": "A laptop's token, sk_machine_…"},
}


def surface_of(described: Iterable[Surface]) -> Surface:
    """The surface that serves the document about others, and about itself."""
    surface = Surface(Blueprint(__name__))
    about = (*described, surface)

    @functools.cache
    def written() -> str:
        return msgspec.json.encode(document(about)).decode()

    @surface.route("GET", "/openapi.json")
    def openapi() -> Response:
        """This document."""
        return Response(written(), {"Content-Type": "application/json"})

    return surface


def document(surfaces: Iterable[Surface]) -> dict[str, Any]:
    """The OpenAPI document of some surfaces."""
    routes = [(_tag(surface), route) for surface in surfaces for route in surface.routes]
    types = dict.fromkeys(one for _, route in routes for one in _types(route))
    schemas, components = msgspec.json.schema_components(tuple(types), ref_template=_REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for tag, route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(tag, route, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mooring",
            "version": API_VERSION,
            "description": "Coding agents on your team's laptops. The shapes are those of the Managed Agents API.",
        },
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECRETS},
    }


def _types(route: Route) -> list[Any]:
    """What of a route has a schema."""
    found = [route.types[name] for name in ("body", "query", "headers") if name in route.types]
    return [ErrorAnswer, *(one for one in (*found, _answer(route)) if one is not Response and one is not bytes)]


def _answer(route: Route) -> Any:
    """What a route's answer is; ``Response`` where that has no schema."""
    told = route.types["return"]
    return told.__metadata__[0] if get_origin(told) is Annotated else told


def _operation(tag: str, route: Route, schema_of: Mapping[Any, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": route.view.__name__,
        "tags": [tag],
        "summary": (inspect.getdoc(route.view) or "").partition("\n")[0],
        "parameters": _parameters(route, schema_of, components),
        "responses": {"200": _success(route, schema_of), "default": _answered("An error", schema_of[ErrorAnswer])},
        "security": _security(route),
    }
    if route.may is not None:
        said["x-mooring-right"] = route.may
    if "body" in route.types:
        wanted = route.types["body"]
        schema = {} if wanted is bytes else schema_of[wanted]
        said["requestBody"] = {"required": route.needs_body, "content": {route.content_type: {"schema": schema}}}
    return said


def _success(route: Route, schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    answer = _answer(route)
    if answer is Response:
        return {"description": "Done", "content": {route.answer_type: {}}}
    return _answered("Done", schema_of[answer])


def _answered(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _security(route: Route) -> list[dict[str, list[str]]]:
    asking = route.types.get("asking")
    kinds = get_args(asking) or (asking,)
    names = ["key", "x_api_key"] if KeyPrincipal in kinds else []
    names += ["session_token"] if {SessionPrincipal, CanaryPrincipal} & set(kinds) else []
    names += ["runtime_token"] if RuntimePrincipal in kinds else []
    return [{name: []} for name in names]


def _parameters(route: Route, schema_of: Mapping[Any, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PATH_PARAMETER.findall(route.path)
    ]
    return [*in_path, *_given(route, "query", components), *_given(route, "headers", components)]


def _given(route: Route, where: str, components: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields of a route's query or headers, as parameters."""
    wanted = route.types.get(where)
    if wanted is None:
        return []
    shape = shapes.type_info(wanted)
    assert isinstance(shape, shapes.StructType)
    properties = components[wanted.__name__]["properties"]
    place = "query" if where == "query" else "header"
    return [
        {
            "name": one.encode_name,
            "in": place,
            "required": one.required,
            "schema": _given_schema(properties[one.encode_name], where),
        }
        for one in shape.fields
    ]


def _given_schema(schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A field's schema without the null that stands for its absence: an address says that by an empty text, or not."""
    inner = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    kept = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    found = {**kept, **inner[0]} if len(inner) == 1 else dict(schema)
    if where == "query":
        found.pop("minLength", None)
    return found


def _tag(surface: Surface) -> str:
    return surface.blueprint._import_name.rpartition(".")[2]
