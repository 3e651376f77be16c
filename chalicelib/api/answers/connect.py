"""What machines without a browser are answered, and the people who connect them."""

from __future__ import annotations

from msgspec import Struct

from ...actors.devices import DEVICE_TTL_S, INTERVAL_S, NewDevice, Waiting
from ...core.devices import Decision


class DeviceStarted(Struct, frozen=True, kw_only=True):
    """The codes of a machine that waits. Times are seconds. Source: RFC 8628 §3.2."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class DeviceCode(Struct, frozen=True):
    """A connect code for a machine that was approved."""

    code: str


class DeviceAnswer(Struct, frozen=True, kw_only=True):
    """A machine that waits, by what it says of itself; ``expires_at`` is epoch seconds."""

    user_code: str
    hostname: str
    os: str
    expires_at: int


class DeviceAnswered(Struct, frozen=True, kw_only=True):
    """What a machine will be told."""

    user_code: str
    decision: Decision


def started(device: NewDevice, page: str) -> DeviceStarted:
    """The codes of a machine that waits; ``page`` is where people type the user code."""
    return DeviceStarted(
        device_code=device.device_code,
        user_code=device.user_code,
        verification_uri=page,
        verification_uri_complete=f"{page}?user_code={device.user_code}",
        expires_in=DEVICE_TTL_S,
        interval=INTERVAL_S,
    )


def device_answer(waiting: Waiting) -> DeviceAnswer:
    """A machine that waits, as it is answered."""
    request = waiting.request
    return DeviceAnswer(
        user_code=waiting.user_code, hostname=request.hostname, os=request.os, expires_at=int(request.expires_at)
    )
