"""Environments: those that a tenant made. Those that follow from its laptops are nowhere written."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pynamodb.expressions.update import Action

from ..core.catalog import Environment
from ..core.selection import Selection
from ..wire.ids import EnvironmentId, TenantId
from .listing import newest_first_of
from .table import Records, update


class Environments:
    """The environments that a tenant made."""

    def __init__(self, records: type[Records]) -> None:
        self._records = records

    def put(self, environment: Environment) -> bool:
        """Writes the first or the next version. Writing the same again is harmless.

        Returns:
            False when the one before it is no longer the newest, or the environment is gone.
        """
        records, body = self._records, msgspec.json.encode(environment).decode()
        # A new one. Ids have 64 bits of chance, so that no other one is in its way.
        is_new = records.body.does_not_exist()
        # Of two who read the same version one writes; and what was deleted meanwhile does not come back.
        is_next = records.version == environment.version - 1
        actions: list[Action] = [records.body.set(body), records.version.set(environment.version)]
        row = records(environment.tenant_id, _sk(environment.environment_id))
        done, standing = update(row, actions, is_new if environment.version == 1 else is_next)
        # Our own write, applied before its answer was lost and tried again, stands in the way of itself.
        return done or (standing is not None and standing.body == body)

    def get(self, tenant_id: TenantId, environment_id: EnvironmentId) -> Environment | None:
        """The environment, or None."""
        try:
            return _environment(self._records.get(tenant_id, _sk(environment_id), consistent_read=True))
        except self._records.DoesNotExist:
            return None

    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, wanted: Selection
    ) -> tuple[Sequence[Environment], str | None]:
        """Newest first: a page, and the place to go on from or None. ``after`` is such a place.

        Raises:
            BadRequest: ``bad_page``: ``after`` is no such place.
        """

        def keep(row: Records) -> Environment | None:
            one = _environment(row)
            return one if wanted.takes(one.created_at, one.archived_at) else None

        return newest_first_of(self._records, tenant_id, "environment", after, limit, keep)

    def delete(self, tenant_id: TenantId, environment_id: EnvironmentId) -> None:
        """Deletes it if it is there."""
        self._records(tenant_id, _sk(environment_id)).delete()


def _environment(row: Records) -> Environment:
    return msgspec.json.decode(row.body or "", type=Environment)


def _sk(environment_id: EnvironmentId) -> str:
    return f"environment#{environment_id}"
