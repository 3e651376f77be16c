"""Attachments: who follows a session now."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Attachment
from chalicelib.wire.ids import ConnectionId, ReaderId, SessionId

NOW = 1_800_000_000.25
SESSION, CONNECTION = SessionId("sesn_1"), ConnectionId("Zk3=")
VIEWER = Attachment(
    session_id=SESSION,
    reader_id=ReaderId("Zk3="),
    connection_id=CONNECTION,
    expires_at=NOW + 1,
    deltas=False,
    include=("mooring",),
)
POLLING = Attachment(session_id=SESSION, reader_id=ReaderId("sse_1"), expires_at=NOW + 1)


def test_everybody_attached_to_a_session_is_found(stores: Stores) -> None:
    stores.attachments.put(VIEWER)
    stores.attachments.put(POLLING)
    stores.attachments.put(replace(VIEWER, session_id=SessionId("sesn_2")))
    found = sorted(stores.attachments.of_session(SESSION, NOW), key=lambda one: one.reader_id)
    assert found == [VIEWER, POLLING]


def test_attaching_again_replaces_the_attachment(stores: Stores) -> None:
    stores.attachments.put(VIEWER)
    stores.attachments.put(replace(VIEWER, deltas=True))
    assert list(stores.attachments.of_session(SESSION, NOW)) == [replace(VIEWER, deltas=True)]


def test_an_expired_attachment_is_not_found_though_nobody_deleted_it(stores: Stores) -> None:
    stores.attachments.put(replace(VIEWER, expires_at=NOW))
    stores.attachments.put(replace(POLLING, expires_at=NOW + 0.25))
    assert [one.reader_id for one in stores.attachments.of_session(SESSION, NOW)] == ["sse_1"]
    assert list(stores.attachments.of_session(SESSION, NOW + 0.25)) == []


def test_a_removed_attachment_is_gone(stores: Stores) -> None:
    stores.attachments.put(VIEWER)
    stores.attachments.put(POLLING)
    for _ in range(2):
        stores.attachments.remove(SESSION, VIEWER.reader_id)
    assert list(stores.attachments.of_session(SESSION, NOW)) == [POLLING]
    assert list(stores.attachments.of_connection(CONNECTION)) == []


def test_a_connections_attachments_are_found_expired_ones_too(stores: Stores) -> None:
    stores.attachments.put(VIEWER)
    stores.attachments.put(replace(VIEWER, session_id=SessionId("sesn_2"), expires_at=1.0))
    stores.attachments.put(POLLING)
    stores.attachments.put(replace(VIEWER, reader_id=ReaderId("other"), connection_id=ConnectionId("other")))
    found = {(one.session_id, one.reader_id) for one in stores.attachments.of_connection(CONNECTION)}
    assert found == {(SESSION, "Zk3="), ("sesn_2", "Zk3=")}
