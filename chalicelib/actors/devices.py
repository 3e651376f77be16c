"""Devices: how a machine without a browser is connected, by a person who is signed in on another one.

The machine asks, shows its user code, and asks again every few seconds; the person types the code, sees which machine
asks, and approves or denies. Then the machine is answered with an ordinary connect code, bound to its state and its
PKCE challenge, which it exchanges as always. Source: RFC 8628.

The connect code follows from the device code, which only the machine has. So it is stored nowhere, a machine that lost
the answer is answered the same again, and the code is nevertheless good once: it is written down where there is none.
"""

from __future__ import annotations

import hashlib
from typing import Final

from msgspec import Struct

from ..core.access import KeyPrincipal, token_hash
from ..core.catalog import ConnectCode
from ..core.devices import Decision, DeviceRequest, DeviceVerdict, read_user_code, user_code_of
from ..core.errors import BadRequest, Busy, Conflicting, NotFound, TooMany
from .enrolment import CODE_BYTES, CODE_TTL_S
from .ports import Stores

DEVICE_TTL_S: Final = 600
"""How long a machine waits for a person, who may first have to find another machine (seconds)."""

INTERVAL_S: Final = 5
"""How often a machine may ask what has become of it (seconds). Source: RFC 8628 §3.2."""

_EARLY_S: Final = 1.0
"""By how much it may be early: two requests do not take the same way equally long."""

MAX_GUESSES: Final = 20
"""How often a tenant's people may name a machine that there is not, in ``GUESSES_S``. One of 20^8 codes is met by
chance at most once in 10^9 times for each machine that waits. Per tenant: one that is hostile can make many people."""

GUESSES_S: Final = 600.0

_SECRET_BYTES = 24
_MAX_TRIES = 4


class Asking(Struct, frozen=True, kw_only=True):
    """What a machine says that asks to be connected."""

    state: str
    code_challenge: str
    hostname: str
    os: str


class NewDevice(Struct, frozen=True):
    """The codes of a machine that waits: one to be kept, one to be shown."""

    device_code: str
    user_code: str

    def __repr__(self) -> str:
        return "NewDevice()"


class Waiting(Struct, frozen=True):
    """A machine that asks, under the code that a person named it by."""

    user_code: str
    request: DeviceRequest


class Devices:
    """Lets people connect machines that have no browser."""

    def __init__(self, stores: Stores) -> None:
        self._devices = stores.devices
        self._runtimes = stores.runtimes
        self._clock = stores.clock

    def start(self, asking: Asking) -> NewDevice:
        """Lets a machine wait for a person. Raises Busy ``too_many_devices``: no code was free."""
        now = self._clock.now()
        for _ in range(_MAX_TRIES):
            user_code = user_code_of(self._clock.token(_SECRET_BYTES))
            device_code = f"{user_code}.{self._clock.token(_SECRET_BYTES)}"
            request = DeviceRequest(
                user_code_hash=token_hash(user_code),
                device_hash=token_hash(device_code),
                state_hash=token_hash(asking.state),
                code_challenge=asking.code_challenge,
                hostname=asking.hostname,
                os=asking.os,
                expires_at=now + DEVICE_TTL_S,
            )
            if self._devices.put(request, now):
                return NewDevice(device_code, user_code)
        raise Busy("too_many_devices", "Too many machines wait to be connected; try again.", retry_after_s=INTERVAL_S)

    def poll(self, device_code: str) -> str:
        """The connect code of a machine that was approved. Asked again it is the same.

        Raises:
            BadRequest: ``authorization_pending``, ``slow_down``, ``access_denied``, ``expired_token``.
        """
        now, user_code = self._clock.now(), device_code.partition(".")[0]
        latest = now - INTERVAL_S + _EARLY_S
        in_time, found = self._devices.poll(token_hash(user_code), token_hash(device_code), now, latest)
        if found is None:
            raise BadRequest("expired_token", "This machine waited too long, or never asked; begin again.")
        match found.verdict:
            case DeviceVerdict(decision="approved") as verdict:
                return self._connect_code(device_code, found, verdict)
            case DeviceVerdict():
                raise BadRequest("access_denied", "Somebody was shown this machine, and did not let it in.")
            case None if in_time:
                raise BadRequest("authorization_pending", "Nobody has approved this machine yet; ask again.")
            case None:
                raise BadRequest("slow_down", f"Ask every {INTERVAL_S} seconds at most.")

    def find(self, asking: KeyPrincipal, typed: str) -> Waiting:
        """The machine that shows this user code and waits for an answer. Raises as ``answer`` does."""
        found = self._named(asking, typed)
        if found.request.verdict is not None:
            raise _answered()
        return found

    def answer(self, asking: KeyPrincipal, typed: str, decision: Decision) -> Waiting:
        """Approves or denies a machine. The same answer by the same person changes nothing.

        Raises:
            NotFound: ``device_not_found``: none shows this code, or it has waited too long.
            Conflicting: ``device_answered``: it was answered by somebody else, or otherwise.
            TooMany: ``too_many_guesses``: the tenant's people have named machines that there are not.
        """
        named = self._named(asking, typed)
        verdict = DeviceVerdict(
            decision=decision,
            tenant_id=asking.tenant_id,
            key_id=asking.key_id,
            owner_id=asking.owner_id,
            at=self._clock.now(),
        )
        if named.request.verdict is None and self._devices.decide(named.request, verdict):
            return named
        said = self._request(named.user_code).verdict
        if said is None or (said.decision, said.tenant_id, said.owner_id) != (
            verdict.decision,
            verdict.tenant_id,
            verdict.owner_id,
        ):
            raise _answered()
        return named

    def _named(self, asking: KeyPrincipal, typed: str) -> Waiting:
        """A machine by its user code.

        Whoever names one that there is not has used a guess up, before it is looked for, so that many at the same
        moment count as well.
        """
        user_code = read_user_code(typed)
        if user_code is None:
            why = "A code has eight letters, such as BCDF-GHJK, and none of them is a vowel."
            raise BadRequest("bad_user_code", why, field="user_code")
        now = self._clock.now()
        if not self._devices.take_guess(asking.tenant_id, MAX_GUESSES, now, now + GUESSES_S):
            why = "Too many codes were tried that no machine shows; wait ten minutes."
            raise TooMany("too_many_guesses", why, retry_after_s=int(GUESSES_S))
        found = self._request(user_code)
        self._devices.give_back(asking.tenant_id, now)
        return Waiting(user_code, found)

    def _request(self, user_code: str) -> DeviceRequest:
        found = self._devices.get(token_hash(user_code), self._clock.now())
        if found is None:
            why = "No machine shows this code, or it has waited for more than ten minutes."
            raise NotFound("device_not_found", why, field="user_code")
        return found

    def _connect_code(self, device_code: str, request: DeviceRequest, verdict: DeviceVerdict) -> str:
        code = hashlib.sha256(f"connect code:{device_code}".encode()).hexdigest()[: 2 * CODE_BYTES]
        self._runtimes.put_code(
            ConnectCode(
                code_hash=token_hash(code),
                tenant_id=verdict.tenant_id,
                key_id=verdict.key_id,
                state_hash=request.state_hash,
                # Not counted from now: a spent code that DynamoDB has deleted must not be good again.
                expires_at=verdict.at + CODE_TTL_S,
                code_challenge=request.code_challenge,
                owner_id=verdict.owner_id,
            )
        )
        return code


def _answered() -> Conflicting:
    return Conflicting("device_answered", "This machine was answered already; let it begin again if that was wrong.")
