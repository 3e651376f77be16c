"""Tenant limits: how many are let in, and what is said to the next one."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from chalicelib.core.catalog import Tenant, limits_of
from chalicelib.core.errors import TooMany
from chalicelib.core.tenant_limits import LimitName, TenantLimits
from chalicelib.wire.ids import TenantId


def test_every_limit_can_be_named() -> None:
    assert get_args(LimitName) == TenantLimits.__struct_fields__


@pytest.mark.parametrize(("others", "has_room"), [(0, True), (2, True), (3, False), (4, False)])
def test_one_more_is_let_in_below_the_limit(others: int, has_room: bool) -> None:
    limits = TenantLimits(max_users=3)
    if has_room:
        limits.leave_room("max_users", others)
        return
    with pytest.raises(TooMany) as refused:
        limits.leave_room("max_users", others)
    assert (refused.value.code, refused.value.field, refused.value.status) == ("limit_reached", "max_users", 429)
    assert refused.value.retry_after_s
    assert "max_users" in refused.value.message


def test_only_what_differs_is_kept_so_that_better_defaults_reach_everybody() -> None:
    """Catches defaults that are frozen into every tenant's row at its first change."""
    assert msgspec.json.encode(TenantLimits(max_agents=7)) == b'{"max_agents":7}'
    assert msgspec.json.decode(b'{"max_agents":7}', type=TenantLimits) == TenantLimits(max_agents=7)


def test_a_tenant_without_a_row_has_the_usual_limits() -> None:
    limits = TenantLimits(max_sessions=1)
    assert limits_of(Tenant(tenant_id=TenantId("ten_1"), name="a", created_at=1.0, limits=limits)) == limits
    assert limits_of(None) == TenantLimits()
