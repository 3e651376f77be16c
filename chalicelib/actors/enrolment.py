"""Enrolment: how a laptop becomes a runtime, and what it says about itself afterwards.

A person who holds a key makes a connect code; the laptop exchanges it, once, for a token. The runtime's id follows from
tenant and machine, so that setting a laptop up again gives it the same id.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..core.access import KeyPrincipal, RuntimePrincipal, token_hash
from ..core.catalog import ConnectCode, Runtime, RuntimeToken, limits_of
from ..core.errors import Busy, TooMany
from ..wire.frames import Hello
from ..wire.ids import RuntimeId, TenantId
from .ports import Stores
from .presence import Presence, Seen
from .rooms import Rooms, check_use, runtime_not_found

CODE_TTL_S = 300.0
"""How long a connect code can be used (seconds)."""

CODE_BYTES = 16
TOKEN_BYTES = 30

TOKEN_LIFE_S = 90 * 24 * 3600.0
"""How long a runtime's token opens (seconds); its daemon gets another one long before."""

_RUNTIME_ID = re.compile(r"rt_[0-9A-Za-z]{1,64}")


class NewCode(Struct, frozen=True):
    """A connect code, shown once, and until when it can be used (epoch seconds)."""

    code: str
    expires_at: float

    def __repr__(self) -> str:
        return f"NewCode(expires_at={self.expires_at})"


class Machine(Struct, frozen=True, kw_only=True):
    """What a laptop says of itself when it is enrolled."""

    machine_id: str
    hostname: str
    os: str
    version: str


class Enrolled(Struct, frozen=True):
    """A runtime's id, and its token, shown once, and until when that opens (epoch seconds)."""

    runtime_id: RuntimeId
    token: str
    expires_at: float

    def __repr__(self) -> str:
        return f"Enrolled(runtime_id={self.runtime_id!r})"


def runtime_id_of(tenant_id: TenantId, machine_id: str) -> RuntimeId:
    """The id that a machine has in a tenant."""
    return RuntimeId("rt_" + hashlib.sha256(f"{tenant_id}/{machine_id}".encode()).hexdigest()[:24])


def challenge_of(verifier: str) -> str:
    """The PKCE challenge that a verifier gives. Source: RFC 7636 §4.2, method S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Enrolment:
    """Turns laptops into runtimes.

    Attributes:
        presence: what a runtime is seen as.
    """

    def __init__(self, stores: Stores, rooms: Rooms) -> None:
        self._runtimes = stores.runtimes
        self._tenants = stores.tenants
        self._clock = stores.clock
        self._rooms = rooms
        self.presence = Presence(stores, rooms)

    def start(self, asking: KeyPrincipal, state: str, code_challenge: str | None) -> NewCode:
        """Makes a connect code, bound to ``state`` and, if given, to a PKCE challenge."""
        code = self._clock.token(CODE_BYTES)
        expires_at = self._clock.now() + CODE_TTL_S
        self._runtimes.put_code(
            ConnectCode(
                code_hash=token_hash(code),
                tenant_id=asking.tenant_id,
                key_id=asking.key_id,
                state_hash=token_hash(state),
                expires_at=expires_at,
                code_challenge=code_challenge,
                owner_id=asking.owner_id,
            )
        )
        return NewCode(code, expires_at)

    def exchange(self, code: str, state: str, code_verifier: str | None, machine: Machine) -> Enrolled:
        """Uses a connect code up and enrols the machine. Of any number of callers with one code, one wins.

        Older tokens of the same machine stay good: two setups of one laptop do not shut each other out.

        Raises:
            BadRequest: ``code_invalid``, ``code_expired``, ``code_used``.
            TooMany: ``limit_reached``: the tenant has as many runtimes as it may have.
            Busy: ``enrolment_unfinished``: the code is used up and something broke after that.
        """
        challenge = challenge_of(code_verifier) if code_verifier is not None else None
        spent = self._runtimes.spend_code(token_hash(code), token_hash(state), challenge, self._clock.now())
        try:
            return self._enrol(spent, machine)
        except TooMany:
            raise
        except Exception as exc:
            # Whatever broke, the code can't be had back: the person at the laptop must hear that a retry can't help.
            why = "The code is used up, but the laptop could not be enrolled. Make a new code and run the setup again."
            raise Busy("enrolment_unfinished", why) from exc

    def described(self, tenant_id: TenantId, hello: Hello) -> None:
        """Keeps what a hello says of its laptop, if it says anything new. A runtime that is gone stays gone."""
        runtime = self._runtimes.get(tenant_id, hello.runtime_id)
        if runtime is None:
            return
        said = replace(
            runtime,
            hostname=hello.hostname or runtime.hostname,
            os=hello.os or runtime.os,
            version=hello.version or runtime.version,
            agents=hello.agents,
            local_skills=hello.local_skills,
        )
        if said != runtime:
            self._runtimes.put(said)

    def list(self, tenant_id: TenantId) -> Sequence[Seen]:
        """All of a tenant's runtimes, newest first, as they are now."""
        return [self.presence.of(one) for one in self._runtimes.list(tenant_id)]

    def me(self, asking: RuntimePrincipal) -> Seen:
        """The runtime that asks. Raises NotFound ``runtime_not_found`` when it was removed."""
        return self.presence.of(self.get(asking.tenant_id, asking.runtime_id))

    def get(self, tenant_id: TenantId, runtime_id: str) -> Runtime:
        """A tenant's runtime. Raises NotFound ``runtime_not_found``, the same for another tenant's."""
        found = None
        if _RUNTIME_ID.fullmatch(runtime_id):
            found = self._runtimes.get(tenant_id, RuntimeId(runtime_id))
        if found is None:
            raise runtime_not_found(runtime_id)
        return found

    def usable(self, asking: KeyPrincipal, runtime_id: str) -> Runtime:
        """A runtime on which whoever asks may have agents run.

        Raises:
            NotFound: ``runtime_not_found``, the same for another tenant's and for one that was removed.
            Forbidden: ``runtime_not_shared``.
        """
        runtime = self.get(asking.tenant_id, runtime_id)
        check_use(self._rooms.view(runtime.runtime_id), asking.owner_id)
        return runtime

    def mint(self, tenant_id: TenantId, runtime_id: RuntimeId, name: str) -> Enrolled:
        """Makes a token for a runtime; ``name`` tells people which machine got it."""
        now, token = self._clock.now(), f"sk_machine_{self._clock.token(TOKEN_BYTES)}"
        self._runtimes.put_token(
            RuntimeToken(
                token_hash=token_hash(token),
                tenant_id=tenant_id,
                runtime_id=runtime_id,
                created_at=now,
                token_id=f"rtk_{self._clock.token(8)}",
                expires_at=now + TOKEN_LIFE_S,
                name=name,
            )
        )
        return Enrolled(runtime_id, token, now + TOKEN_LIFE_S)

    def _enrol(self, spent: ConnectCode, machine: Machine) -> Enrolled:
        now = self._clock.now()
        runtime_id = runtime_id_of(spent.tenant_id, machine.machine_id)
        before = self._runtimes.get(spent.tenant_id, runtime_id)
        if before is None:
            limits = limits_of(self._tenants.get(spent.tenant_id))
            limits.leave_room("max_runtimes", len(self._runtimes.list(spent.tenant_id)))
        self._runtimes.put(
            Runtime(
                tenant_id=spent.tenant_id,
                runtime_id=runtime_id,
                owner_key_id=spent.key_id,
                machine_id=machine.machine_id,
                hostname=machine.hostname,
                os=machine.os,
                version=machine.version,
                created_at=before.created_at if before else now,
                agents=before.agents if before else (),
                local_skills=before.local_skills if before else {},
            )
        )
        self._rooms.open(spent.tenant_id, runtime_id)
        self._rooms.own(runtime_id, spent.owner_id or spent.key_id)
        return self.mint(spent.tenant_id, runtime_id, machine.hostname)
