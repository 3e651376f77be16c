"""Object keys: a session's carries its tenant, a room's does not."""

from __future__ import annotations

from chalicelib.core.object_key import room_key, session_key
from chalicelib.wire.ids import RuntimeId, SessionId, TenantId


def test_a_session_of_another_tenant_is_another_object() -> None:
    mine = session_key(TenantId("ten_1"), SessionId("sesn_1"))
    assert mine != session_key(TenantId("ten_2"), SessionId("sesn_1"))
    assert str(mine) == "session:ten_1/sesn_1"


def test_a_room_is_found_by_its_runtime_alone() -> None:
    assert str(room_key(RuntimeId("rt_1"))) == "room:rt_1"
