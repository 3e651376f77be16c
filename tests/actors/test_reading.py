"""Reading: pages cover the log once in either direction, and a reader that polls misses nothing and sees no double."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.actors import reading
from chalicelib.core.errors import BadRequest, NotFound
from chalicelib.core.session import InterruptIn
from chalicelib.core.span import Span
from chalicelib.wire import codec
from chalicelib.wire import events as ev
from chalicelib.wire.ids import EventId, RuntimeId, SessionId, TurnId
from tests.actors.plane import C1, LIVED, OTHER, RUNTIME, SESSION, TENANT, Plane, conversation, text, texts
from tests.fakes import FakeBodies

NONE = SessionId("sesn_none")


def pages(
    plane: Plane, limit: int, order: Literal["asc", "desc"] = "asc", *, ours: bool = False
) -> list[dict[str, Any]]:
    """All events, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(500):
        page = plane.actors.reading.page(TENANT, SESSION, cursor=cursor, limit=limit, order=order, ours=ours)
        assert len(page.events) <= limit
        found += page.events
        if page.next_page is None:
            return found
        assert page.events
        cursor = page.next_page
    raise AssertionError("the pages do not end")


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in events]


# ---- pages


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("ours", [False, True])
def test_pages_cover_the_log_once_in_the_order_in_which_the_agent_lived_it(live: Plane, limit: int, ours: bool) -> None:
    conversation(live)
    forth = pages(live, limit, "asc", ours=ours)
    back = pages(live, limit, "desc", ours=ours)
    assert texts(forth) == LIVED
    assert ids(back) == ids(forth)[::-1]
    assert len(set(ids(forth))) == len(forth)
    assert [one["processed_at"] is None for one in forth] == [False] * (len(forth) - 2) + [True] * 2


def test_our_own_events_are_listed_on_request(live: Plane) -> None:
    conversation(live)
    plain = {one["type"] for one in pages(live, 100)}
    ours = {one["type"] for one in pages(live, 100, ours=True)}
    assert not any(one.startswith("mooring.") for one in plain)
    assert {"mooring.receipt", "mooring.turn_started", "mooring.session_created"} <= ours - plain


def test_an_empty_log_is_one_empty_page(live: Plane) -> None:
    assert pages(live, 10) == pages(live, 10, "desc") == []


def test_messages_posted_together_wait_together_at_the_end(running: Plane) -> None:
    running.post(text("a"), text("b"), text("c"))
    running.batch(running.said("sevt_1", "first"))
    for limit in (1, 2, 3, 10):
        assert texts(pages(running, limit)) == ["Hello", "first", "a", "b", "c"]
        assert texts(pages(running, limit, "desc")) == ["c", "b", "a", "first", "Hello"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["post", "two", "end", "say", "interrupt", "sleep", "wake"]), max_size=25),
    st.integers(1, 9),
    st.booleans(),
)
def test_whatever_happened_the_pages_hold_every_event_once(happened: list[str], limit: int, ours: bool) -> None:
    plane = Plane()
    plane.laptop()
    plane.session()
    serial = itertools.count()
    for one in happened:
        running = plane.state.turn is not None
        match one:
            case "post":
                plane.post()
            case "two":
                plane.post(text("a"), text("b"))
            case "end" if running:
                plane.batch(plane.ended())
            case "say" if running:
                plane.batch(plane.said(f"sevt_{next(serial)}"))
            case "interrupt":
                plane.post(InterruptIn())
            case "sleep":
                plane.frames.disconnected(C1)
            case "wake":
                plane.laptop()
            case _:
                pass
    forth, back = pages(plane, limit, "asc", ours=ours), pages(plane, limit, "desc", ours=ours)
    assert ids(back) == ids(forth)[::-1]
    assert len(set(ids(forth))) == len(forth)
    wanted = {
        event.id
        for record in plane.log()
        for event in record.events
        if ours or str(event.__struct_config__.tag) in ev.API_TYPES
    }
    assert set(ids(forth)) == wanted
    unprocessed = [one["processed_at"] is None for one in forth]
    assert unprocessed == sorted(unprocessed), "what waits stands after everything else"


def test_a_page_also_ends_at_its_size(live: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an answer larger than Lambda gives: a few large events are a page."""
    monkeypatch.setattr(reading, "MAX_PAGE_BYTES", 30_000)
    live.post()
    for k in range(5):
        live.batch(live.said(f"sevt_{k}", "x" * 20_000))
    page = live.actors.reading.page(TENANT, SESSION, cursor=None, limit=100, order="asc", ours=False)
    assert len(page.events) < 5
    assert len(pages(live, 100)) == 7


def test_an_event_larger_than_a_page_stands_alone(live: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PAGE_BYTES", 10_000)
    live.post(text("before"))
    live.batch(live.said("sevt_large", "x" * 20_000))
    live.batch(live.said("sevt_after", "after"))
    sizes, cursor = [], None
    while True:
        page = live.actors.reading.page(TENANT, SESSION, cursor=cursor, limit=100, order="asc", ours=False)
        sizes.append(ids(page.events))
        if (cursor := page.next_page) is None:
            break
    assert ["sevt_large"] in sizes
    assert sizes[-1] == ["sevt_after"]


# ---- some of many


def some(plane: Plane, order: Literal["asc", "desc"] = "asc", limit: int = 100, **wanted: Any) -> list[dict[str, Any]]:
    """The events of all pages, of which none but the last may be empty."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = plane.actors.reading.page(TENANT, SESSION, cursor=cursor, limit=limit, order=order, ours=False, **wanted)
        found += page.events
        if (cursor := page.next_page) is None:
            return found
        assert page.events


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_page_is_filled_with_the_types_that_are_wanted(live: Plane, order: Any, limit: int) -> None:
    """Catches a page cut before the filter: an SDK takes an empty one for the end."""
    conversation(live)
    types = ("user.message", "session.status_idle")
    wanted = [one for one in pages(live, 100, order) if one["type"] in types]
    assert some(live, order, limit, types=types) == wanted
    assert len(wanted) > 4


def test_ours_are_not_among_the_types_unless_they_are_asked_for_twice(live: Plane) -> None:
    conversation(live)
    assert some(live, types=("mooring.receipt",)) == []


def test_what_is_not_wanted_is_not_fetched(live: Plane) -> None:
    live.post(text("q"))
    live.batch(live.said("sevt_1", "x" * 20_000))
    live.io.clear()
    some(live, types=("user.message",))
    assert "bodies.get" not in live.io


def lived_by_the_minute(plane: Plane) -> list[dict[str, Any]]:
    """A log whose records are some minutes apart, and what still waits at its end."""
    plane.session()
    for k in range(6):
        plane.clock.time += 300.0
        plane.laptop()
        plane.post(text(str(k)))
        plane.batch(plane.said(f"sevt_{k}"), plane.ended())
        plane.frames.disconnected(C1)
    plane.clock.time += 300.0
    plane.post(text("waits"))
    return pages(plane, 100)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    ("since_s", "until_s", "wanted"),
    [
        (None, None, ["0", "1", "2", "3", "4", "5", "waits"]),
        (600.0, None, ["1", "2", "3", "4", "5"]),
        (None, 1200.0, ["0", "1", "2", "3"]),
        (900.0, 1200.0, ["2", "3"]),
        (901.0, 1199.0, []),
    ],
)
def test_events_are_found_by_the_time_at_which_they_were_processed(
    plane: Plane, order: Any, since_s: float | None, until_s: float | None, wanted: list[str]
) -> None:
    began = plane.clock.time
    lived_by_the_minute(plane)
    bounds = [None if one is None else datetime.fromtimestamp(began + one, UTC) for one in (since_s, until_s)]
    found = some(plane, order, types=("user.message",), created=Span(since=bounds[0], until=bounds[1]))
    assert [one["content"][0]["text"] for one in found] == (wanted if order == "asc" else wanted[::-1])


@pytest.mark.parametrize(("order", "side"), [("asc", "until"), ("desc", "since")])
def test_a_log_is_read_no_further_than_where_nothing_wanted_can_come(
    plane: Plane, order: Any, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches the whole of a long log read for its last minutes."""
    monkeypatch.setattr(reading, "PAGE_RECORDS", 1)
    began = plane.clock.time
    lived_by_the_minute(plane)
    at = datetime.fromtimestamp(began + (300.0 if side == "until" else 1800.0), UTC)
    plane.io.clear()
    assert some(plane, order, created=Span(**{side: at}))
    reads = sum(one in ("objects.read", "objects.read_back") for one in plane.io)
    assert reads < len(plane.log()) / 2


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_reading_ends_after_many_records_and_goes_on_from_there(
    live: Plane, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_RECORDS", 3)
    monkeypatch.setattr(reading, "PAGE_RECORDS", 2)
    conversation(live)
    assert some(live, order) == pages(live, 100, order)
    wanted = [one for one in pages(live, 100, order) if one["type"] == "agent.message"]
    assert some(live, order, types=("agent.message",)) == wanted


def test_an_empty_page_ends_too(live: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_RECORDS_FOR_NOTHING", 4)
    conversation(live)
    page = live.actors.reading.page(
        TENANT, SESSION, cursor=None, limit=9, order="asc", ours=False, types=("session.error",)
    )
    assert (page.events, page.next_page) == ([], "4")


def test_a_long_log_is_read_in_pages_of_records(live: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE_RECORDS", 3)
    conversation(live)
    assert texts(pages(live, 2)) == LIVED
    assert texts(pages(live, 2, "desc")) == LIVED[::-1]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_may_begin_after_a_whole_record(live: Plane, order: Any) -> None:
    conversation(live)
    page = live.actors.reading.page(TENANT, SESSION, cursor="3", limit=100, order=order, ours=False)
    first = {"asc": "first", "desc": "one"}[order]
    assert texts(page.events)[0] == first


def test_what_was_put_aside_is_listed_whole(live: Plane) -> None:
    live.post(text("q" * 20_000))
    live.batch(live.said("sevt_1", "x" * 20_000))
    assert [len(one) for one in texts(pages(live, 10))] == [20_000, 20_000]


def test_an_event_whose_upload_was_lost_is_listed_as_a_stub_and_hides_no_other(running: Plane) -> None:
    """Catches one lost body that makes the whole conversation unreadable for ever."""
    lost = ev.Spilled(id=EventId("sevt_1"), of="agent.message", n_bytes=9, sha256="0" * 64, turn_id=running.turn_id)
    running.batch(lost, running.said("sevt_2", "after"))
    listed = {one["id"]: one for one in pages(running, 2)}
    assert listed["sevt_1"]["truncated"]
    assert listed["sevt_1"]["type"] == "agent.message"
    assert "truncated" not in listed["sevt_2"]


@pytest.mark.parametrize("cursor", ["x", "1.x", "-1", "1." + "9" * 5000])
def test_what_is_no_cursor_is_refused(live: Plane, cursor: str) -> None:
    with pytest.raises(BadRequest) as raised:
        live.actors.reading.page(TENANT, SESSION, cursor=cursor, limit=1, order="asc", ours=False)
    assert raised.value.code == "bad_cursor"
    with pytest.raises(BadRequest):
        live.actors.reading.follow(TENANT, SESSION, after=cursor, ours=False, deltas=())


# ---- one event, one prompt, one upload


def test_any_event_can_be_read_by_its_id_whole(live: Plane) -> None:
    conversation(live)
    live.batch(live.said("sevt_long", "x" * 20_000))
    for one in pages(live, 100, ours=True):
        assert live.actors.reading.event(TENANT, SESSION, EventId(one["id"])) == one
    assert len(texts([live.actors.reading.event(TENANT, SESSION, EventId("sevt_long"))])[0]) == 20_000


def test_what_is_not_there_or_not_yours_is_not_found(running: Plane) -> None:
    read = running.actors.reading
    turn_id = running.turn_id
    theirs = RuntimeId("rt_2")
    refused: list[tuple[str, Callable[[], object]]] = [
        ("event_not_found", lambda: read.event(TENANT, SESSION, EventId("sevt_none"))),
        ("session_not_found", lambda: read.event(OTHER, SESSION, EventId("sevt_none"))),
        ("session_not_found", lambda: read.page(OTHER, SESSION, cursor=None, limit=1, order="asc", ours=False)),
        ("session_not_found", lambda: read.follow(TENANT, NONE, after=None, ours=False, deltas=())),
        ("session_not_found", lambda: read.prompt(TENANT, SESSION, turn_id, theirs)),
        ("session_not_found", lambda: read.prompt(OTHER, SESSION, turn_id, RUNTIME)),
        ("turn_not_found", lambda: read.prompt(TENANT, SESSION, TurnId("turn_none"), RUNTIME)),
        ("session_not_found", lambda: read.keep_body(TENANT, SESSION, EventId("sevt_1"), b"{}", theirs)),
        ("session_not_found", lambda: read.keep_body(OTHER, SESSION, EventId("sevt_1"), b"{}", RUNTIME)),
    ]
    for code, action in refused:
        with pytest.raises(NotFound) as raised:
            action()
        assert raised.value.code == code


def test_the_running_turns_prompt_is_read_by_its_own_runtime(live: Plane) -> None:
    live.post(text("x" * 40_000), text("end"))
    blocks = live.actors.reading.prompt(TENANT, SESSION, live.turn_id, RUNTIME)
    assert blocks == (ev.TextBlock("x" * 40_000), ev.TextBlock("end"))
    ended = live.turn_id
    live.batch(live.ended())
    with pytest.raises(NotFound):
        live.actors.reading.prompt(TENANT, SESSION, ended, RUNTIME)


def test_an_uploaded_event_is_read_back_where_the_log_refers_to_it(running: Plane) -> None:
    large = running.said("sevt_up", "x" * 70_000)
    body = codec.encode(large)
    running.actors.reading.keep_body(TENANT, SESSION, large.id, body, RUNTIME)
    running.batch(
        ev.Spilled(
            id=large.id, of="agent.message", n_bytes=len(body), sha256=codec.digest(body), turn_id=running.turn_id
        )
    )
    assert len(texts(pages(running, 10))[-1]) == 70_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"type":"agent.message","id":"sevt_other","turn_id":"turn_1","content":[]}',
        b'{"type":"user.message","id":"sevt_1","content":[],"expires_at":0}',
        b'{"type":"mooring.spilled","id":"sevt_1","of":"agent.message","n_bytes":1,"sha256":"0"}',
        b'{"type":"mooring.usage","id":"sevt_1","turn_id":"t","usage":{"a":' + b"[" * 500 + b"]" * 500 + b"}}",
    ],
)
def test_an_upload_that_is_no_event_of_the_daemons_is_refused(running: Plane, body: bytes) -> None:
    """Catches a user's message written by a laptop, and a body that nobody could read back."""
    with pytest.raises(BadRequest) as raised:
        running.actors.reading.keep_body(TENANT, SESSION, EventId("sevt_1"), body, RUNTIME)
    assert raised.value.code == "bad_event"
    assert isinstance(running.stores.bodies, FakeBodies)
    assert running.stores.bodies.bodies == {}
