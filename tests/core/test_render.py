"""Rendering: what readers see of a record, once, in its place, in the API's shape, and within a frame."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.record import SessionRecord
from chalicelib.core.render import Shown, parse_cursor, rfc3339, shown, split_frames
from chalicelib.core.session import InterruptIn
from chalicelib.wire import events as ev
from chalicelib.wire.codec import encode
from chalicelib.wire.ids import EventId, TurnId
from chalicelib.wire.limits import MAX_DOWN_BYTES
from tests.core.playing import NEVER_ONLINE, SESSION, START, Play, fresh, text

T1 = TurnId("turn_1")


def record(*events: Any, n: int = 7) -> SessionRecord:
    return SessionRecord(n=n, at=START, prev="", state=fresh(), events=events)


def nothing(n: int) -> SessionRecord:
    raise AssertionError(f"record {n} is not needed")


def said(body: str = "Hi", name: str = "sevt_1") -> ev.AgentMessage:
    return ev.AgentMessage(id=EventId(name), turn_id=T1, content=(ev.TextBlock(body),))


def played() -> Play:
    """A message at once, one that waits and runs then, one that waits still."""
    play = Play()
    play.post(text("one"))
    play.post(text("two"))
    play.post(text("three"))
    play.accept()
    play.batch(play.said("sevt_1"), play.ended())
    return play


def as_seen(play: Play, *, live: bool) -> list[tuple[str, str | None]]:
    still = None if live else {one.n for one in play.state.waiting}
    found = []
    for one in play.log:
        for each in shown(one, lambda n: play.log[n - 1], ours=False, still_waiting=still):
            if each.event["type"] == "user.message":
                found.append((each.event["content"][0]["text"], each.event["processed_at"]))
    return found


@pytest.mark.parametrize("permission", ["allow", "ask", "deny"])
def test_a_tool_call_always_says_what_its_permission_came_to(permission: Any) -> None:
    """Catches "allow" that is left out since it is the usual one: an SDK's user reads None."""
    call = ev.AgentToolUse(id=EventId("sevt_1"), turn_id=T1, name="Bash", input={}, evaluated_permission=permission)
    aside = ev.Spilled(id=call.id, of="agent.tool_use", n_bytes=20_000, sha256="ab", turn_id=T1)
    for event in (call, aside):
        (seen,) = shown(record(event), nothing, ours=False, whole=lambda _: call)
        assert seen.event["evaluated_permission"] == permission


def test_times_are_written_as_the_api_writes_them() -> None:
    assert rfc3339(1_790_000_000.25) == "2026-09-21T14:13:20.250000Z"
    assert rfc3339(0.0) == "1970-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("cursor", "place"),
    [
        ("0", (0, -1)),
        ("12", (12, -1)),
        ("12.3", (12, 3)),
        ("12.0", (12, 0)),
        ("", None),
        (".", None),
        ("12.", None),
        (".3", None),
        ("1.2.3", None),
        ("-1", None),
        ("+1", None),
        ("1 ", None),
        ("1\n", None),
        ("1e3", None),
        ("\u0661", None),
        ("1.\u0661", None),
        ("\u00b2", None),
        ("1" * 16, None),
        ("1." + "1" * 5000, None),
    ],
)
def test_a_cursor_is_a_record_and_maybe_an_event_in_it(cursor: str, place: tuple[int, int] | None) -> None:
    """Catches numbers of other scripts, signs, and ones so long that reading them raises."""
    assert parse_cursor(cursor) == place


@given(st.text())
def test_whatever_is_given_as_a_cursor_it_is_one_or_none(cursor: str) -> None:
    found = parse_cursor(cursor)
    assert found is None or (found[0] >= 0 and found[1] >= -1)


def test_an_event_is_shown_in_the_apis_shape_with_its_cursor_and_time() -> None:
    (one,) = shown(record(said()), nothing, ours=False)
    assert one == Shown(
        "7.1",
        {
            "type": "agent.message",
            "id": "sevt_1",
            "turn_id": "turn_1",
            "content": [{"type": "text", "text": "Hi"}],
            "processed_at": rfc3339(START),
        },
    )


def test_our_own_events_are_shown_on_request_and_count_in_the_cursor_either_way() -> None:
    """Catches a cursor that depends on what a reader asked for."""
    one = record(ev.SessionCreated(id=EventId("sevt_0")), said())
    assert [each.cursor for each in shown(one, nothing, ours=False)] == ["7.2"]
    assert [each.cursor for each in shown(one, nothing, ours=True)] == ["7.1", "7.2"]


SDK_TYPES = {
    *("user.message", "user.interrupt", "user.tool_confirmation", "user.custom_tool_result", "user.tool_result"),
    *("user.define_outcome", "system.message", "agent.message", "agent.thinking", "agent.tool_use"),
    *("agent.tool_result", "agent.custom_tool_use", "agent.mcp_tool_use", "agent.mcp_tool_result"),
    *("agent.thread_message_received", "agent.thread_message_sent", "agent.thread_context_compacted"),
    *("session.error", "session.status_running", "session.status_idle", "session.status_rescheduled"),
    *("session.status_terminated", "session.updated", "session.usage", "session.deleted"),
}
"""Types of a session's events that the SDKs know, without those of threads, spans and workflows. Source: Managed Agents
API, ``BetaManagedAgentsStreamSessionEvents``."""


def test_who_asks_for_nothing_more_sees_only_types_that_the_sdks_know() -> None:
    """Catches an event that an SDK takes for a user's message: that is what it makes of types it does not know."""
    assert ev.API_TYPES <= SDK_TYPES
    hidden = {str(one.__struct_config__.tag) for one in ev.Event.__args__} - ev.API_TYPES
    assert all(one.startswith("mooring.") for one in hidden)


def test_a_live_reader_sees_a_waiting_message_twice_first_without_a_time() -> None:
    seen = as_seen(played(), live=True)
    assert [body for body, _ in seen] == ["one", "two", "three", "two"]
    assert [at is None for _, at in seen] == [False, True, True, False]


def test_whoever_reads_later_sees_each_message_once_at_the_place_where_the_agent_lived_it() -> None:
    seen = as_seen(played(), live=False)
    assert [(body, at is None) for body, at in seen] == [("one", False), ("three", True), ("two", False)]


def test_a_message_that_ended_without_a_turn_has_its_place_where_it_ended() -> None:
    play = Play()
    play.post(text("never"), at=NEVER_ONLINE)
    play.post(InterruptIn(), at=NEVER_ONLINE)
    assert [(body, at is None) for body, at in as_seen(play, live=False)] == [("never", False)]


def test_a_placed_message_is_the_accepted_one_under_the_same_id_and_without_our_fields() -> None:
    play = played()
    (placed,) = [one for one in play.log[-1].events if isinstance(one, ev.MessagePlaced)]
    (one,) = [
        each for each in shown(play.log[-1], lambda n: play.log[n - 1], ours=False) if each.event["id"] == placed.id
    ]
    assert set(one.event) == {"type", "id", "content", "processed_at"}
    assert one.event["type"] == "user.message"


def spilled(of: str = "agent.message") -> ev.Spilled:
    return ev.Spilled(id=EventId("sevt_1"), of=of, n_bytes=99, sha256="0" * 64, turn_id=T1)


def test_an_event_put_aside_is_shown_whole_to_whoever_fetches_it() -> None:
    (one,) = shown(record(spilled()), nothing, ours=False, whole=lambda _: said("long"))
    assert one.event["content"] == [{"type": "text", "text": "long"}]


@pytest.mark.parametrize("whole", [None, lambda event: event])
def test_an_event_put_aside_that_is_not_fetched_or_not_there_is_shown_as_a_stub(whole: Any) -> None:
    """Catches a lost upload that makes the whole log unreadable, or one shown under a type of ours."""
    (one,) = shown(record(spilled()), nothing, ours=False, whole=whole)
    assert one.event == {
        "type": "agent.message",
        "id": "sevt_1",
        "turn_id": "turn_1",
        "n_bytes": 99,
        "truncated": True,
        "processed_at": rfc3339(START),
    }


def test_a_placed_message_that_was_put_aside_is_shown_too() -> None:
    holder = record(spilled("user.message"), n=3)
    placed = record(ev.MessagePlaced(id=EventId("sevt_1"), accepted_n=3))
    whole = ev.UserMessage(id=EventId("sevt_1"), content=(ev.TextBlock("long"),), expires_at=START)
    (one,) = shown(placed, lambda _: holder, ours=False, whole=lambda _: whole)
    assert one.event["content"] == [{"type": "text", "text": "long"}]
    (one,) = shown(placed, lambda _: holder, ours=False)
    assert one.event["truncated"]


def test_an_event_of_a_newer_daemon_is_ours_until_the_api_knows_it() -> None:
    opaque = ev.Opaque(id=EventId("sevt_1"), of="agent.image", body='{"type":"agent.image","id":"sevt_1","w":2}')
    assert shown(record(opaque), nothing, ours=False) == []
    (one,) = shown(record(opaque), nothing, ours=True)
    assert one.event == {"type": "agent.image", "id": "sevt_1", "w": 2, "processed_at": rfc3339(START)}


# ---- frames


@pytest.mark.parametrize(
    ("changed", "shown_fields"),
    [
        (("title",), {"title": "t"}),
        (("metadata",), {"metadata": {"k": "v"}}),
        (("title", "metadata"), {"title": "t", "metadata": {"k": "v"}}),
    ],
)
def test_of_what_a_session_is_called_by_a_reader_sees_what_was_changed(
    changed: Any, shown_fields: dict[str, Any]
) -> None:
    """Catches a title in an event that changed none: the SDK says that it stands there only when it was."""
    told = ev.SessionUpdated(id=EventId("sevt_1"), title="t", metadata={"k": "v"}, changed=changed)
    (one,) = shown(record(told), nothing, ours=False)
    assert {name: one.event.get(name) for name in ("title", "metadata") if name in one.event} == shown_fields
    assert one.event["changed"] == list(changed)


def test_only_the_types_that_are_wanted_are_shown_and_the_cursor_counts_all() -> None:
    told = (ev.UserInterrupt(id=EventId("sevt_0")), said(), ev.SessionStatusTerminated(id=EventId("sevt_2")))
    found = shown(record(*told), nothing, ours=False, types={"agent.message", "mooring.receipt"})
    assert [(one.cursor, one.event["type"]) for one in found] == [("7.2", "agent.message")]


def test_a_record_without_visible_events_is_a_frame_all_the_same() -> None:
    """Catches a hole in the numbers, which a viewer would take for a lost push."""
    (frame,) = split_frames(SESSION, 7, [])
    assert (frame.n, frame.events, frame.part, frame.parts) == (7, (), 1, 1)


def test_an_event_too_large_for_a_frame_is_a_stub_to_be_fetched() -> None:
    (one,) = shown(record(said("x" * MAX_DOWN_BYTES)), nothing, ours=False)
    (frame,) = split_frames(SESSION, 7, [one])
    assert frame.events[0]["event"] == {
        "type": "agent.message",
        "id": "sevt_1",
        "turn_id": "turn_1",
        "processed_at": rfc3339(START),
        "truncated": True,
    }


@given(st.lists(st.integers(0, 12_000), max_size=30))
def test_a_records_frames_each_fit_and_together_hold_every_event_once_and_in_order(sizes: list[int]) -> None:
    told = [said("é" * size, f"sevt_{k}") for k, size in enumerate(sizes)]
    events = shown(record(*told), nothing, ours=False)
    frames = list(split_frames(SESSION, 999_999_999, events))
    assert all(len(encode(frame)) <= MAX_DOWN_BYTES for frame in frames)
    assert [frame.part for frame in frames] == list(range(1, len(frames) + 1))
    assert {frame.parts for frame in frames} == {len(frames)}
    assert [item["cursor"] for frame in frames for item in frame.events] == [one.cursor for one in events]
    assert all(frame.events for frame in frames[: len(frames) - 1 or None]) or not events
    whole = [item["event"] for frame in frames for item in frame.events if not item["event"].get("truncated")]
    assert all(one in [each.event for each in events] for one in whole)
    assert msgspec.json.decode(encode(frames[0]))["session_id"] == SESSION
