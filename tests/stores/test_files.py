"""Files: their rows, newest first, and no more bytes than the tenant may have."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import File
from chalicelib.core.errors import BadRequest
from chalicelib.core.files import AWAITED_S, inline_id, weight
from chalicelib.stores import Tables
from chalicelib.wire.ids import FileId, SessionId, TenantId
from tests.stores.conftest import at_once

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
ROOM = 1_000_000
NOW = 150.0
FILE = File(
    tenant_id=TENANT,
    file_id=FileId("file_0000000001a"),
    filename="näme.png",
    mime_type="image/png",
    size_bytes=70,
    created_at=100.5,
    sha256="ab" * 32,
)


def test_a_file_comes_back_as_it_was_written(stores: Stores) -> None:
    """Catches a field that is not kept."""
    whole = replace(FILE, expires_at=200.5, session_id=SessionId("sesn_1"))
    assert stores.files.put(whole, ROOM)
    assert stores.files.get(TENANT, FILE.file_id) == whole


def test_a_foreign_or_unknown_file_is_absent(stores: Stores) -> None:
    """Catches a key without its tenant."""
    stores.files.put(FILE, ROOM)
    assert stores.files.get(OTHER, FILE.file_id) is None
    assert stores.files.get(TENANT, FileId("file_2")) is None
    assert stores.files.list(OTHER, None, 10, NOW) == ([], None)
    stores.files.delete(replace(FILE, tenant_id=OTHER))
    assert stores.files.get(TENANT, FILE.file_id) == FILE


def test_a_file_that_is_there_stays_as_it_is_and_counts_once(stores: Stores) -> None:
    """Catches a repeated message whose image is counted, or dated, anew."""
    room = weight(FILE) * 2
    assert stores.files.put(FILE, room)
    assert stores.files.put(replace(FILE, created_at=300.0), room)
    assert stores.files.get(TENANT, FILE.file_id) == FILE
    assert stores.files.put(replace(FILE, file_id=FileId("file_0000000002a")), room)


def test_what_would_be_too_much_is_not_written_until_something_is_deleted(stores: Stores) -> None:
    """Catches a limit that is off by one, that forgets a deleted file's bytes, or gives them back twice."""
    second, third = (replace(FILE, file_id=FileId(f"file_000000000{n}a")) for n in (2, 3))
    room = weight(FILE) * 2
    assert not stores.files.put(FILE, weight(FILE) - 1)
    assert stores.files.get(TENANT, FILE.file_id) is None
    assert [stores.files.put(one, room) for one in (FILE, second, third)] == [True, True, False]
    assert stores.files.put(replace(FILE, tenant_id=OTHER), room)
    stores.files.delete(FILE)
    stores.files.delete(FILE)
    assert stores.files.put(third, room)
    assert not stores.files.put(FILE, room)


def test_of_8_files_at_once_as_many_are_written_as_there_is_room_for(tables: Tables) -> None:
    """Catches a count that is read before it is written."""
    room = weight(FILE) * 3
    done = at_once(8, lambda i: tables.files.put(replace(FILE, file_id=FileId(f"file_000000000{i}b")), room))
    assert sorted(map(str, done)) == ["False"] * 5 + ["True"] * 3
    assert len(tables.files.list(TENANT, None, 10, NOW)[0]) == 3


def test_a_list_pages_newest_first_and_can_be_of_one_session(stores: Stores) -> None:
    """Catches a place of another list that lets other files in, and a session's files that are not found."""
    loose = [replace(FILE, file_id=FileId(f"file_00000000{n:02}c")) for n in range(5)]
    sessions = [SessionId(f"sesn_00000000{n:02}d") for n in (1, 2)]
    scoped = [
        replace(FILE, file_id=inline_id(one, "image/png", f"{k}"), session_id=one) for one in sessions for k in "xyz"
    ]
    for file in (*loose, *scoped):
        stores.files.put(file, ROOM)
    newest = sorted((one.file_id for one in (*loose, *scoped)), reverse=True)
    page, place = stores.files.list(TENANT, None, 4, NOW)
    rest, end = stores.files.list(TENANT, place, 20, NOW)
    assert [one.file_id for one in (*page, *rest)] == newest
    assert (len(page), end) == (4, None)
    for session_id in sessions:
        own = sorted((one.file_id for one in scoped if one.session_id == session_id), reverse=True)
        first, place = stores.files.list(TENANT, None, 2, NOW, session_id)
        assert [one.file_id for one in (*first, *stores.files.list(TENANT, place, 2, NOW, session_id)[0])] == own
        for foreign in (newest[0], newest[-1], "zzz", "a"):
            found, _ = stores.files.list(TENANT, foreign, 10, NOW, session_id)
            assert {one.session_id for one in found} <= {session_id}
    with pytest.raises(BadRequest, match="^bad_page: "):
        stores.files.list(TENANT, "file#1", 10, NOW)


def test_a_file_is_finished_once_its_bytes_are_there_unless_it_was_deleted(stores: Stores) -> None:
    """Catches a file that comes back by being finished."""
    awaited = replace(FILE, sha256="")
    stores.files.put(awaited, ROOM)
    assert not awaited.is_ready
    assert stores.files.finish(FILE)
    assert stores.files.get(TENANT, FILE.file_id) == FILE
    stores.files.delete(FILE)
    assert not stores.files.finish(FILE)
    assert stores.files.get(TENANT, FILE.file_id) is None


def test_files_that_are_gone_are_not_listed_and_can_be_found_to_be_removed(stores: Stores) -> None:
    """Catches a page that ends a list early because what it held has expired, and bytes that nobody removes."""
    expired = [replace(FILE, file_id=FileId(f"file_00000000{n:02}e"), expires_at=NOW) for n in range(3, 9)]
    given_up = replace(FILE, file_id=FileId("file_0000000009e"), sha256="", created_at=NOW - AWAITED_S)
    awaited = replace(given_up, file_id=FileId("file_0000000010e"), created_at=NOW - AWAITED_S + 1)
    for file in (FILE, *expired, given_up, awaited):
        stores.files.put(file, ROOM)
    assert stores.files.list(TENANT, None, 2, NOW) == ([awaited, FILE], None)
    assert list(stores.files.gone(TENANT, NOW, 3)) == expired[:3]
    assert list(stores.files.gone(TENANT, NOW, 100)) == [*expired, given_up]
    assert list(stores.files.gone(OTHER, NOW, 100)) == []
