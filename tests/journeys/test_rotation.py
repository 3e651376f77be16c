"""Connections that end of age: the daemon replaces its own in time, and what the gateway cuts is taken up again.

API Gateway closes a WebSocket after 10 minutes without a word and after 2 hours at any rate. Here it does after 3 and 5
seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from .ground import Ground, House, Laptop, Session, assert_completed
from .remembered import Tables
from .test_live import Whole, assert_pieces_begin, assert_pieces_fit, place
from .test_permission import answer, until_asked
from .waiting import eventually
from .watching import Viewer, of_type, text_of

pytestmark = pytest.mark.xdist_group("journeys of takeovers and rotations")

IDLE_S, CONNECTION_S = 3, 5
OFTEN_MINUTES = 0.02
"""A rotation about every second, so that several fall into a turn."""

RARELY_MINUTES = 4 / 60
"""Every connection lives longer than it may be silent, and not as long as it may live."""

SLOW = "/slow 2 30"
SLOW_ANSWER = "".join(f"piece {number} " for number in range(1, 31))
BUSY_CALLS = 40
BUSY = "\n".join(f'/tool probe {{"n": {number}}}\n/slow 0.05 1' for number in range(BUSY_CALLS))
"""Two seconds of whole events: whenever a connection ends, some of them are on their way."""

GOING_AWAY = 1001


@pytest.fixture(scope="module")
def hasty(ground: Ground) -> Iterator[House]:
    """A plane whose gateway has little patience."""
    limits = ("--idle-s", str(IDLE_S), "--max-connection-s", str(CONNECTION_S), "--ping-s", "1")
    made = House(ground, "hasty", *limits)
    yield made
    made.stop()


@pytest.fixture
def tables(hasty: House) -> Iterator[Tables]:
    made = Tables(str(hasty.plane.ready["aws_endpoint_url"]))
    yield made
    made.close()


def laptop_that_rotates(house: House, name: str, minutes: float) -> Laptop:
    made = house.laptop(name)
    (made.home / "config.toml").write_text(f"connection_minutes = {minutes}\n")
    return made.start()


def times(tables: Tables, laptop: Laptop, what: str) -> list[float]:
    """When the runtime was ``attached`` or ``detached`` (epoch seconds)."""
    return [at for kind, at in tables.comings_and_goings(laptop.runtime_id) if kind == what]


def span(session: Session, message_id: str) -> tuple[float, float]:
    """When a message's turn was begun, and when it was over (epoch seconds)."""
    receipts = (event for event in session.reader.events if message_id in event.get("event_ids", ()))
    at = {event["status"]: datetime.fromisoformat(event["processed_at"]).timestamp() for event in receipts}
    return at["sent"], at["completed"]


def test_a_conversation_goes_on_over_rotations_as_if_there_were_none(hasty: House, tables: Tables) -> None:
    """Catches what a change of connections loses, says twice, or has the plane take for an absence."""
    laptop = laptop_that_rotates(hasty, "rotating often", OFTEN_MINUTES)
    with laptop.session("always_ask") as session:
        sent = [session.say("Hello.")]
        for _ in range(2):
            session.reader.until_settled(sent[-1])
            sent.append(session.say(SLOW))
        sent += [session.say(text) for text in (SLOW, BUSY, BUSY, "/count", '/ask write {"path": "a"}')]
        for message_id in sent[:-1]:
            session.reader.until_settled(message_id)
        call = until_asked(session, 1)
        asked_before = len(times(tables, laptop, "attached"))
        eventually("two rotations", lambda: len(times(tables, laptop, "attached")) >= asked_before + 2)
        session.post(answer(call, "allow"))
        session.reader.until_settled(sent[-1])
        session.reader.board.wait("the end", lambda: session.reader.whole[-1][1]["type"] == "session.status_idle")

        busy = ["piece 1 "] * BUSY_CALLS * 2
        assert session.said() == ["You said: Hello.", *[SLOW_ANSWER] * 3, *busy, "This session has seen 7 prompts."]
        assert probes(session) == [*range(BUSY_CALLS)] * 2
        done = session.reader.until(of_type("agent.tool_result", tool_use_id=call["id"]), "the call's result")
        assert "write ran with" in text_of(done)
        assert_told_once_and_in_order(session, sent)

        assert times(tables, laptop, "detached") == []
        rotated = times(tables, laptop, "attached")[1:]
        long = [span(session, one) for one in sent[1:6]]
        assert all(any(began < at < ended for at in rotated) for began, ended in long), "rotations fell into every turn"
        for event in session.reader.events:
            if event["type"] == "agent.message" and text_of(event) == SLOW_ANSWER:
                assert_pieces_begin(event, session.reader)


def probes(session: Session) -> list[int]:
    """The numbers that the calls of busy turns had, each call with its result behind it."""
    calls = [event for event in session.reader.events if event.get("name") == "probe"]
    results = [event["tool_use_id"] for event in session.reader.events if event["type"] == "agent.tool_result"]
    assert [call["id"] for call in calls] == results[: len(calls)]
    return [call["input"]["n"] for call in calls]


def assert_told_once_and_in_order(session: Session, sent: list[str]) -> None:
    """The log holds every event once, and the live reader had it as it is."""
    whole = session.reader.whole
    assert [place(cursor) for cursor, _ in whole] == sorted({place(cursor) for cursor, _ in whole})
    listed = session.pages()
    assert len({event["id"] for event in listed}) == len(listed)
    assert [event["id"] for event in listed if event["type"] == "user.message"] == sent
    assert [event for _, event in whole if event["processed_at"] is not None] == listed
    for message_id in sent:
        assert_completed(session.receipts(message_id))
    assert [event for event in listed if event["type"] in ("session.error", "session.status_rescheduled")] == []


def test_a_daemon_with_nothing_to_say_is_cut_neither_for_silence_nor_for_age(hasty: House, tables: Tables) -> None:
    """Catches a daemon that pings too rarely, and one that replaces its connection too late."""
    laptop = laptop_that_rotates(hasty, "rotating rarely", RARELY_MINUTES)
    for _ in range(2):
        silent = hasty.wire()
        assert silent.until_closed() == GOING_AWAY, "a viewer that never pings is cut: the limit is enforced"
        silent.close()
    assert times(tables, laptop, "detached") == []
    attached = times(tables, laptop, "attached")
    lived = [after - before for before, after in zip(attached, attached[1:], strict=False)]
    assert lived
    assert all(IDLE_S < one < CONNECTION_S for one in lived)


def test_connections_cut_in_mid_turn_lose_nothing_for_the_daemon_nor_for_a_viewer(hasty: House, tables: Tables) -> None:
    """Catches an event that was on its way when the gateway cut, and a viewer that sees it twice or never."""
    laptop = hasty.laptop("never rotating").start()
    with laptop.session() as session:
        message_id = session.say("\n".join([BUSY, SLOW] * 3))
        viewers: list[Viewer] = []
        whole: Whole = []
        while not whole or whole[-1][1]["type"] != "session.status_idle":
            viewers.append(session.view(after=whole[-1][0] if whole else "0"))
            assert viewers[-1].wire.until_closed() == GOING_AWAY
            whole += viewers[-1].whole

        session.reader.until_settled(message_id)
        session.reader.board.wait("the end", lambda: session.reader.whole[-1][1]["type"] == "session.status_idle")
        assert probes(session) == [*range(BUSY_CALLS)] * 3
        assert_told_once_and_in_order(session, [message_id])
        assert whole == session.reader.whole
        began, ended = span(session, message_id)
        assert len([at for at in times(tables, laptop, "detached") if began < at < ended]) >= 2
        assert len(viewers) >= 3
        grew = [(event, v) for _, event in whole for v in viewers if event["id"] in v.pieces()]
        assert len({viewer.attached["head"] for _, viewer in grew}) >= 3
        for message, viewer in grew:
            assert_pieces_fit(message, viewer)
