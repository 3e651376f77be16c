"""Users: a tenant's people. Its row names its owners and counts its people, and changes together with theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from ..core.catalog import User, UserWrite
from ..wire.ids import TenantId, UserId
from .listing import newest_first_of
from .table import Records, together

_REFUSED: Final = "ConditionalCheckFailed"
_Actions = list[Action]
_size: Any = size  # PynamoDB does not type it.


class Users:
    """A tenant's people."""

    def __init__(self, records: type[Records]) -> None:
        self._records = records

    def put(self, user: User, was: User | None, max_users: int) -> UserWrite:
        """Writes a new person, or the next version of one that was read as ``was``.

        The tenant's row is changed by the same transaction, which is what keeps its last owner: two owners who remove
        each other at the same moment ask for the same row.

        Args:
            user: the person.
            was: what it was; None for a new one.
            max_users: how many people the tenant may have, where this is one more.
        """
        item = self._records(
            user.tenant_id, _sk(user.user_id), body=msgspec.json.encode(user).decode(), version=user.version
        )
        is_newest = self._records.body.does_not_exist() if was is None else self._records.version == was.version
        actions, condition = self._in_tenant(user, was, max_users)

        def both(transaction: TransactWrite) -> None:
            transaction.save(item, is_newest)
            if actions:
                transaction.update(self._records(user.tenant_id, "tenant"), actions, condition)

        why = together(self._records, both)
        if why is None:
            return "done"
        if why[0] is None and why[-1] == _REFUSED:
            return "full" if was is None else "last_owner"
        # Another version was written meanwhile, or two transactions met, which DynamoDB lets one of them survive.
        return "stale"

    def get(self, tenant_id: TenantId, user_id: UserId) -> User | None:
        """The person, or None."""
        try:
            return _user(self._records.get(tenant_id, _sk(user_id), consistent_read=True))
        except self._records.DoesNotExist:
            return None

    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, is_shown: Callable[[User], bool]
    ) -> tuple[Sequence[User], str | None]:
        """Newest first: a page of those shown, and the place to go on from or None. ``after`` is such a place.

        Raises:
            BadRequest: ``bad_page``: ``after`` is no such place.
        """

        def keep(row: Records) -> User | None:
            user = _user(row)
            return user if is_shown(user) else None

        return newest_first_of(self._records, tenant_id, "user", after, limit, keep)

    def _in_tenant(self, user: User, was: User | None, max_users: int) -> tuple[_Actions, Condition]:
        """What changes in the tenant's row, and on what condition."""
        records = self._records
        actions: _Actions = []
        # An update would otherwise make a tenant of nothing.
        condition: Condition = records.body.exists()
        if was is None:
            # A tenant from before there were people has no number of them.
            has_room = records.n_users < max_users
            condition &= has_room | records.n_users.does_not_exist() if max_users > 0 else has_room
            actions.append(records.n_users.add(1))
        elif user.removed_at is not None and was.removed_at is None:
            actions.append(records.n_users.add(-1))
        was_owner = was is not None and was.is_owner
        if user.is_owner and not was_owner:
            actions.append(records.owners.add({user.user_id}))
        elif was_owner and not user.is_owner:
            # Somebody must be left who can make owners.
            condition &= _size(records.owners) > 1
            actions.append(records.owners.delete({user.user_id}))
        return actions, condition


def _user(row: Records) -> User:
    return msgspec.json.decode(row.body or "", type=User)


def _sk(user_id: str) -> str:
    return f"user#{user_id}"
