"""The plane as this machine sees it: enrolment, bundles, prompts, uploads. Every call blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from ..errors import EXIT_REFUSED, MoorError
from ..wire.bundle import Bundle
from ..wire.codec import digest
from ..wire.events import FileSource, UserBlock
from ..wire.ids import EventId, SessionId, TurnId
from .https import ATTEMPTS, Channel, PlaneError, decoded


class Machine(Struct, frozen=True, kw_only=True):
    """What this laptop says of itself when it is enrolled."""

    machine_id: str
    hostname: str
    os: str
    version: str


class Enrolled(Struct, frozen=True, kw_only=True):
    """The answer to an exchange: the runtime's id, its token and where its WebSocket is."""

    runtime_id: str
    token: str
    ws_url: str

    def __repr__(self) -> str:
        return f"Enrolled(runtime_id={self.runtime_id!r}, ws_url={self.ws_url!r})"


class _Prompt(Struct, frozen=True):
    content: tuple[UserBlock, ...]


class _Runtime(Struct, frozen=True):
    status: str


class _Me(Struct, frozen=True):
    runtime: _Runtime


def exchange(server_url: str, code: str, state: str, machine: Machine, *, code_verifier: str | None = None) -> Enrolled:
    """Uses a connect code up. It is never asked twice once the plane may have heard it: a code is good once.

    Raises:
        PlaneError: ``code_invalid``, ``code_expired``, ``code_used``, …
        Unreachable: no answer came.
        MoorError: ``bad_answer``.
    """
    asked: dict[str, Any] = {"code": code, "state": state, **msgspec.to_builtins(machine)}
    if code_verifier is not None:
        asked["code_verifier"] = code_verifier
    channel = Channel(server_url, None)
    try:
        return decoded(channel.ask("POST", "/agents/runtime/exchange", body=msgspec.json.encode(asked)), Enrolled)
    finally:
        channel.close()


class Plane:
    """The plane, asked with the runtime's token.

    Every method raises PlaneError (with ``EXIT_REFUSED`` when the token is refused), Unreachable, or MoorError
    ``bad_answer``.
    """

    def __init__(self, server_url: str, token: str, *, attempts: int = ATTEMPTS) -> None:
        self._channel = Channel(server_url, token, attempts=attempts)

    def __repr__(self) -> str:
        return f"Plane({self._channel.server_url!r})"

    def bundle(self, session_id: SessionId, agent_id: str) -> Bundle:
        """What the session's folder gets. ``agent_id`` is the ACP agent's."""
        path = f"/agents/runtime/sessions/{quote(session_id, safe='')}/bundle"
        return decoded(self._ask("GET", path, query={"agent_id": agent_id}), Bundle)

    def turn(self, session_id: SessionId, turn_id: TurnId) -> tuple[UserBlock, ...]:
        """What the user said, where it did not fit into the prompt's frame."""
        path = f"/agents/runtime/sessions/{quote(session_id, safe='')}/turns/{quote(turn_id, safe='')}"
        return decoded(self._ask("GET", path), _Prompt).content

    def file(self, session_id: SessionId, turn_id: TurnId, source: FileSource) -> bytes:
        """The bytes of a file that the turn's message brings.

        Raises:
            MoorError: ``file_damaged``: they are not those that the message names; ``file_unavailable``.
        """
        turn = f"/agents/runtime/sessions/{quote(session_id, safe='')}/turns/{quote(turn_id, safe='')}"
        body = self._answered(lambda: self._channel.download(f"{turn}/files/{quote(source.file_id, safe='')}"))
        if digest(body) != source.sha256:
            why = f"File {source.file_id} did not arrive as it was sent: {len(body)} of {source.size_bytes} bytes came."
            raise MoorError("file_damaged", why)
        return body

    def upload(self, session_id: SessionId, event_id: EventId, body: bytes) -> None:
        """Puts an event aside that is too large for a batch; ``body`` is its JSON. A repeat changes nothing."""
        path = f"/agents/runtime/sessions/{quote(session_id, safe='')}/events/{quote(event_id, safe='')}"
        self._ask("PUT", path, body=body)

    def me(self) -> dict[str, Any]:
        """What the plane knows of this runtime."""
        return decoded(self._ask("GET", "/agents/runtime/me"), dict[str, Any])

    def is_online(self) -> bool:
        """Whether a daemon speaks for this runtime, on this machine or on another one."""
        return decoded(self._ask("GET", "/agents/runtime/me"), _Me).runtime.status == "online"

    def close(self) -> None:
        """Closes idle connections."""
        self._channel.close()

    def _ask(self, method: str, path: str, *, query: dict[str, str] | None = None, body: bytes | None = None) -> bytes:
        return self._answered(lambda: self._channel.ask(method, path, query=query, body=body))

    def _answered(self, ask: Callable[[], bytes]) -> bytes:
        try:
            return ask()
        except PlaneError as exc:
            if exc.status == 401:
                exc.exit_code = EXIT_REFUSED
            raise
