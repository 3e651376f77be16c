"""Requests about runtimes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...actors.enrolment import Machine
from .fields import Word


class ConnectRuntime(Struct, frozen=True, kw_only=True):
    """``POST /v1/runtimes/connect-runtime``; ``code_challenge`` is PKCE's, method S256."""

    state: Annotated[str, Meta(min_length=8, max_length=256)]
    code_challenge: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = None


class ExchangeCode(Struct, frozen=True, kw_only=True):
    """``POST /agents/runtime/exchange``."""

    code: Word
    state: Annotated[str, Meta(min_length=1, max_length=256)]
    machine_id: Word
    hostname: Annotated[str, Meta(max_length=255)] = ""
    os: Annotated[str, Meta(max_length=128)] = ""
    version: Annotated[str, Meta(max_length=64)] = ""
    code_verifier: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]{43,128}$")] | None = None

    @property
    def machine(self) -> Machine:
        """What the laptop says of itself."""
        return Machine(machine_id=self.machine_id, hostname=self.hostname, os=self.os, version=self.version)


class ChangeRuntime(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/runtimes/{id}``: whether the whole tenant may use it."""

    shared: bool


class BundleQuery(Struct, frozen=True, kw_only=True):
    """``GET /agents/runtime/sessions/{id}/bundle``: which ACP agent asks."""

    agent_id: Word
