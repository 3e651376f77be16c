"""Requests of machines without a browser, and of the people who connect them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...actors.devices import Asking
from ...core.devices import Decision
from .fields import Word


class StartDevice(Struct, frozen=True, kw_only=True):
    """``POST /agents/runtime/device``; ``code_challenge`` is PKCE's, method S256."""

    state: Annotated[str, Meta(min_length=8, max_length=256)]
    code_challenge: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]
    hostname: Annotated[str, Meta(max_length=255)] = ""
    os: Annotated[str, Meta(max_length=128)] = ""

    @property
    def asking(self) -> Asking:
        """What the machine says."""
        return Asking(state=self.state, code_challenge=self.code_challenge, hostname=self.hostname, os=self.os)


class PollDevice(Struct, frozen=True, kw_only=True):
    """``POST /agents/runtime/device/token``."""

    device_code: Word


class FindDevice(Struct, frozen=True, kw_only=True):
    """``POST /v1/runtimes/find-device``: the code that the machine shows, in any case, the hyphen may be missing."""

    user_code: Word


class AnswerDevice(Struct, frozen=True, kw_only=True):
    """``POST /v1/runtimes/answer-device``."""

    user_code: Word
    decision: Decision
