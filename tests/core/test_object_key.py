"""Object keys: a session's and a request's carry their tenant, a room's does not."""

from __future__ import annotations

from chalicelib.core.object_key import request_key, room_key, session_key
from chalicelib.wire.ids import RuntimeId, SessionId, TenantId


def test_a_session_of_another_tenant_is_another_object() -> None:
    mine = session_key(TenantId("ten_1"), SessionId("sesn_1"))
    assert mine != session_key(TenantId("ten_2"), SessionId("sesn_1"))
    assert str(mine) == "session:ten_1/sesn_1"


def test_a_request_is_found_by_its_tenant_and_any_name_however_long() -> None:
    mine = request_key(TenantId("ten_1"), "key/" + "k" * 5000)
    assert mine == request_key(TenantId("ten_1"), "key/" + "k" * 5000)
    assert mine != request_key(TenantId("ten_2"), "key/" + "k" * 5000)
    assert len(str(mine)) < 100
    assert str(mine).startswith("request:ten_1/")


def test_a_room_is_found_by_its_runtime_alone() -> None:
    assert str(room_key(RuntimeId("rt_1"))) == "room:rt_1"
