"""The plane as this machine sees it: enrolment, tokens, bundles, prompts, uploads. Every call blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from ..errors import EXIT_REFUSED, MoorError
from ..wire.bundle import Bundle
from ..wire.codec import digest
from ..wire.events import FileSource, UserBlock
from ..wire.ids import EventId, SessionId, TurnId
from .https import ATTEMPTS, Bearer, Channel, PlaneError, decoded


class Machine(Struct, frozen=True, kw_only=True):
    """What this laptop says of itself when it is enrolled."""

    machine_id: str
    hostname: str
    os: str
    version: str


class Enrolled(Struct, frozen=True, kw_only=True):
    """The answer to an exchange: the runtime's id, its token and where its WebSocket is.

    ``expires_at``: until when the token opens (epoch seconds); None = the plane does not say.
    """

    runtime_id: str
    token: str
    ws_url: str
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Enrolled(runtime_id={self.runtime_id!r}, ws_url={self.ws_url!r})"


class Renewed(Struct, frozen=True, kw_only=True):
    """Another token, and until when it opens (epoch seconds)."""

    token: str
    expires_at: float

    def __repr__(self) -> str:
        return f"Renewed(expires_at={self.expires_at})"


class DeviceCodes(Struct, frozen=True, kw_only=True):
    """What a person types in elsewhere, and by what this machine asks whether they did. Times in seconds.

    Source: RFC 8628 §3.2.
    """

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: float
    interval: float = 5.0

    def __repr__(self) -> str:
        return f"DeviceCodes(verification_uri={self.verification_uri!r})"


class Canary(Struct, frozen=True, kw_only=True):
    """A session that proves the way to and fro, and the token that opens it."""

    session_id: str
    token: str

    def __repr__(self) -> str:
        return f"Canary(session_id={self.session_id!r})"


class _Health(Struct, frozen=True):
    status: Literal["ok"]


class _Code(Struct, frozen=True):
    code: str


class _Prompt(Struct, frozen=True):
    content: tuple[UserBlock, ...]


class _Runtime(Struct, frozen=True):
    status: str


class _Me(Struct, frozen=True):
    runtime: _Runtime


def check_plane(server_url: str) -> None:
    """Makes sure that a plane answers there, before anybody is sent there.

    Raises:
        PlaneError: another server does, or the plane is in trouble.
        Unreachable: nobody does.
        MoorError: ``bad_answer``: it is no plane.
    """
    channel = Channel(server_url, None)
    try:
        decoded(channel.ask("GET", "/health"), _Health)
    finally:
        channel.close()


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
    return decoded(_asked_as_nobody(server_url, "/agents/runtime/exchange", asked), Enrolled)


def ask_for_device_codes(server_url: str, state: str, code_challenge: str, machine: Machine) -> DeviceCodes:
    """Begins a pairing that a person approves on another device. Raises as ``exchange``."""
    said = {"hostname": machine.hostname, "os": machine.os}
    asked = {"state": state, "code_challenge": code_challenge, **said}
    return decoded(_asked_as_nobody(server_url, "/agents/runtime/device", asked), DeviceCodes)


def ask_for_connect_code(server_url: str, device_code: str) -> str:
    """The connect code, once a person has approved.

    Raises:
        PlaneError: ``authorization_pending``, ``slow_down``, ``access_denied``, ``expired_token``.
        Unreachable: no answer came.
        MoorError: ``bad_answer``.

    Source: RFC 8628 §3.4 and §3.5.
    """
    asked = {"device_code": device_code}
    return decoded(_asked_as_nobody(server_url, "/agents/runtime/device/token", asked), _Code).code


class Plane:
    """The plane, asked with the runtime's token.

    Every method raises PlaneError (with ``EXIT_REFUSED`` when the token is refused), Unreachable, or MoorError
    ``bad_answer``.
    """

    def __init__(self, server_url: str, token: Bearer, *, attempts: int = ATTEMPTS) -> None:
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

    def renew_token(self) -> Renewed:
        """Another token. The one that asks opens for a day more, so that an answer that is lost does no harm."""
        return decoded(self._ask("POST", "/agents/runtime/token"), Renewed)

    def revoke_token(self) -> None:
        """Ends the token that asks, and what it opened, at once."""
        self._ask("DELETE", "/agents/runtime/token")

    def canary(self) -> Canary:
        """A new session on this laptop with the agent ``echo``, and a token that is good for it alone."""
        return decoded(self._ask("POST", "/agents/runtime/canary"), Canary)

    def cut_connection(self) -> None:
        """Has the plane close this runtime's WebSocket, as the network would."""
        self._ask("DELETE", "/agents/runtime/connection")

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


def _asked_as_nobody(server_url: str, path: str, asked: dict[str, Any]) -> bytes:
    channel = Channel(server_url, None)
    try:
        return channel.ask("POST", path, body=msgspec.json.encode(asked))
    finally:
        channel.close()
