"""Bytes to frames and back. Total: whatever a stranger sends becomes a frame, ``UnknownFrame`` or ``BadFrame``."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from . import events, frames
from .ids import EventId
from .limits import MAX_ID_CHARS, MAX_NESTING

_ENCODER = msgspec.json.Encoder()
_PROBE = msgspec.json.Decoder(dict[str, Raw])
_DAEMON_UP = msgspec.json.Decoder(frames.DaemonUp)
_DAEMON_DOWN = msgspec.json.Decoder(frames.DaemonDown)
_VIEWER_UP = msgspec.json.Decoder(frames.ViewerUp)
_VIEWER_DOWN = msgspec.json.Decoder(frames.ViewerDown)
_DAEMON_EVENT = msgspec.json.Decoder(events.DaemonEvent)
_STORED_EVENT = msgspec.json.Decoder(events.Event)
_RAW_LIST = msgspec.json.Decoder(list[Raw])
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")


def _tags(union: Any) -> frozenset[str]:
    return frozenset(str(one.__struct_config__.tag) for one in union.__args__)


_OPAQUE = "mooring.opaque"
_SPILLED = "mooring.spilled"
_DAEMON_UP_TAGS = _tags(frames.DaemonUp)
_DAEMON_DOWN_TAGS = _tags(frames.DaemonDown)
_VIEWER_UP_TAGS = _tags(frames.ViewerUp)
_VIEWER_DOWN_TAGS = _tags(frames.ViewerDown)
_DAEMON_EVENT_TAGS = _tags(events.DaemonEvent) - {_OPAQUE}
_PLANES_TAGS = _tags(events.Event) - _DAEMON_EVENT_TAGS


class UnknownFrame(Struct, frozen=True):
    """A frame of a newer peer: logged and skipped."""

    type: str


class BadFrame(Struct, frozen=True):
    """Not a frame: ``type`` where it could be read, the offending ``field`` or "", and why.

    ``code`` is stable: ``not_json``, ``bad_frame``.
    """

    code: str
    type: str
    field: str
    why: str


def encode(message: Struct) -> bytes:
    """One frame (or event) as JSON."""
    return _ENCODER.encode(message)


def digest(stored: bytes) -> str:
    """SHA-256 of stored bytes, lower-case hex."""
    return hashlib.sha256(stored).hexdigest()


def speaks_for_runtime(raw: bytes | str) -> bool:
    """Whether a message is in the daemon's dialect: it names a runtime. False for anything unreadable."""
    try:
        return "runtime_id" in _PROBE.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def decode_daemon_up(raw: bytes | str) -> frames.DaemonUp | UnknownFrame | BadFrame:
    """A daemon's message to the plane."""
    found: frames.DaemonUp | UnknownFrame | BadFrame = _decode(raw, _DAEMON_UP, _DAEMON_UP_TAGS)
    return found


def decode_daemon_down(raw: bytes | str) -> frames.DaemonDown | UnknownFrame | BadFrame:
    """The plane's message to a daemon."""
    found: frames.DaemonDown | UnknownFrame | BadFrame = _decode(raw, _DAEMON_DOWN, _DAEMON_DOWN_TAGS)
    return found


def decode_viewer_up(raw: bytes | str) -> frames.ViewerUp | UnknownFrame | BadFrame:
    """A viewer's message to the plane."""
    found: frames.ViewerUp | UnknownFrame | BadFrame = _decode(raw, _VIEWER_UP, _VIEWER_UP_TAGS)
    return found


def decode_viewer_down(raw: bytes | str) -> frames.ViewerDown | UnknownFrame | BadFrame:
    """The plane's message to a viewer."""
    found: frames.ViewerDown | UnknownFrame | BadFrame = _decode(raw, _VIEWER_DOWN, _VIEWER_DOWN_TAGS)
    return found


def decode_batch(raw: bytes) -> tuple[events.DaemonEvent, ...] | BadFrame:
    """The ``events`` of a ``session.event``. Types of a newer daemon become ``Opaque``; the plane's own are refused."""
    if _too_deep(raw):
        return _bad_batch("events", f"is nested deeper than {MAX_NESTING}")
    try:
        items = _RAW_LIST.decode(raw)
    except (msgspec.MsgspecError, UnicodeError) as exc:
        return _bad_batch("events", str(exc))
    if not items:
        return _bad_batch("events", "a batch holds at least one event")
    found = []
    for index, item in enumerate(items):
        one = _event(bytes(item), f"events[{index}]")
        if isinstance(one, BadFrame):
            return one
        found.append(one)
    return tuple(found)


def decode_upload(raw: bytes) -> events.DaemonEvent | BadFrame:
    """An event that a daemon uploads by itself because it is too large for a batch: whole, and one of its own."""
    if _too_deep(raw):
        return _bad_batch("events", f"is nested deeper than {MAX_NESTING}")
    found = _event(raw, "events[0]")
    if isinstance(found, events.Spilled):
        return _bad_batch("events[0].type", "an upload is the event itself")
    return found


def decode_stored_event(body: bytes) -> events.Event:
    """One event as a body item holds it. Raises msgspec.ValidationError when it is none."""
    found: events.Event = _STORED_EVENT.decode(body)
    return found


def _bad_batch(field: str, why: str) -> BadFrame:
    return BadFrame("bad_frame", "session.event", field, why)


def _event(raw: bytes, place: str) -> events.DaemonEvent | BadFrame:
    try:
        probe = _PROBE.decode(raw)
        tag = msgspec.json.decode(probe["type"], type=str)
        event_id = msgspec.json.decode(probe["id"], type=str)
        if not 0 < len(event_id) <= MAX_ID_CHARS:
            return _bad_batch(f"{place}.id", f"has 1 to {MAX_ID_CHARS} characters")
        if _is_unknown(tag):
            # Read whole, though nothing of it is used: what can't be read now would break every reading of the log.
            msgspec.json.decode(raw)
            return events.Opaque(id=EventId(event_id), of=tag, body=raw.decode())
        if tag not in _DAEMON_EVENT_TAGS:
            return _bad_batch(f"{place}.type", f"a daemon does not write {tag!r}")
        found: events.DaemonEvent = _DAEMON_EVENT.decode(raw)
    except KeyError as exc:
        return _bad_batch(f"{place}.{exc.args[0]}", "is missing")
    except (msgspec.MsgspecError, UnicodeError) as exc:
        field, why = _split(str(exc))
        return _bad_batch(f"{place}{field and '.' + field}", why)
    if isinstance(found, events.Spilled) and not (_is_unknown(found.of) or found.of in _DAEMON_EVENT_TAGS - {_SPILLED}):
        return _bad_batch(f"{place}.of", f"a daemon does not write {found.of!r}")
    return found


def _is_unknown(tag: str) -> bool:
    """Whether a type may be a newer daemon's own: of the families that daemons write, and none of today's."""
    return tag.startswith(("agent.", "mooring.")) and tag not in _DAEMON_EVENT_TAGS | _PLANES_TAGS


def _too_deep(raw: bytes) -> bool:
    depth = 0
    for bracket in _NO_BRACKET.sub(b"", _STRING.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_NESTING:
            return True
    return False


def _decode(raw: bytes | str, decoder: Any, tags: frozenset[str]) -> Any:
    tag = ""
    try:
        probe = _PROBE.decode(raw)
        if "type" not in probe:
            return BadFrame("bad_frame", "", "type", "is missing")
        try:
            tag = msgspec.json.decode(probe["type"], type=str)
        except msgspec.ValidationError as exc:
            return BadFrame("bad_frame", "", "type", str(exc))
        if tag not in tags:
            return UnknownFrame(tag)
        return decoder.decode(raw)
    except msgspec.ValidationError as exc:
        field, why = _split(str(exc))
        return BadFrame("bad_frame", tag, field, why)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        return BadFrame("not_json", tag, "", str(exc))


def _split(text: str) -> tuple[str, str]:
    """Msgspec's sentence into the field's path and the reason."""
    at = _PATH.search(text)
    if at:
        return at.group(1), text[: at.start()]
    missing = re.search(r"missing required field `([^`]*)`", text)
    return (missing.group(1) if missing else ""), text
