"""Tenancy: whose secret this is, and the first tenant of a new plane."""

from __future__ import annotations

import hmac
import re

from ..core.access import KeyPrincipal, Right, RuntimePrincipal, kind_of, token_hash
from ..core.catalog import ApiKey, Tenant
from ..core.errors import BadRequest, Forbidden, Unauthorized
from ..wire.ids import KeyId, TenantId
from .ports import Stores

KEY_BYTES = 24
"""Chance in a key that we make; its hex is 48 characters."""

_KEY_FORMAT = re.compile(r"moor_(?!st_|tk_)[A-Za-z0-9_-]{32,128}")
"""A key that somebody brings along: at least 128 bits if it is hex, and none of the prefixes of other secrets."""


class Tenancy:
    """Knows tenants and who speaks for them."""

    def __init__(self, stores: Stores) -> None:
        self._tenants = stores.tenants
        self._runtimes = stores.runtimes
        self._clock = stores.clock

    def bootstrap(self, admin_key: str | None) -> tuple[TenantId, str]:
        """Makes the first tenant and a key of it, or finds them.

        Args:
            admin_key: the key that is to work afterwards; None to have one made.

        Returns:
            The key's tenant, and the key.

        Raises:
            BadRequest: ``bad_admin_key``: not ``moor_`` and at least 32 letters, digits, ``-`` or ``_``; or revoked.
        """
        secret = admin_key if admin_key is not None else f"moor_{self._clock.token(KEY_BYTES)}"
        if not _KEY_FORMAT.fullmatch(secret):
            why = "An admin key is moor_ and 32 to 128 letters, digits, - or _, which do not begin with st_ or tk_."
            raise BadRequest("bad_admin_key", why)
        found = self._tenants.key(token_hash(secret))
        if found is not None and found.revoked_at is not None:
            raise BadRequest("bad_admin_key", f"The key {found.key_id} was revoked; give another one.")
        if found is not None:
            return found.tenant_id, secret
        tenant = self._tenants.first() or self._new_tenant()
        self._tenants.put_key(
            ApiKey(
                key_hash=token_hash(secret),
                key_id=KeyId(f"key_{self._clock.token(8)}"),
                tenant_id=tenant.tenant_id,
                name="admin",
                created_at=self._clock.now(),
            )
        )
        return tenant.tenant_id, secret

    def key_principal(self, secret: str | None, may: Right) -> KeyPrincipal:
        """Who holds an API key that may do this.

        Raises:
            Unauthorized: ``unauthorized``: no secret, an unknown or a revoked one.
            Forbidden: ``wrong_principal``: a secret of another kind; ``role_not_allowed``, ``scope_missing``.
        """
        principal = self.principal(secret)
        if not isinstance(principal, KeyPrincipal):
            raise Forbidden("wrong_principal", "This needs an API key (moor_…), not a runtime's token.")
        principal.must(may)
        return principal

    def runtime_principal(self, secret: str | None) -> RuntimePrincipal:
        """Which runtime a token stands for. Raises as ``key_principal`` does."""
        principal = self.principal(secret)
        if not isinstance(principal, RuntimePrincipal):
            raise Forbidden("wrong_principal", "This needs a runtime's token (sk_machine_…), not an API key.")
        return principal

    def principal(self, secret: str | None) -> KeyPrincipal | RuntimePrincipal:
        """Whoever a secret stands for. Raises Unauthorized: no secret, an unknown or a revoked one."""
        if secret:
            hashed = token_hash(secret)
            match kind_of(secret):
                case "api_key":
                    key = self._tenants.key(hashed)
                    if key and key.revoked_at is None and hmac.compare_digest(key.key_hash, hashed):
                        return KeyPrincipal(key.tenant_id, key.key_id)
                case "runtime_token":
                    token = self._runtimes.token(hashed)
                    if token and token.revoked_at is None and hmac.compare_digest(token.token_hash, hashed):
                        return RuntimePrincipal(token.tenant_id, token.runtime_id, hashed)
                case _:
                    pass
        raise Unauthorized(
            "unauthorized",
            "Send a valid key as 'Authorization: Bearer …' or 'x-api-key'; this one is missing or unknown.",
        )

    def _new_tenant(self) -> Tenant:
        tenant = Tenant(
            tenant_id=TenantId(f"ten_{self._clock.token(12)}"), name="first tenant", created_at=self._clock.now()
        )
        self._tenants.put(tenant)
        return tenant
