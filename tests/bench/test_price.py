"""What each action costs: the bounds that must hold, counted on the real stores, and the table that says so."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bench import pages
from bench.price import prices
from bench.scene import Cost
from bench.unwatched import grown
from mooring.wire.frames import SessionDelta

pytestmark = pytest.mark.xdist_group("price")


@pytest.fixture(scope="module")
def priced() -> Mapping[str, Cost]:
    return prices()


def of(cost: Cost) -> tuple[int, int, int]:
    """Writes without the rows, rows, strong reads."""
    return cost.writes - cost.rows, cost.rows, cost.strong_reads


def test_only_what_looks_by_another_key_reads_what_may_be_old(priced: Mapping[str, Cost]) -> None:
    """The sweep looks by due time, the end of a connection by the connection: global indexes have no strong reads."""
    found = [name for name, cost in priced.items() if cost.other_reads]
    assert found == ["a viewer's WebSocket closes, idle session", "sweep, nothing due"]


def test_no_action_is_more_than_one_invocation(priced: Mapping[str, Cost]) -> None:
    free = {name for name, cost in priced.items() if cost.invocations == 0}
    assert free == {name for name in priced if name.startswith("SSE") or "nobody watches" in name}
    assert {cost.invocations for name, cost in priced.items() if name not in free} == {1}


@pytest.mark.parametrize("n_viewers", [0, 1, 3])
def test_a_whole_event_is_one_put_three_reads_and_a_post_to_each(priced: Mapping[str, Cost], n_viewers: int) -> None:
    who = {0: "nobody follows", 1: "1 viewer", 3: "3 viewers"}[n_viewers]
    cost = priced[f"whole event, {who}"]
    assert of(cost) == (1, 0, 3)
    assert (cost.to_daemon, cost.to_viewers) == (1, (1,) * n_viewers)
    assert (cost.read_units, cost.write_units) == (3, 1)


def test_a_repeat_writes_nothing_and_is_acknowledged(priced: Mapping[str, Cost]) -> None:
    cost = priced["repeat of an acknowledged batch"]
    assert (of(cost), cost.to_daemon) == ((0, 0, 2), 1)


def test_a_cold_container_reads_once_more_for_each_session(priced: Mapping[str, Cost]) -> None:
    assert of(priced["whole event, the container's first of its session"]) == (1, 0, 4)


def test_a_watched_delta_is_one_put_and_two_reads(priced: Mapping[str, Cost]) -> None:
    cost = priced["delta, 1 viewer"]
    assert cost.writes == 1
    assert cost.strong_reads <= 2
    assert (cost.to_daemon, cost.to_viewers) == (0, (1,))


def test_text_that_nobody_watches_never_leaves_the_laptop(priced: Mapping[str, Cost]) -> None:
    assert grown("sesn_1", "turn_1", window_ms=None) == []
    assert any(isinstance(frame, SessionDelta) for frame in grown("sesn_1", "turn_1", window_ms=100))
    cost = priced["1,000 pieces of text that nobody watches"]
    assert (cost.invocations, cost.writes, cost.strong_reads, cost.posts) == (0, 0, 0, 0)


def test_a_ping_writes_nothing_but_now_and_then_the_lease(priced: Mapping[str, Cost]) -> None:
    assert of(priced["ping, nothing owed"]) == (0, 0, 2)
    assert of(priced["ping, every fourth: the lease is renewed"]) == (1, 0, 2)
    assert of(priced["ping, one turn active"]) == (0, 0, 3)


def test_a_hello_is_one_put_and_what_describing_the_laptop_costs(priced: Mapping[str, Cost]) -> None:
    """Its connection, the room and the work that is owed, and the runtime to compare with what is said of it."""
    assert of(priced["hello, nothing new about the laptop"]) == (1, 0, 3 + 1)


def test_a_message_to_an_idle_session_is_a_work_item_a_record_and_a_row(priced: Mapping[str, Cost]) -> None:
    for name in ("message to an idle session, laptop online", "the same with an Idempotency-Key"):
        writes, rows, reads = of(priced[name])
        assert (writes, rows) == (2, 1)
        assert reads <= 5
        assert priced[name].to_daemon == 1


def test_a_message_with_a_file_looks_at_the_file_and_moves_no_bytes(priced: Mapping[str, Cost]) -> None:
    """Catches a message that reads or writes bytes that are kept already, or that costs a write of its own."""
    plain = priced["message to an idle session, laptop online"]
    with_file = priced["message to an idle session, with an uploaded file"]
    assert of(with_file)[:2] == of(plain)[:2]
    assert with_file.strong_reads <= plain.strong_reads + 2
    assert (with_file.s3_requests, with_file.to_daemon) == (0, 1)


def test_bytes_are_sent_to_s3_once_and_fetched_once(priced: Mapping[str, Cost]) -> None:
    assert of(priced["file upload, through the plane"]) == (0, 2, 2)  # Its row, and how much the tenant's files are.
    asks_s3 = {name: cost.s3_requests for name, cost in priced.items() if cost.s3_requests}
    assert asks_s3 == {"file upload, through the plane": 1, "the laptop fetches a message's file": 1}


def test_an_sdks_message_costs_what_any_other_does_and_its_second_try_writes_nothing(
    priced: Mapping[str, Cost],
) -> None:
    """Catches a look for repeats that every first try pays for."""
    first = priced["the same by an SDK"]
    assert first == priced["message to an idle session, laptop online"]
    assert of(first)[:2] == (2, 1)
    assert first.strong_reads <= 5
    assert of(priced["the SDK's second try of it"])[:2] == (0, 0)


def test_a_session_is_made_at_one_price_however_many_there_are(priced: Mapping[str, Cost]) -> None:
    """Its log, its row and the count; to know it again a small record more."""
    plain, known = priced["session create"], priced["the same by an SDK or with an Idempotency-Key"]
    assert of(plain)[:2] == (1, 2)
    assert plain.strong_reads <= 6
    assert (known.writes, known.strong_reads) == (plain.writes + 1, plain.strong_reads + 2)


def test_a_message_behind_a_turn_is_one_record(priced: Mapping[str, Cost]) -> None:
    writes, rows, reads = of(priced["message behind a running turn"])
    assert (writes, rows) == (1, 0)
    assert reads <= 4


def test_an_acceptance_is_one_put_and_three_reads(priced: Mapping[str, Cost]) -> None:
    assert of(priced["accepted: the turn is on the laptop's disk"]) == (1, 0, 3)


def test_the_end_of_a_turn_takes_the_next_one_with_it(priced: Mapping[str, Cost]) -> None:
    following = priced["turn end, the next one starts"]
    assert (following.writes, following.rows) == (1, 0)
    assert following.strong_reads <= 5
    assert following.to_daemon == 2  # The ack and the next prompt.


def test_the_end_of_the_last_turn_removes_its_work_item(priced: Mapping[str, Cost]) -> None:
    assert of(priced["turn end, queue empty"]) == (2, 1, 3)


def test_a_reader_that_polls_reads_once_and_while_a_turn_runs_twice(priced: Mapping[str, Cost]) -> None:
    assert of(priced["SSE poll, idle"]) == (0, 0, 1)
    assert of(priced["SSE poll, turn running, nothing new"]) == (0, 0, 2)
    assert of(priced["SSE poll, one event"]) == (0, 0, 2)


def test_a_websocket_that_opens_asks_for_its_secret_twice_and_leaves_a_note(priced: Mapping[str, Cost]) -> None:
    """The secret may be revoked while it opens: whoever does that finds the note, or it finds the secret gone."""
    assert of(priced["connect: a laptop's WebSocket opens"]) == (1, 1, 2)
    assert of(priced["a viewer's WebSocket opens"]) == (1, 1, 2)


def test_a_browsers_cookie_costs_one_read_more_than_its_key(priced: Mapping[str, Cost]) -> None:
    by_key, by_cookie = priced["session retrieve"], priced["the same by a browser's cookie"]
    assert of(by_cookie) == (0, 0, by_key.strong_reads + 1)
    assert of(priced["a browser signs in by a key"]) == (1, 0, 1)


def test_an_agents_next_version_keeps_the_one_before(priced: Mapping[str, Cost]) -> None:
    assert of(priced["agent update"]) == (0, 2, 2)


def test_an_attach_to_an_idle_session_is_one_row(priced: Mapping[str, Cost]) -> None:
    cost = priced["attach by WebSocket, idle session, live from now"]
    assert cost.writes == 1
    assert cost.strong_reads <= 3
    assert (cost.to_daemon, cost.to_viewers) == (0, (1,))


def test_a_viewers_ping_reads_its_connection_and_the_head(priced: Mapping[str, Cost]) -> None:
    assert of(priced["a viewer's ping"]) == (0, 0, 2)


def test_an_attach_sends_every_record_in_pages(priced: Mapping[str, Cost]) -> None:
    """Fifty records in one page, their number, and the delta window to the laptop."""
    cost = priced["attach by WebSocket, running turn, 50 records"]
    assert cost.writes == 1
    assert cost.to_daemon == 1
    assert cost.to_viewers[0] > 50
    assert cost.strong_reads <= 10


def test_what_the_page_says_is_what_was_measured(priced: Mapping[str, Cost]) -> None:
    """When this fails because something costs more or less now: `python -m bench price --write`, and look at it."""
    assert pages.measured_in(pages.PAGE.read_text("utf-8")) == pages.markdown(priced)
