"""Filing: bytes before rows, rows after bytes, and what happens to both when somebody else is faster."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.actors.filing import Filing
from chalicelib.core.errors import Busy, NotFound, TooMany
from chalicelib.core.tenant_limits import TenantLimits
from chalicelib.wire.ids import FileId, SessionId, TenantId
from tests.fake_files import FakeBlobs, FakeFiles
from tests.fakes import FakeClock, Phase, fake_stores

TENANT = TenantId("ten_1")
SESSION = SessionId("sesn_0a1b2c")


class Killed(BaseException):
    """The Lambda was stopped here."""


class Scene:
    """Filing over in-memory stores; `at` does something at one point of its I/O, once."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, Phase], Callable[[], None]] = {}
        self.clock = FakeClock()
        stores = fake_stores(self.clock, on_io=self._reached)
        assert isinstance(stores.files, FakeFiles)
        assert isinstance(stores.blobs, FakeBlobs)
        self.rows, self.blobs = stores.files, stores.blobs
        self.filing = Filing(stores)

    def _reached(self, name: str, phase: Phase) -> None:
        self.points.pop((name, phase), lambda: None)()

    def die_at(self, name: str, phase: Phase) -> None:
        """Kills whoever gets there."""

        def die() -> None:
            raise Killed

        self.points[name, phase] = die


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize(("point", "is_kept"), [("blobs.put", False), ("files.put", True)])
def test_whoever_dies_in_an_upload_leaves_no_row_without_bytes(scene: Scene, point: str, is_kept: bool) -> None:
    """Catches a file that is listed and can't be had."""
    scene.die_at(point, "after")
    with pytest.raises(Killed):
        scene.filing.upload(TENANT, "a", "text/plain", b"x", None)
    assert len(scene.rows.rows) == is_kept
    assert len(scene.blobs.objects) == 1


@pytest.mark.parametrize("point", ["blobs.delete", "files.delete"])
def test_whoever_dies_in_a_delete_leaves_no_bytes_without_a_row(scene: Scene, point: str) -> None:
    """Catches bytes that nobody can find to delete them; deleting once more ends what was begun."""
    file = scene.filing.upload(TENANT, "a", "text/plain", b"x", None)
    scene.die_at(point, "before")
    with pytest.raises(Killed):
        scene.filing.delete(TENANT, file.file_id)
    assert len(scene.rows.rows) == 1
    scene.filing.delete(TENANT, file.file_id)
    assert (scene.rows.rows, scene.blobs.objects) == ({}, {})


def test_a_file_deleted_while_its_bytes_are_checked_stays_deleted(scene: Scene) -> None:
    """Catches a file that comes back."""
    announced = scene.filing.announce(TENANT, "a", "text/plain", 1, None)
    scene.blobs.send(announced.url, b"x")
    file_id = announced.file.file_id
    scene.points["files.finish", "before"] = lambda: scene.filing.delete(TENANT, file_id)
    with pytest.raises(NotFound, match="^file_not_found: "):
        scene.filing.complete(TENANT, file_id)
    assert scene.rows.rows == {}


def test_a_file_deleted_while_it_is_fetched_is_not_found(scene: Scene) -> None:
    """Catches an empty file in the place of one that is gone."""
    file = scene.filing.upload(TENANT, "a", "text/plain", b"x", None)
    scene.points["blobs.read", "before"] = lambda: scene.filing.delete(TENANT, file.file_id)
    with pytest.raises(NotFound, match="^file_not_found: "):
        scene.filing.content(TENANT, file.file_id, takes_bytes=True)


def test_bytes_in_many_pieces_are_checked_as_one(scene: Scene) -> None:
    """Catches a check that looks at the last piece, or at pieces smaller than what tells a file's kind."""
    body = b"\x89PNG\r\n\x1a\n" + b"\0" * 5000
    announced = scene.filing.announce(TENANT, "a", "image/png", len(body), None)
    scene.blobs.send(announced.url, body)
    kept = scene.filing.upload(TENANT, "a", "image/png", body, None)
    assert scene.filing.complete(TENANT, announced.file.file_id).sha256 == kept.sha256


def test_what_comes_in_a_message_is_named_for_its_title_and_kept_once(scene: Scene) -> None:
    made = [scene.filing.bring(TENANT, SESSION, "text/plain", b"x", "../Notes") for _ in range(2)]
    assert made[0] == made[1]
    assert (made[0].filename, made[0].session_id) == ("Notes.txt", SESSION)
    assert scene.filing.bring(TENANT, SESSION, "image/png", b"x", None).filename == "unnamed.png"
    assert len(scene.rows.rows) == 2


def test_what_there_is_no_room_for_leaves_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.actors.filing.TenantLimits", lambda: TenantLimits(max_file_bytes=1))
    for bring in (
        lambda: scene.filing.upload(TENANT, "a", "text/plain", b"x", None),
        lambda: scene.filing.announce(TENANT, "a", "text/plain", 1, None),
    ):
        with pytest.raises(TooMany, match="^limit_reached: "):
            bring()
    assert (scene.rows.rows, scene.blobs.objects) == ({}, {})


def test_a_plane_without_a_bucket_announces_nothing(scene: Scene) -> None:
    """Catches rows of files that nobody can send."""

    def refuse() -> None:
        raise Busy("files_not_set_up", "No.")

    scene.points["blobs.upload_url", "before"] = refuse
    with pytest.raises(Busy):
        scene.filing.announce(TENANT, "a", "text/plain", 1, None)
    assert scene.rows.rows == {}


def test_a_file_that_is_gone_is_removed_by_whoever_meets_it(scene: Scene) -> None:
    file = scene.filing.upload(TENANT, "a", "text/plain", b"x", 3600)
    scene.clock.time += 3600
    assert scene.filing.list(TENANT, None, 10) == ([], None)
    assert scene.filing.list(TENANT, None, 10, ids=[file.file_id, FileId("file_none")]) == ([], None)
    assert (scene.rows.rows, scene.blobs.objects) == ({}, {})
