"""The logs: one writer wins a number, and what was written comes back as it was."""

from __future__ import annotations

import pytest

from chalicelib.actors.ports import Stores
from chalicelib.core.object_key import ObjectKey, PutRefused, Stored, room_key, session_key
from chalicelib.stores import Tables
from chalicelib.wire.ids import RuntimeId, SessionId, TenantId
from tests.stores.conftest import at_once

MINE = session_key(TenantId("ten_a"), SessionId("sesn_1"))
THEIRS = session_key(TenantId("ten_b"), SessionId("sesn_1"))


def fill(stores: Stores, n: int, size: int = 10, key: ObjectKey = MINE) -> list[Stored]:
    records = [Stored(i, f"{i}".encode().rjust(size, b"x")) for i in range(1, n + 1)]
    for one in records:
        stores.objects.append(key, one.n, one.body, None)
    return records


def test_keys_of_rooms_and_sessions_differ_and_name_the_tenant() -> None:
    assert str(MINE) == "session:ten_a/sesn_1"
    assert str(room_key(RuntimeId("rt_1"))) == "room:rt_1"
    assert MINE != THEIRS


def test_an_object_nobody_made_is_absent(stores: Stores) -> None:
    assert stores.objects.newest(MINE) is None
    assert stores.objects.get(MINE, 1) is None
    assert stores.objects.by_cause(MINE, "key") is None
    assert list(stores.objects.read(MINE, 0, 10)) == []
    assert list(stores.objects.read_back(MINE, 5, 10)) == []


def test_a_record_comes_back_byte_for_byte(stores: Stores) -> None:
    body = bytes(range(256))
    stores.objects.append(MINE, 1, body, None)
    assert stores.objects.get(MINE, 1) == Stored(1, body)


def test_the_newest_is_the_highest_number(stores: Stores) -> None:
    records = fill(stores, 12)
    assert stores.objects.newest(MINE) == records[-1]


def test_a_taken_number_is_refused_and_keeps_its_record(stores: Stores) -> None:
    stores.objects.append(MINE, 1, b"first", None)
    with pytest.raises(PutRefused):
        stores.objects.append(MINE, 1, b"second", "cause")
    assert stores.objects.get(MINE, 1) == Stored(1, b"first")
    assert stores.objects.by_cause(MINE, "cause") is None


def test_a_request_finds_the_record_that_it_made(stores: Stores) -> None:
    fill(stores, 2)
    stores.objects.append(MINE, 3, b"three", "key-3")
    stores.objects.append(MINE, 4, b"four", "key-4")
    assert stores.objects.by_cause(MINE, "key-3") == Stored(3, b"three")
    assert stores.objects.by_cause(MINE, "key") is None


@pytest.mark.parametrize("cause", ["", "k" * 5000, "schlüssel #1"])
def test_any_text_may_be_a_cause(stores: Stores, cause: str) -> None:
    stores.objects.append(MINE, 1, b"one", cause)
    assert stores.objects.by_cause(MINE, cause) == Stored(1, b"one")


def test_a_foreign_object_is_absent(stores: Stores) -> None:
    stores.objects.append(MINE, 1, b"one", "key")
    assert stores.objects.newest(THEIRS) is None
    assert stores.objects.get(THEIRS, 1) is None
    assert stores.objects.by_cause(THEIRS, "key") is None
    assert list(stores.objects.read(THEIRS, 0, 9)) == []
    assert list(stores.objects.read_back(THEIRS, 9, 9)) == []


def test_reading_goes_up_from_the_cursor_and_stops_at_the_limit(stores: Stores) -> None:
    records = fill(stores, 12)
    assert list(stores.objects.read(MINE, 0, 3)) == records[:3]
    assert list(stores.objects.read(MINE, 9, 3)) == records[9:12]
    assert list(stores.objects.read(MINE, 10, 3)) == records[10:]
    assert list(stores.objects.read(MINE, 12, 3)) == []


def test_reading_back_goes_down_and_stops_at_the_limit(stores: Stores) -> None:
    records = fill(stores, 12)
    assert list(stores.objects.read_back(MINE, 13, 3)) == records[:8:-1]
    assert list(stores.objects.read_back(MINE, 3, 3)) == [records[1], records[0]]
    assert list(stores.objects.read_back(MINE, 1, 3)) == []


def test_a_page_ends_at_1_mb_and_the_next_one_goes_on(stores: Stores) -> None:
    records = fill(stores, 5, size=300_000)
    page = list(stores.objects.read(MINE, 0, 100))
    assert page == records[:3]
    assert list(stores.objects.read(MINE, 3, 100)) == records[3:]
    assert list(stores.objects.read_back(MINE, 6, 100)) == records[:1:-1]


def test_of_16_writers_of_one_number_one_wins(tables: Tables) -> None:
    for n in range(1, 6):

        def put(i: int, n: int = n) -> None:
            tables.objects.append(MINE, n, f"{i}".encode(), None)

        answers = at_once(16, put)
        won = [i for i, answer in enumerate(answers) if answer is None]
        assert len(won) == 1
        assert all(isinstance(answer, PutRefused) for i, answer in enumerate(answers) if i not in won)
        assert tables.objects.get(MINE, n) == Stored(n, f"{won[0]}".encode())
