"""Parsing: from a request's bytes and query to values, or to a refusal that names the field.

msgspec's errors are turned into ours here, where they can only mean the request: the same class out of a store would be
a record that can't be read, which is our fault and no 400.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from ..core import sse
from ..core.errors import BadRequest, TooLarge
from ..wire.ids import EventId
from ..wire.limits import MAX_PROMPT_BYTES

T = TypeVar("T")

MAX_IDEMPOTENCY_KEY_CHARS = 255

_PATH = re.compile(r"^(?P<why>.*) - at `\$\.?(?P<path>[^`]*)`$", re.DOTALL)
_EVENT_ID = re.compile(r"sevt_[A-Za-z0-9_-]{1,128}")
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


def idempotency_key(value: str | None) -> str | None:
    """The ``Idempotency-Key`` header, or None. Raises BadRequest ``bad_idempotency_key``."""
    if value is None:
        return None
    if not value or len(value) > MAX_IDEMPOTENCY_KEY_CHARS or not value.isascii() or not value.isprintable():
        why = f"An Idempotency-Key is 1 to {MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters."
        raise BadRequest("bad_idempotency_key", why)
    return value


def event_id(text: str) -> EventId:
    """An event id as a daemon may choose it. Raises BadRequest ``bad_event`` for one that can't be a key."""
    if not _EVENT_ID.fullmatch(text):
        raise BadRequest("bad_event", "An event's id is sevt_ and up to 128 letters, digits, _ or -.", field="id")
    return EventId(text)


def one(query: Mapping[str, Sequence[str]], name: str, max_chars: int = 1024) -> str | None:
    """A query parameter's value, or None when it is absent or empty."""
    value = next(iter(query.get(name, ())), "")
    if len(value) > max_chars:
        raise BadRequest("bad_request", f"{name} is longer than {max_chars} characters.", field=name)
    return value or None


def limit(query: Mapping[str, Sequence[str]], default: int, most: int) -> int:
    """The ``limit`` of a list. Raises BadRequest unless it is a number from 1 to ``most``."""
    value = number(query, "limit")
    if value is None:
        return default
    if not 1 <= value <= most:
        raise BadRequest("bad_request", f"limit is a number from 1 to {most}.", field="limit")
    return value


def number(query: Mapping[str, Sequence[str]], name: str) -> int | None:
    """A whole number, or None when it is absent. Raises BadRequest when it is something else."""
    text = one(query, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequest("bad_request", f"{name} is a whole number.", field=name)
    return int(text)


def order(query: Mapping[str, Sequence[str]]) -> Literal["asc", "desc"]:
    """The ``order`` of a list of events: ``asc``, oldest first, unless said otherwise. Raises BadRequest."""
    match one(query, "order"):
        case None | "asc":
            return "asc"
        case "desc":
            return "desc"
        case _:
            raise BadRequest("bad_request", "order is 'asc' or 'desc'.", field="order")


def of_types(events: Sequence[dict[str, Any]], query: Mapping[str, Sequence[str]]) -> Sequence[dict[str, Any]]:
    """Those of a page's events that ``types`` asks for. A page may hold fewer than its limit, and still have a next."""
    wanted = sse.many(query, "types")
    return [one for one in events if one["type"] in wanted] if wanted else events


def only(query: Mapping[str, Sequence[str]], *known: str) -> None:
    """Refuses a filter that would be ignored: a list that silently holds too much is worse than none."""
    for name in query:
        if name.partition("[")[0] not in known:
            raise BadRequest("unsupported_filter", f"This list does not know {name[:64]!r}.", field=name[:64])


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
