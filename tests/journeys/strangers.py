"""Makes who should not be let in: `python -m tests.journeys.strangers RUNTIME_ID TENANT_ID STATE`.

It writes to the tables of the plane that its environment names: a second tenant with a key, and of the first one a key
and a runtime's token that were revoked, and a connect code whose time is over. Prints their secrets as one JSON object.
"""

from __future__ import annotations

import json
import secrets
import sys
import time

from chalicelib.core.access import token_hash
from chalicelib.core.catalog import ApiKey, ConnectCode, RuntimeToken, Tenant
from chalicelib.stores import open_tables
from chalicelib.wire.ids import KeyId, RuntimeId, TenantId
from infra.tables import region, table_prefix


def main(runtime: str, tenant: str, state: str) -> None:
    """Makes them."""
    tables, now, first = open_tables(table_prefix(), region=region()), time.time(), TenantId(tenant)
    second = TenantId(f"ten_{secrets.token_hex(12)}")
    made = {
        "foreign_key": f"moor_{secrets.token_hex(24)}",
        "revoked_key": f"moor_{secrets.token_hex(24)}",
        "revoked_token": f"sk_machine_{secrets.token_hex(30)}",
        "expired_code": secrets.token_hex(16),
    }
    hashes = {name: token_hash(secret) for name, secret in made.items()}
    tables.tenants.put(Tenant(tenant_id=second, name="another team", created_at=now))
    for tenant_id, name, revoked_at in ((second, "foreign_key", None), (first, "revoked_key", now)):
        tables.tenants.put_key(
            ApiKey(
                key_hash=hashes[name],
                key_id=KeyId(f"key_{secrets.token_hex(8)}"),
                tenant_id=tenant_id,
                name=name,
                created_at=now,
                revoked_at=revoked_at,
            )
        )
    tables.runtimes.put_token(
        RuntimeToken(
            token_hash=hashes["revoked_token"],
            tenant_id=first,
            runtime_id=RuntimeId(runtime),
            created_at=now,
            revoked_at=now,
        )
    )
    tables.runtimes.put_code(
        ConnectCode(
            code_hash=hashes["expired_code"],
            tenant_id=first,
            key_id=KeyId("key_of_nobody"),
            state_hash=token_hash(state),
            expires_at=now - 1.0,
        )
    )
    print(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
