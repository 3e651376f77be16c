"""Old rows are read by their stores as they were, and a plane of today goes on over a whole old set of tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.core.object_key import ObjectKey
from chalicelib.core.record import open_session
from chalicelib.stores import Tables
from chalicelib.wire import frames
from chalicelib.wire.codec import decode_viewer_down, encode
from chalicelib.wire.ids import ConnectionId, SessionId
from mooring.edge.creds import Paths, read_credentials, read_login
from tests.knocking import Laptop, Person, answer
from tests.schedules.moto_world import tables_on_moto

from . import rows
from .frozen import HERE, as_then, found, lines, versions
from .grammar import Item, kinds
from .history import MADE_UNDER, made_under_a_key, message
from .records import Later, goes_on, logs
from .world import MotoWorld

KINDS = found("rows/*/*.jsonl")
LOGS = {folder: logs(folder) for folder in versions()}
SESSIONS = [(folder, key) for folder, kept in LOGS.items() for key in kept if key.kind == "session"]


SINCE_V2 = versions()[1:]
LISTS = {
    "records/agent": "/v1/agents?include_archived=true",
    "records/environment": "/v1/environments?include_archived=true",
    "records/file": "/v1/files",
    "records/key": "/v1/api_keys?include_archived=true",
    "records/user": "/v1/users?include_archived=true",
}
"""Where each of these kinds is listed."""

ENOUGH_TOKENS = 1_000_000
"""Chance counts here; from this number on it gives no name that it gave in any history."""


def name(value: object) -> str:
    return value.name if isinstance(value, Path) else str(value)


def items(folder: Path) -> list[tuple[str, Item]]:
    """All rows of a version, with their kinds."""
    paths = sorted(folder.glob("rows/*/*.jsonl"))
    return [(f"{path.parent.name}/{path.stem}", rows.as_item(line)) for path in paths for line in lines(path)]


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    with tables_on_moto() as made:
        yield made


@pytest.fixture(params=versions(), ids=name)
def folder(request: pytest.FixtureRequest) -> Path:
    """A version."""
    found: Path = request.param
    return found


@pytest.fixture
def world(tables: Tables, folder: Path) -> Iterator[MotoWorld]:
    """A plane of today over the version's tables as they were left."""
    rows.put_raw(tables, [(kind, item) for kind, item in items(folder) if not kind.startswith("objects/")])
    made = MotoWorld(tables)
    made.clock.n_tokens = ENOUGH_TOKENS
    for key, bodies in LOGS[folder].items():
        for n, body in enumerate(bodies, 1):
            record = rows.OPEN[key.kind](body)
            made.clock.time = max(made.clock.time, record.at + 1)
            tables.objects.append(key, n, body, record.cause)
    yield made
    wiring.reset()


@pytest.fixture
def owner(world: MotoWorld, folder: Path) -> Person:
    return Person(world, read_login(Paths(folder / "daemon"), {}).api_key)


@pytest.fixture
def laptop(world: MotoWorld, folder: Path) -> Laptop:
    kept = read_credentials(Paths(folder / "daemon"))
    return Laptop(world, kept.runtime_id, kept.token)


def test_every_kind_of_row_has_its_reader() -> None:
    """Catches a kind that is frozen and never read again."""
    assert set(rows.READERS) == set(kinds())


@pytest.mark.parametrize("path", KINDS)
def test_an_old_row_is_read_as_it_was(tables: Tables, path: str) -> None:
    """Catches another key, another attribute, another form of the body, and a default that was changed."""
    kind = "/".join(Path(path).with_suffix("").parts[-2:])
    rows.put_raw(tables, items(HERE / Path(path).parts[0]))
    for line in lines(HERE / path):
        read_now = rows.read(tables, kind, rows.as_item(line))
        assert as_then(read_now, line["read"]) == line["read"]


@pytest.mark.parametrize(("folder", "key"), SESSIONS, ids=name)
def test_an_old_session_goes_on_over_its_old_tables(world: MotoWorld, key: ObjectKey) -> None:
    """Catches what no single row shows: a work item, an attachment or a body that the rest no longer fits."""
    goes_on(Later(world.stores, key))


def test_an_old_key_lists_what_was_there(owner: Person, folder: Path) -> None:
    """Catches another hash of keys, or another sort key: everything would be there, and nobody would find it."""
    kept = LOGS[folder]
    canaries = {json.loads(item["body"]["S"])["session_id"] for kind, item in items(folder) if kind == "records/canary"}
    there = {
        key.object_id
        for key in kept
        if key.kind == "session"
        and open_session(kept[key][-1]).state.status == "open"
        and key.object_id not in canaries  # Lists show them only to who asks for them.
    }
    assert {one["id"] for one in owner.get("/v1/sessions?include_archived=true")["data"]} == there
    for kind, path in LISTS.items():
        listed = {one["id"] for one in owner.get(path)["data"]}
        assert {item["sk"]["S"].partition("#")[2] for of, item in items(folder) if of == kind} <= listed
    n_runtimes = sum(kind == "records/runtime" for kind, _ in items(folder))
    assert len(owner.get("/v1/runtimes")["runtimes"]) == n_runtimes


def test_an_old_event_that_was_put_aside_is_listed_whole(owner: Person, watched: SessionId) -> None:
    """Catches a body that is looked for elsewhere: in parts, and in one piece."""
    events = owner.get(f"/v1/sessions/{watched}/events")["data"]
    said = [event["content"][0]["text"] for event in events if event["type"] == "agent.message"]
    assert said == ["A long story.\n" * 1_250, "One half.\n" * 850, "The other.\n" * 780]


def test_a_request_sent_again_after_the_upgrade_is_known(owner: Person, watched: SessionId) -> None:
    """Catches another hash of requests: a client that heard no answer would be told that it sent something else."""
    [asked] = [event for event in owner.get(f"/v1/sessions/{watched}/events")["data"] if event["processed_at"] is None]
    path, body = f"/v1/sessions/{watched}/events", {"events": [message("And then?")]}
    again = answer(owner.ask("POST", path, body, idempotency_key="second-key"))
    assert again["data"] == [asked]


@pytest.mark.parametrize("folder", SINCE_V2, ids=name)
def test_a_session_asked_for_again_after_the_upgrade_is_not_made_again(owner: Person) -> None:
    """Catches another name for what a request has made: its repeat would make a second session."""
    [made] = [one for one in owner.get("/v1/sessions")["data"] if one["title"] == "Made under a key"]
    again = owner.ask("POST", "/v1/sessions", made_under_a_key(made["agent"]["id"]), idempotency_key=MADE_UNDER)
    assert answer(again)["id"] == made["id"]


@pytest.mark.parametrize("folder", SINCE_V2, ids=name)
def test_an_old_team_keeps_its_last_owner(owner: Person) -> None:
    """Catches owners that are counted elsewhere: nobody could be left who governs the team."""
    owners = [one["id"] for one in owner.get("/v1/users")["data"] if one["role"] == "owner"]
    mine = owner.get("/v1/me")["user"]["id"]
    for one in owners:
        if one != mine:
            owner.post(f"/v1/users/{one}", {"role": "member"})
    refused = owner.ask("POST", f"/v1/users/{mine}", {"role": "member"})
    assert (len(owners), refused.json_body["error"]["code"]) == (2, "last_owner")


def test_a_viewer_that_attaches_after_the_upgrade_reads_what_was_being_written(
    world: MotoWorld, owner: Person, watched: SessionId
) -> None:
    """Catches live pieces that a late viewer no longer finds."""
    world.ws("$connect", "view-2=", headers={"Authorization": f"Bearer {owner.secret}"})
    world.ws("$default", "view-2=", body=encode(frames.Attach(session_id=watched)).decode())
    told = [decode_viewer_down(one) for one in world.sockets.posted[ConnectionId("view-2=")]]
    assert [one.text for one in told if isinstance(one, frames.DeltaFrame)] == ["It is ", "the test that"]


def test_an_old_token_fetches_its_bundle_and_connects(laptop: Laptop, folder: Path, watched: SessionId) -> None:
    """Catches a runtime's token, or its room, that the plane of today no longer knows."""
    served: Any = json.loads((folder / "bundle" / "served.json").read_bytes())
    bundle = answer(laptop.ask("GET", f"/agents/runtime/sessions/{watched}/bundle?agent_id=echo"))
    assert as_then(bundle, served) == served
    laptop.connection_id = "conn-after="
    assert [frame["type"] for frame in laptop.connect()][:1] == ["welcome"]


@pytest.fixture
def watched(folder: Path) -> SessionId:
    """The session that was left in the middle of a turn, with a viewer."""
    [line, *_] = lines(folder / "rows" / "attachments" / "reader.jsonl")
    return SessionId(line["read"]["session_id"])
