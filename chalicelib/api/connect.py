"""Connect: how a machine without a browser asks to be connected, and how a person lets it in. Source: RFC 8628."""

from __future__ import annotations

from typing import Final

from chalice import Blueprint
from chalice.app import Request

from ..core.access import KeyPrincipal
from ..wiring import plane
from .answers.connect import DeviceAnswer, DeviceAnswered, DeviceCode, DeviceStarted, device_answer, started
from .requests.connect import AnswerDevice, FindDevice, PollDevice, StartDevice
from .surface import Surface

surface = Surface(Blueprint(__name__))

_START: Final = "/agents/runtime/device"


@surface.route("POST", _START)
def start_device(body: StartDevice) -> DeviceStarted:
    """Lets a machine without a browser wait for a person who approves it."""
    here = _address(surface.blueprint.current_request)
    return started(plane().devices.start(body.asking), f"{here}/connect/device")


@surface.route("POST", "/agents/runtime/device/token")
def poll_device(body: PollDevice) -> DeviceCode:
    """The connect code of a machine that was approved; until then why there is none."""
    return DeviceCode(plane().devices.poll(body.device_code))


@surface.route("POST", "/v1/runtimes/find-device", may="runtimes:write")
def find_device(asking: KeyPrincipal, body: FindDevice) -> DeviceAnswer:
    """The machine without a browser that shows a user code, and waits."""
    return device_answer(plane().devices.find(asking, body.user_code))


@surface.route("POST", "/v1/runtimes/answer-device", may="runtimes:write")
def answer_device(asking: KeyPrincipal, body: AnswerDevice) -> DeviceAnswered:
    """Approves or denies a machine without a browser."""
    waiting = plane().devices.answer(asking, body.user_code, body.decision)
    return DeviceAnswered(user_code=waiting.user_code, decision=body.decision)


def _address(request: Request) -> str:
    """This plane's address, as whoever asks has reached it: the plane itself does not know by which name."""
    scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else "http"
    # API Gateway's own names have the stage in front of the path; the route's path has none.
    stage = str(request.context.get("path", _START)).removesuffix(_START)
    return f"{scheme}://{request.headers.get('host', 'localhost')}{stage}"
