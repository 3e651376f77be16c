"""Parsing: from a request's bytes, query and headers to values, or to a refusal that names the field.

msgspec's errors are turned into ours here, where they can only mean the request: the same class out of a store would be
a record that can't be read, which is our fault and no 400.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from ..wire.ids import EventId
from ..wire.limits import MAX_PROMPT_BYTES
from .errors import BadRequest, TooLarge

T = TypeVar("T")

S = TypeVar("S", bound=Struct)

MAX_QUERY_CHARS: Final = 1024
"""How long one value of a query may be."""

_IGNORED: Final = frozenset({"beta"})
"""What older SDKs put into every address."""

_PATH = re.compile(r"^(?P<why>.*) - at `\$\.?(?P<path>[^`]*)`$", re.DOTALL)
_EVENT_ID = re.compile(r"sevt_[A-Za-z0-9_-]{1,128}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
"""How a time begins. Source: RFC 3339."""

_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
_UNKNOWN = re.compile(r"contains unknown field `(?P<name>[^`]*)`")


def parse(raw: bytes | str, wanted: type[T], *, max_bytes: int = MAX_PROMPT_BYTES, at: str = "") -> T:
    """A JSON body as a ``wanted``.

    Args:
        raw: the body.
        wanted: a msgspec type.
        max_bytes: how large it may be.
        at: path of the body within the request, for the refusal's field.

    Raises:
        TooLarge: ``content_too_large``.
        BadRequest: ``not_json``; ``bad_request`` with the field that is wrong; ``bad_text`` for a NUL character.
    """
    try:
        body = raw.encode() if isinstance(raw, str) else raw
        if len(body) > max_bytes:
            raise TooLarge("content_too_large", f"The body has {len(body)} bytes; at most {max_bytes} are taken.")
        body.decode()  # msgspec does not look into fields that nobody asks for.
        found = msgspec.json.decode(body, type=wanted)
        if b"\\u0000" in body:
            _refuse_nul(body, at)
    except msgspec.ValidationError as exc:
        raise refused(exc, at) from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise BadRequest("not_json", f"The body is not JSON in UTF-8: {exc}") from exc
    return found


def refused(error: msgspec.ValidationError, at: str = "") -> BadRequest:
    """The refusal for a value of the wrong shape, with the path of the field below ``at``."""
    text = str(error)
    found = _PATH.match(text)
    why, path = (found["why"], found["path"]) if found else (text, "")
    named = _MISSING.search(why) or _UNKNOWN.search(why)
    whole = ".".join(part for part in (at, path, named["name"] if named else "") if part).replace(".[", "[")
    sentence = f"{whole}: {why}" if whole else why
    return BadRequest("bad_request", sentence, field=whole or None)


def event_id_of(text: str) -> EventId:
    """An event id as a daemon may choose it. Raises BadRequest ``bad_event`` for one that can't be a key."""
    if not _EVENT_ID.fullmatch(text):
        raise BadRequest("bad_event", "An event's id is sevt_ and up to 128 letters, digits, _ or -.", field="id")
    return EventId(text)


def parse_query(given: Mapping[str, Sequence[str]], wanted: type[S]) -> S:
    """A query as a ``wanted``: lists as ``name=a&name=b``, ``name[]=a`` or ``name=a,b``; an empty text is absent.

    Raises:
        BadRequest: ``unsupported_filter`` for a parameter that would be ignored, since a list that silently holds too
            much is worse than none; ``bad_request`` for a value that is wrong or too long.
    """
    fields = {one.encode_name: one for one in msgspec.structs.fields(wanted)}
    found: dict[str, Any] = {}
    for name, values in given.items():
        known = name if name in fields else name.removesuffix("[]")
        if known in _IGNORED:
            continue
        if known not in fields:
            raise BadRequest("unsupported_filter", f"There is no parameter {name[:64]!r} here.", field=name[:64])
        if any(len(value) > MAX_QUERY_CHARS for value in values):
            raise BadRequest("bad_request", f"{known} is longer than {MAX_QUERY_CHARS} characters.", field=known)
        if get_origin(fields[known].type) is tuple:
            parts = [part for value in values for part in value.split(",") if part]
            found[known] = [*found.get(known, []), *parts]
        elif values and (values[0] or not _is_text(fields[known].type)):
            _refuse_other_forms(known, values[0], fields[known].type)
            found[known] = values[0]
    return _convert(found, wanted, "bad_request")


def parse_headers(given: Mapping[str, str], wanted: type[S]) -> S:
    """Those headers that ``wanted`` names; ``given`` finds them in any case. Raises BadRequest ``bad_header``."""
    names = [one.encode_name for one in msgspec.structs.fields(wanted)]
    return _convert({name: given[name] for name in names if name in given}, wanted, "bad_header")


def _is_text(kind: Any) -> bool:
    """Whether a field takes any text, of which the empty one is none."""
    return kind is str or any(map(_is_text, get_args(kind)))


def _refuse_other_forms(name: str, value: str, kind: Any) -> None:
    """Refuses what msgspec would read as well, and what nobody means: null for nothing, and a number for a time."""
    if value.lower() == "null" and not _is_text(kind):
        raise BadRequest("bad_request", f"{name}: an address can't say null; leave it out.", field=name)
    if _is_time(kind) and not _DATE.match(value):
        raise BadRequest("bad_request", f"{name}: a time is written as 2026-11-21T03:35:46Z.", field=name)


def _is_time(kind: Any) -> bool:
    return kind is datetime or any(map(_is_time, get_args(kind)))


def _convert(found: dict[str, Any], wanted: type[S], code: str) -> S:
    try:
        return msgspec.convert(found, wanted, strict=False)
    except msgspec.ValidationError as exc:
        told = refused(exc)
        # A list's elements have no names of their own in an address.
        named = told.field if told.field is None or told.field in found else told.field.partition("[")[0]
        raise BadRequest(code, told.message, field=named) from exc


def _refuse_nul(body: bytes, at: str) -> None:
    for path, text in _texts(msgspec.json.decode(body), at):
        if "\0" in text:
            raise BadRequest("bad_text", f"{path or 'The body'} holds a NUL character.", field=path or None)


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield path, str(name)
            yield from _texts(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]")
