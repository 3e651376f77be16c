"""People: a tenant, who belongs to it, and as what.

A tenant has an owner as long as it exists: its row names them, and changes in one transaction with theirs. What a
person may do is repeated in their keys; see ``api_keys`` for how that ends right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..core.access import KeyPrincipal, Role
from ..core.catalog import Tenant, User, limits_of
from ..core.errors import Busy, Conflicting, NotFound
from ..core.tenant_limits import LimitName, TenantLimits
from ..wire.ids import TenantId, UserId
from .agents import timed_id
from .api_keys import MAX_TRIES, ApiKeys
from .ports import Stores

_EVERYBODY = 10_000
_JITTER_S = 0.05
_USER_ID = re.compile(r"user_[0-9A-Za-z]{1,64}")


def user_not_found(user_id: str) -> NotFound:
    """The refusal for a person who is absent or another tenant's."""
    return NotFound("user_not_found", f"There is no user {user_id[:80]}.", field="user_id")


class People:
    """Keeps tenants and their people."""

    def __init__(self, stores: Stores, keys: ApiKeys) -> None:
        self._tenants = stores.tenants
        self._users = stores.users
        self._clock = stores.clock
        self._keys = keys

    # ---- tenants

    def found(self, name: str) -> Tenant:
        """Makes a tenant with nobody in it."""
        tenant_id = TenantId(f"ten_{self._clock.token(12)}")
        tenant = Tenant(tenant_id=tenant_id, name=name, created_at=self._clock.now())
        self._tenants.put(tenant)
        return tenant

    def tenant(self, tenant_id: TenantId) -> Tenant:
        """A tenant. Raises NotFound ``tenant_not_found``."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            raise NotFound("tenant_not_found", f"There is no tenant {tenant_id[:80]}.")
        return tenant

    def tenants(self) -> Sequence[Tenant]:
        """Every tenant, oldest first; a scan, for the operator's use only."""
        return sorted(self._tenants.all(), key=lambda tenant: (tenant.created_at, tenant.tenant_id))

    def change_tenant(
        self, asking: KeyPrincipal, name: str | None, limits: Mapping[LimitName, int | None] | None = None
    ) -> Tenant:
        """Changes a tenant's name, or those limits that are given; one that is None is the usual one again.

        Raises:
            Forbidden: ``owners_only``: only an owner changes limits.
        """
        if limits:
            asking.must_govern("owner")
        usual = TenantLimits()
        values = {one: getattr(usual, one) if value is None else value for one, value in (limits or {}).items()}
        for _ in range(MAX_TRIES):
            was = self.tenant(asking.tenant_id)
            tenant = replace(was, name=name or was.name, limits=replace(was.limits, **values))
            if tenant == was:
                return was
            tenant = replace(tenant, version=was.version + 1)
            if self._tenants.change(tenant):
                return tenant
        raise _busy(f"tenant {asking.tenant_id}")

    # ---- people

    def create(self, asking: KeyPrincipal, name: str, email: str | None, role: Role) -> User:
        """Makes a person, who can do nothing before they have a key.

        Raises:
            Forbidden: ``owners_only``.
            TooMany: ``limit_reached``.
        """
        asking.must_govern(role)
        return self.join(asking.tenant_id, name, email, role)

    def join(self, tenant_id: TenantId, name: str, email: str | None, role: Role) -> User:
        """Makes a person, and asks nobody. Raises TooMany ``limit_reached``."""
        user = User(
            tenant_id=tenant_id,
            user_id=UserId(timed_id("user", self._clock)),
            name=name,
            role=role,
            created_at=self._clock.now(),
            email=email,
        )
        return self._write(lambda: (user, None))

    def get(self, tenant_id: TenantId, user_id: str) -> User:
        """A person, also one who was removed. Raises NotFound ``user_not_found``, the same for another tenant's."""
        found = self._users.get(tenant_id, UserId(user_id)) if _USER_ID.fullmatch(user_id) else None
        if found is None:
            raise user_not_found(user_id)
        return found

    def person(self, asking: KeyPrincipal) -> User | None:
        """Whoever asks; None for a key that is nobody's."""
        return self._users.get(asking.tenant_id, UserId(asking.user_id)) if asking.user_id else None

    def list(
        self, tenant_id: TenantId, hidden: bool, page: str | None, limit: int
    ) -> tuple[Sequence[User], str | None]:
        """Newest first; with ``hidden`` also those who were removed."""
        return self._users.list(tenant_id, page, limit, lambda user: hidden or user.removed_at is None)

    def first_owner(self, tenant_id: TenantId) -> User | None:
        """The owner of a tenant who has been one of its people for longest, or None."""
        owners, _ = self._users.list(tenant_id, None, _EVERYBODY, lambda user: user.is_owner)
        return owners[-1] if owners else None

    def change(self, asking: KeyPrincipal, user_id: str, **changes: Any) -> User:
        """Changes a person's ``name``, ``email`` or ``role``. Doing it again does what is left to do to their keys.

        Raises:
            NotFound: ``user_not_found``.
            Forbidden: ``owners_only``.
            Conflicting: ``user_removed``; ``last_owner``: the tenant would have no owner.
        """

        def wanted() -> tuple[User, User]:
            was = self.get(asking.tenant_id, user_id)
            if was.removed_at is not None:
                raise Conflicting("user_removed", f"User {user_id} was removed; make another one.")
            user = replace(was, **changes)
            asking.must_govern(user.role, was.role)
            return user, was

        user = self._write(wanted)
        if "role" in changes:
            self._keys.settle_all(user)
        return user

    def remove(self, asking: KeyPrincipal, user_id: str) -> User:
        """Removes a person and revokes their keys. Doing it again does what is left to do.

        Raises:
            NotFound: ``user_not_found``.
            Forbidden: ``owners_only``.
            Conflicting: ``last_owner``.
        """

        def wanted() -> tuple[User, User]:
            was = self.get(asking.tenant_id, user_id)
            asking.must_govern(was.role)
            return replace(was, removed_at=was.removed_at or self._clock.now()), was

        user = self._write(wanted)
        self._keys.settle_all(user)
        return user

    def _write(self, wanted: Callable[[], tuple[User, User | None]]) -> User:
        """Writes a person as ``wanted`` says, which is asked again when somebody else has changed them meanwhile."""
        for attempt in range(MAX_TRIES):
            user, was = wanted()
            if was is not None:
                if user == was:
                    return user
                user = replace(user, version=was.version + 1)
            limits = limits_of(self._tenants.get(user.tenant_id))
            match self._users.put(user, was, limits.max_users):
                case "done":
                    return user
                case "full":
                    limits.leave_room("max_users", limits.max_users)
                case "last_owner":
                    why = f"User {user.user_id} is the tenant's last owner; make another one first."
                    raise Conflicting("last_owner", why)
                case "stale":
                    self._clock.pause(_JITTER_S * (attempt + 1) * int(self._clock.token(2), 16) / 0xFFFF)
        raise _busy("the tenant's people")


def _busy(what: str) -> Busy:
    return Busy("object_busy", f"Too many change {what} at once; try again.", retry_after_s=1)
