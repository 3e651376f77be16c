"""Session lists: who is shown, where their keys stand, and pages that are named for their neighbours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.core.canary import canary_agent
from chalicelib.core.catalog import SessionRow
from chalicelib.core.definition import blank
from chalicelib.core.errors import BadRequest
from chalicelib.core.session_list import LATE_S, SPAN_MS, Place, SessionFilter, keys_of, place_of
from chalicelib.core.span import EVER, Span
from chalicelib.wire.ids import AgentId, RuntimeId, SessionId, TenantId

NOW = 1_790_000_000.0
ROW = SessionRow(
    tenant_id=TenantId("ten_1"),
    session_id=SessionId("sesn_1"),
    runtime_id=RuntimeId("rt_1"),
    agent=replace(blank(TenantId("ten_1"), AgentId("agent_1"), NOW), version=3),
    created_at=NOW,
    updated_at=NOW,
    status="running",
)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def id_of(seconds: float) -> str:
    return f"sesn_{int(seconds * 1000) % SPAN_MS:010x}" + "f" * 16


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({}, True),
        ({"agent_id": "agent_1"}, True),
        ({"agent_id": "agent_2"}, False),
        ({"agent_id": "agent_1", "agent_version": 3}, True),
        ({"agent_id": "agent_1", "agent_version": 2}, False),
        ({"agent_version": 2}, True),
        ({"statuses": ("idle", "running")}, True),
        ({"statuses": ("idle",)}, False),
        ({"created": Span(since=at(NOW))}, True),
        ({"created": Span(after=at(NOW))}, False),
    ],
)
def test_a_session_is_shown_when_it_is_all_that_was_asked_for(wanted: dict[str, Any], shown: bool) -> None:
    assert SessionFilter(**wanted).takes(ROW) == shown


def test_a_canarys_session_is_shown_to_who_names_its_agent() -> None:
    """Catches a list full of a laptop's own proofs, and a session that a label alone hides."""
    canary = canary_agent(TenantId("ten_1"), RuntimeId("rt_1"))
    row = replace(ROW, agent=canary)
    assert not SessionFilter().takes(row)
    assert SessionFilter(agent_id=canary.agent_id).takes(row)
    assert SessionFilter().takes(replace(ROW, metadata=canary.metadata))


def test_an_archived_session_is_shown_on_request() -> None:
    archived = replace(ROW, archived_at=NOW)
    assert not SessionFilter().takes(archived)
    assert SessionFilter(include_archived=True).takes(archived)


@pytest.mark.parametrize("text", ["", "sesn_", "x", "--sesn_1", "sesn_1-", "sesn_1\n", "sesn_" + "0" * 65])
def test_what_names_no_page_is_refused(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        place_of(text)
    assert (refused.value.code, refused.value.field) == ("bad_page", "page")


@pytest.mark.parametrize("place", [Place("sesn_1"), Place("sesn_1", back=True)])
def test_a_place_is_read_as_it_was_given(place: Place) -> None:
    assert place_of(str(place)) == place
    assert place_of(None) is None


@pytest.mark.parametrize(
    ("order", "back", "ascending"),
    [("asc", False, True), ("asc", True, False), ("desc", False, False), ("desc", True, True)],
)
def test_who_goes_back_reads_the_other_way_round(order: Any, back: bool, ascending: bool) -> None:
    keys = keys_of(EVER, Place("sesn_1", back), order, NOW)
    assert (keys.low, keys.high, keys.beyond, keys.ascending) == ("", "~", "sesn_1", ascending)
    assert keys_of(EVER, None, order, NOW).beyond is None


def test_bounds_in_time_are_bounds_of_keys_that_leave_out_none_who_were_made_in_between() -> None:
    """Catches a session whose row was written a moment after it was named."""
    keys = keys_of(Span(since=at(NOW - 50), until=at(NOW)), None, "asc", NOW + 9)
    assert keys.low <= id_of(NOW - 50 - LATE_S)
    assert id_of(NOW - 50 - LATE_S - 1) < keys.low
    assert id_of(NOW) <= keys.high
    assert id_of(NOW + 0.001) > keys.high


def test_a_bound_from_before_ids_began_anew_bounds_no_keys() -> None:
    """Catches a list that is empty for ever once the milliseconds in ids start over."""
    long_ago = Span(since=at(0.0), until=at(1.0))
    keys = keys_of(long_ago, None, "asc", NOW)
    assert (keys.low, keys.high) == ("", "~")
