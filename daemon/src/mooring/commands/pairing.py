"""The two ways in which a person approves that this machine joins a plane, each ending with a connect code.

By the browser of this machine, whose answer comes to a loopback port; or on any other device, by a short code that is
typed in there, for machines without a browser (RFC 8628). Either way the code is good only with the ``state`` and the
PKCE verifier that were made here and have not left this process.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import re
import secrets
import time
import webbrowser
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from ..edge.https import PlaneError, Unreachable, is_final
from ..edge.loopback import ANSWER_S, Answer, Loopback
from ..edge.plane import DeviceCodes, Machine, ask_for_connect_code, ask_for_device_codes, check_plane
from ..errors import MoorError
from .result import Screen

SLOWER_S: Final = 5.0
"""Added to the interval when the plane asks for it, or does not answer (seconds). Source: RFC 8628 §3.5."""

_WORD: Final = re.compile(r"[a-z_]{1,40}")


class Grant(Struct, frozen=True):
    """A connect code and what it is good with; ``code_verifier`` is None where it was made without a challenge."""

    code: str
    state: str
    code_verifier: str | None = None

    def __repr__(self) -> str:
        return "Grant()"


class _Secrets(Struct, frozen=True):
    state: str
    verifier: str

    @property
    def challenge(self) -> str:
        """Source: RFC 7636 §4.2, method S256."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


def by_browser(server_url: str, machine: Machine, screen: Screen, *, opens: bool) -> Grant:
    """Has a person approve in this machine's browser.

    Args:
        server_url: the plane's address.
        machine: what it is told about this machine.
        screen: shows the address, and an event ``setup.connect`` with it.
        opens: whether to open the browser, where somebody sits there and there is one.

    Raises:
        MoorError: ``access_denied``, ``not_approved``; or no plane answers there.
    """
    check_plane(server_url)
    made = _made()
    with Loopback(made.state) as loopback:
        said = {"hostname": machine.hostname, "os": machine.os}
        asked = {"state": made.state, "code_challenge": made.challenge, "redirect_uri": loopback.redirect_uri, **said}
        url = f"{server_url}/connect?{urlencode(asked)}"
        screen.event({"type": "setup.connect", "url": url, "expires_in": ANSWER_S})
        is_open = opens and screen.asks and _has_browser() and webbrowser.open(url)
        how = "Your browser opens at this address" if is_open else "Open this address in a browser on this machine"
        screen.text(f"{how}, to approve {machine.hostname}:\n\n    {url}\n\n")
        with screen.progress("Waiting for your approval"):
            answer = loopback.wait()
    if answer is None:
        raise _nobody_came()
    if answer.error:
        raise _refused(answer)
    return Grant(answer.code, made.state, made.verifier)


def by_device_code(
    server_url: str,
    machine: Machine,
    screen: Screen,
    *,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Grant:
    """Has a person approve on another device.

    Args:
        server_url: the plane's address.
        machine: what it is told about this machine.
        screen: shows address and code, and an event ``setup.device_code`` with them.
        pause: waits for some seconds.
        clock: counts seconds.

    Raises:
        MoorError: ``access_denied``, ``not_approved``; or the plane can't be asked.
    """
    made = _made()
    codes = ask_for_device_codes(server_url, made.state, made.challenge, machine)
    deadline = clock() + codes.expires_in
    _show(codes, machine, screen)
    with screen.progress("Waiting for your approval"):
        interval_s = codes.interval
        while clock() < deadline:
            pause(interval_s)
            try:
                return Grant(ask_for_connect_code(server_url, codes.device_code), made.state, made.verifier)
            except (PlaneError, Unreachable) as exc:
                interval_s += _slower_s(exc)
    raise _nobody_came()


def _show(codes: DeviceCodes, machine: Machine, screen: Screen) -> None:
    told = {"user_code": codes.user_code, "verification_uri": codes.verification_uri, "expires_in": codes.expires_in}
    screen.event(
        {"type": "setup.device_code", **told, "verification_uri_complete": codes.verification_uri_complete},
    )
    edge = "+" + "-" * (len(codes.user_code) + 6) + "+"
    box = f"    {edge}\n    |   {codes.user_code}   |\n    {edge}\n"
    screen.text(f"To approve {machine.hostname}, open on any device\n\n    {codes.verification_uri}\n\n")
    screen.text(f"and type in\n\n{box}\n")


def _slower_s(answer: PlaneError | Unreachable) -> float:
    """What to add to the interval before asking again. Raises where asking again can't help."""
    match answer.code:
        case "authorization_pending":
            return 0.0
        case "slow_down":
            return SLOWER_S
        case "access_denied":
            raise _declined() from answer
        case "expired_token":
            raise _nobody_came() from answer
    if is_final(answer):
        raise answer
    return SLOWER_S


def _made() -> _Secrets:
    return _Secrets(secrets.token_urlsafe(24), secrets.token_urlsafe(48))


def _has_browser() -> bool:
    """Whether there is a browser with windows: one for terminals would take this one over."""
    if platform.system() in ("Windows", "Darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _refused(answer: Answer) -> MoorError:
    if answer.error == "access_denied":
        return _declined()
    word = answer.error if _WORD.fullmatch(answer.error) else "an error"
    return MoorError("not_approved", f"The plane's page ended with {word}. Run `moor setup` again.")


def _declined() -> MoorError:
    return MoorError("access_denied", "The request was declined. This machine is not connected; nothing was changed.")


def _nobody_came() -> MoorError:
    return MoorError("not_approved", "Nobody approved this machine in time. Run `moor setup` again.")
