"""A second daemon with the same token: it is served at once, and the first one neither disturbs it nor fights back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import websocket

from .ground import Ground, House, Laptop, Session
from .remembered import Tables
from .service import FINAL, Service
from .waiting import PATIENCE_S, eventually
from .watching import Event, Wire, of_type

pytestmark = pytest.mark.xdist_group("journeys of takeovers and rotations")

EXIT_TAKEN_OVER = 4
OUTBOX = "obx_of_the_first"
SERVED_WITHIN_S = 1.0
RESTARTS = 3


@pytest.fixture(scope="module")
def house(ground: Ground) -> Iterator[House]:
    made = House(ground, "takeovers")
    yield made
    made.stop()


@pytest.fixture
def tables(house: House) -> Iterator[Tables]:
    made = Tables(str(house.plane.ready["aws_endpoint_url"]))
    yield made
    made.close()


@pytest.fixture
def services(house: House) -> Iterator[ExitStack]:
    """Stops every service that a journey starts."""
    with ExitStack() as started:
        yield started


def keep(services: ExitStack, home: Path, house: House, final: frozenset[int] = frozenset()) -> Service:
    made = Service(home, house.ground.env, final)
    services.callback(made.stop)
    return made


def copy_home(home: Path, copy: Path) -> None:
    """Copies a laptop's home as it is, but for the numbers of its processes: on another machine they name nobody."""
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("children"))


def changes(tables: Tables, runtime_id: str) -> list[str]:
    return [what for what, _ in tables.comings_and_goings(runtime_id)]


def rows_of(tables: Tables) -> dict[str, list[str]]:
    """What the plane remembers, but for who follows: a reader renews its row."""
    return {name: rows for name, rows in tables.rows().items() if name != "attachments"}


def until(session: Session, message_id: str, status: str) -> float:
    """Waits for a message's receipt. Returns the plane's time of it (epoch seconds)."""
    wanted = of_type("mooring.receipt", status=status)
    told = session.reader.until(lambda e: wanted(e) and message_id in e["event_ids"], f"{status}, of {message_id}")
    return datetime.fromisoformat(told["processed_at"]).timestamp()


@pytest.mark.parametrize("copied", ["credentials", "whole home"])
def test_a_second_daemon_is_served_within_a_second_and_the_first_ends_for_good(
    house: House, tables: Tables, services: ExitStack, copied: str
) -> None:
    """Catches a second daemon that waits for a lease or a ping, and a service that would start the first one again."""
    laptop = house.laptop(f"first, {copied} copied")
    copy = laptop.home.with_name(f"second, {copied} copied")
    first = keep(services, laptop.home, house, FINAL)
    eventually("the first is online", lambda: laptop.status == "online")
    with laptop.session() as session:
        cut = session.say("/hold")
        session.until_speaking("holding")
        waits = session.say("Who is it?")
        if copied == "whole home":
            copy_home(laptop.home, copy)
        else:
            copy.mkdir()
            shutil.copy2(laptop.home / "credentials.json", copy)
        second = keep(services, copy, house, FINAL)

        served_at = until(session, waits, "sent")
        (_, (_, attached_at)) = tables.comings_and_goings(laptop.runtime_id)
        if copied == "credentials":  # A whole home has a turn to report first.
            assert served_at - attached_at < SERVED_WITHIN_S
        first.until_over()
        assert first.statuses == [EXIT_TAKEN_OVER]

        session.reader.until_settled(cut, "unknown")
        session.reader.until_settled(waits)
        assert session.said() == ["You said: Who is it?"]
        assert (copy / "sessions" / session.id).is_dir()
        assert second.statuses == []
        assert changes(tables, laptop.runtime_id) == ["attached", "attached"]


class Deaf:
    """A daemon's socket that hears only what it is asked for, so that it speaks on after it was told to close."""

    def __init__(self, house: House, laptop: Laptop) -> None:
        header = [f"Authorization: Bearer {laptop.token}"]
        self._socket = websocket.create_connection(house.ws_url, header=header, timeout=PATIENCE_S)

    def say(self, kind: str, **fields: Any) -> None:
        self._socket.send(json.dumps({"type": kind, **fields}))

    def until(self, kind: str) -> Event:
        while (heard := json.loads(self._socket.recv()))["type"] != kind:
            pass
        return dict(heard)

    def close(self) -> None:
        self._socket.shutdown()  # type: ignore[no-untyped-call]  # The library types only some of its methods.


def text(said: str, turn_id: str) -> Event:
    content = [{"type": "text", "text": said}]
    return {"type": "agent.message", "id": f"sevt_{said}_{turn_id}", "turn_id": turn_id, "content": content}


def say_all(wire: Deaf | Wire, runtime_id: str, session_id: str, turn_id: str) -> list[str]:
    """Says of a turn everything that a daemon says of one. Returns the types."""
    ended = {"type": "mooring.turn_ended", "id": f"sevt_end_{turn_id}", "turn_id": turn_id, "outcome": "completed"}
    events = [text("late", turn_id), ended]
    open_turn = {"session_id": session_id, "turn_id": turn_id, "order": 1}
    piece = {"event_id": events[0]["id"], "event_type": "agent.message", "counter": 1, "offset": 0, "text": "late"}
    frames: dict[str, dict[str, Any]] = {
        "session.accepted": {"session_id": session_id, "turn_id": turn_id},
        "session.delta": {"session_id": session_id, "turn_id": turn_id, **piece},
        "session.event": {"session_id": session_id, "outbox": OUTBOX, "batch": 2, "events": events},
        "session.disposed": {"session_id": session_id},
        "ping": {"active": [turn_id], "turns": [open_turn]},
    }
    for kind, fields in frames.items():
        wire.say(kind, runtime_id=runtime_id, **fields)
    return list(frames)


def begin_a_turn(first: Deaf, laptop: Laptop, session: Session) -> str:
    """Attaches as the laptop's daemon and takes a turn on, but does not end it. Returns the turn."""
    here = {"runtime_id": laptop.runtime_id, "session_id": session.id}
    turn_id = str(first.until("session.prompt")["turn_id"])
    first.say("session.accepted", turn_id=turn_id, **here)
    first.say("session.event", outbox=OUTBOX, batch=1, events=[text("half", turn_id)], **here)
    first.until("session.ack")
    return turn_id


def test_what_the_first_still_says_is_refused_and_changes_nothing_nor_does_its_close(
    house: House, tables: Tables
) -> None:
    """Catches a frame believed because its sender was the runtime's own once, and a close that marks it offline."""
    laptop = house.laptop("spoken for by the test")
    first, spare = Deaf(house, laptop), Wire(house.ws_url, laptop.token)
    with closing(first), closing(spare), laptop.session() as session:
        first.say("hello", runtime_id=laptop.runtime_id, instance="first", seq=1, outbox=OUTBOX)
        first.until("welcome")
        cut = session.say("Cut.")
        old = begin_a_turn(first, laptop, session)
        laptop.start()
        second = first.until("replaced")["instance"]
        assert second != "first"
        with suppress(OSError):  # The gateway may have hung up by now.
            say_all(first, laptop.runtime_id, session.id, old)
        session.reader.until_settled(cut, "unknown")
        held = session.say("/hold")
        until(session, held, "on_machine")
        session.until_speaking("holding")
        new = session.reader.until(of_type("mooring.turn_started"), "the second turn", 2)["turn_id"]

        before = rows_of(tables)
        said = [kind for turn_id in (old, new) for kind in say_all(spare, laptop.runtime_id, session.id, turn_id)]
        spare.board.wait("an answer to each", lambda: len(spare.frames) >= len(said))
        assert spare.frames == [{"type": "replaced", "instance": second}] * len(said)
        assert rows_of(tables) == before

    eventually("only the second is connected", lambda: tables.connections(laptop.runtime_id) == 1)
    assert laptop.status == "online"
    with Session(house, session.id) as again:
        (laptop.folder(session.id) / "release").touch()
        again.reader.until_settled(held)
        assert again.ask("Still there?") == ["You said: Still there?"]
        assert again.said() == ["half", "holding", "You said: Still there?"]
    assert changes(tables, laptop.runtime_id) == ["attached", "attached"]


def test_two_services_that_restart_whatever_the_status_do_not_replace_each_other_for_ever(
    house: House, tables: Tables, services: ExitStack
) -> None:
    """Catches a copied home whose service fights for the runtime, and one that is locked out when the other is gone."""
    laptop = house.laptop("kept alive")
    copy = laptop.home.with_name("kept alive too")
    first = keep(services, laptop.home, house)
    eventually("the first is online", lambda: laptop.status == "online")
    copy_home(laptop.home, copy)
    second = keep(services, copy, house)
    first.board.wait("the first is restarted", lambda: len(first.statuses) >= RESTARTS)
    assert set(first.statuses) == {EXIT_TAKEN_OVER}
    with laptop.session() as session:
        assert session.ask("Who is it?") == ["You said: Who is it?"]
        assert (copy / "sessions" / session.id).is_dir()
    assert second.statuses == []
    assert changes(tables, laptop.runtime_id) == ["attached", "attached"]

    second.stop()
    eventually("the first is back", lambda: laptop.status == "online")
    assert not (laptop.home / "taken-over").exists()
    with laptop.session() as session:
        assert session.ask("Who is it now?") == ["You said: Who is it now?"]
        assert laptop.folder(session.id).is_dir()
    assert changes(tables, laptop.runtime_id) == ["attached", "attached", "detached", "attached"]
