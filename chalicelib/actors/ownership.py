"""Ownership: whose laptop a runtime is, who may use it, and the tokens by which it is believed.

Whoever made the connect code owns the laptop. They alone have agents run on it, until they share it with the tenant.
Who may use it stands in its room, which every message to it reads anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from ..core.access import KeyPrincipal, RuntimePrincipal
from ..core.catalog import RuntimeToken
from ..core.errors import Forbidden, NotFound
from ..wire.ids import RuntimeId, TenantId
from .enrolment import Enrolled, Enrolment
from .ports import Stores
from .presence import Seen
from .rooms import Rooms, check_use, runtime_not_found

OLD_TOKEN_S = 24 * 3600.0
"""How long a token opens after it was renewed (seconds): the laptop may lose the new one before it is stored."""

HangUp = Callable[[TenantId, str], None]


class Ownership:
    """Acts on runtimes for the people they belong to.

    Args:
        stores: what is remembered.
        rooms: who may use a runtime stands there.
        enrolment: finds runtimes, and makes tokens.
        hang_up: ends the connections of a runtime whose token opens nothing any more.
    """

    def __init__(self, stores: Stores, rooms: Rooms, enrolment: Enrolment, hang_up: HangUp) -> None:
        self._runtimes = stores.runtimes
        self._clock = stores.clock
        self._rooms = rooms
        self._enrolment = enrolment
        self._hang_up = hang_up

    def get(self, tenant_id: TenantId, runtime_id: str) -> Seen:
        """A runtime and its room. Raises NotFound ``runtime_not_found``."""
        return self._enrolment.presence.of(self._enrolment.get(tenant_id, runtime_id))

    def share(self, asking: KeyPrincipal, runtime_id: str, shared: bool) -> Seen:
        """Shares a runtime with the tenant, or takes it back. A repeat changes nothing.

        Raises:
            NotFound: ``runtime_not_found``.
            Forbidden: ``owner_only``.
        """
        seen = self._owned(asking, runtime_id)
        room = self._rooms.own(seen.runtime.runtime_id, asking.owner_id, "tenant" if shared else "owner")
        return replace(seen, room=room)

    def remove(self, asking: KeyPrincipal, runtime_id: str) -> RuntimeId:
        """Removes a runtime: its tokens open nothing any more, its connection is closed, its sessions stay readable.

        Whoever governs the tenant may do that too: the laptop may be lost, or its owner gone. If this dies half-way,
        the runtime is still listed and can be removed again.

        Raises:
            NotFound: ``runtime_not_found``.
            Forbidden: ``owner_only``.
        """
        seen = self.get(asking.tenant_id, runtime_id)
        if not asking.may("admin"):
            _check_owner(seen, asking)
        found = seen.runtime.runtime_id
        self._rooms.own(found, seen.room.owner_id if seen.room else asking.owner_id, "nobody")
        self._runtimes.revoke_tokens(asking.tenant_id, found, self._clock.now())
        self._hang_up(asking.tenant_id, found)
        self._runtimes.delete(asking.tenant_id, found)
        return found

    def tokens(self, asking: KeyPrincipal, runtime_id: str) -> Sequence[RuntimeToken]:
        """A runtime's tokens, newest first. Raises as ``share``."""
        return self._runtimes.tokens(asking.tenant_id, self._owned(asking, runtime_id).runtime.runtime_id)

    def revoke(self, asking: KeyPrincipal, runtime_id: str, token_id: str) -> RuntimeToken:
        """Ends a token at once, and the connection that it opened. A repeat changes nothing.

        Raises:
            NotFound: ``runtime_not_found``, ``runtime_token_not_found``.
            Forbidden: ``owner_only``.
        """
        token = next((one for one in self.tokens(asking, runtime_id) if one.token_id == token_id), None)
        if token is None:
            raise NotFound("runtime_token_not_found", f"There is no token {token_id[:80]}.", field="token_id")
        now = self._end(token.tenant_id, token.runtime_id, token.token_hash)
        return token if token.revoked_at is not None else replace(token, revoked_at=now)

    def leave(self, asking: RuntimePrincipal) -> None:
        """Ends the token that asks, at once, and the connection that it opened."""
        self._end(asking.tenant_id, asking.runtime_id, asking.token_hash)

    def cut(self, asking: RuntimePrincipal) -> None:
        """Closes the laptop's own connection, as the network would: it comes back and goes on."""
        self._hang_up(asking.tenant_id, asking.runtime_id)

    def renew(self, asking: RuntimePrincipal) -> Enrolled:
        """Gives a runtime another token; the one that asks opens for a while longer.

        Raises:
            NotFound: ``runtime_not_found``: it was removed.
        """
        runtime = self._enrolment.get(asking.tenant_id, asking.runtime_id)
        made = self._enrolment.mint(asking.tenant_id, runtime.runtime_id, runtime.hostname)
        room = self._rooms.view(runtime.runtime_id)
        if room is not None and room.use == "nobody":
            # Whoever removed it at this moment may have looked for its tokens before this one was there.
            self._runtimes.revoke_tokens(asking.tenant_id, runtime.runtime_id, self._clock.now())
            raise runtime_not_found(runtime.runtime_id)
        self._runtimes.end_token(asking.token_hash, self._clock.now() + OLD_TOKEN_S)
        return made

    def _end(self, tenant_id: TenantId, runtime_id: RuntimeId, token_hash: str) -> float:
        """Ends a token. Returns when (epoch seconds)."""
        now = self._clock.now()
        self._runtimes.revoke_token(token_hash, now)
        # Of a runtime's connections one at most lives; if another token opened it, it is opened again at once.
        self._hang_up(tenant_id, runtime_id)
        return now

    def _owned(self, asking: KeyPrincipal, runtime_id: str) -> Seen:
        seen = self.get(asking.tenant_id, runtime_id)
        _check_owner(seen, asking)
        # One whose removal died half-way must not come back by being shared.
        check_use(seen.room, asking.owner_id)
        return seen


def _check_owner(seen: Seen, asking: KeyPrincipal) -> None:
    if seen.room is not None and seen.room.owner_id not in ("", asking.owner_id):
        raise Forbidden("owner_only", f"Only its owner may do that to runtime {seen.runtime.runtime_id}.")
