"""Spill: what is too large for a record is put aside before it, and comes back whole or not at all."""

from __future__ import annotations

import pytest

from chalicelib.actors.spill import Spill
from chalicelib.core.errors import NotFound
from chalicelib.wire import events as ev
from chalicelib.wire.codec import digest, encode
from chalicelib.wire.ids import EventId, SessionId, TenantId, TurnId
from chalicelib.wire.limits import MAX_BATCH_BYTES, MAX_INLINE_BYTES
from tests.actors.plane import C1, SESSION, TENANT, Plane, text
from tests.fakes import FakeBodies

T1 = TurnId("turn_1")


def said(n_bytes: int, name: str = "sevt_1") -> ev.AgentMessage:
    """A message of ``n_bytes`` as JSON."""
    empty = ev.AgentMessage(id=EventId(name), turn_id=T1, content=(ev.TextBlock(""),))
    return ev.AgentMessage(id=EventId(name), turn_id=T1, content=(ev.TextBlock("x" * (n_bytes - len(encode(empty)))),))


@pytest.fixture
def bodies() -> FakeBodies:
    return FakeBodies()


@pytest.fixture
def spill(bodies: FakeBodies) -> Spill:
    return Spill(bodies)


def aside(spill: Spill, *events: ev.Event) -> tuple[ev.Event, ...]:
    return spill.put_aside(TENANT, SESSION, events)


def test_what_fits_is_kept_and_nothing_is_written(spill: Spill, bodies: FakeBodies) -> None:
    events = (said(MAX_INLINE_BYTES // 2), said(MAX_INLINE_BYTES // 2, "sevt_2"))
    assert aside(spill, *events) == events
    assert bodies.bodies == {}


def test_an_event_one_byte_too_large_is_put_aside_whole(spill: Spill, bodies: FakeBodies) -> None:
    large = said(MAX_INLINE_BYTES + 1)
    (stub,) = aside(spill, large)
    assert stub == ev.Spilled(
        id=large.id, of="agent.message", n_bytes=MAX_INLINE_BYTES + 1, sha256=digest(encode(large)), turn_id=T1
    )
    assert bodies.bodies[TENANT, SESSION, digest(encode(large))] == encode(large)
    assert spill.whole(TENANT, SESSION, stub) == large


def test_the_largest_are_put_aside_until_the_rest_fits_and_all_stay_in_their_order(spill: Spill) -> None:
    events = [said(size, f"sevt_{k}") for k, size in enumerate((1000, 9000, 2000, 12_000, 3000))]
    kept = aside(spill, *events)
    assert [one.id for one in kept] == [one.id for one in events]
    assert [isinstance(one, ev.Spilled) for one in kept] == [False, False, False, True, False]
    assert sum(len(encode(one)) for one in kept) <= MAX_INLINE_BYTES


def test_whatever_a_batch_holds_its_record_stays_small(spill: Spill) -> None:
    """Except for what is many and tiny, of which a batch's own limit is the bound."""
    events = [said(4000, f"sevt_{k}") for k in range(MAX_BATCH_BYTES // 4000)]
    assert sum(len(encode(one)) for one in aside(spill, *events)) <= MAX_INLINE_BYTES


def test_an_event_smaller_than_its_stub_is_never_put_aside(spill: Spill, bodies: FakeBodies) -> None:
    """Catches hundreds of writes that make the record larger than it was."""
    events = [said(140, f"sevt_{k}") for k in range(300)]
    assert aside(spill, *events) == tuple(events)
    assert bodies.bodies == {}


def test_what_was_put_aside_before_stays_as_it_is(spill: Spill) -> None:
    stub = ev.Spilled(id=EventId("sevt_up"), of="agent.tool_result", n_bytes=70_000, sha256="0" * 64, turn_id=T1)
    kept = aside(spill, stub, said(MAX_INLINE_BYTES))
    assert kept[0] == stub
    assert isinstance(kept[1], ev.Spilled)


def test_an_event_of_a_newer_daemon_is_put_aside_under_its_own_type(spill: Spill) -> None:
    opaque = ev.Opaque(id=EventId("sevt_1"), of="agent.image", body='{"pad":"' + "x" * MAX_INLINE_BYTES + '"}')
    (stub,) = aside(spill, opaque)
    assert isinstance(stub, ev.Spilled)
    assert stub.of == "agent.image"
    assert spill.whole(TENANT, SESSION, stub) == opaque


def test_what_was_not_put_aside_is_whole_already(spill: Spill) -> None:
    assert spill.whole(TENANT, SESSION, said(300)) == said(300)


@pytest.mark.parametrize("kept", [None, said(400, "sevt_other")])
def test_a_body_that_is_not_there_or_is_another_one_is_not_found(
    spill: Spill, bodies: FakeBodies, kept: ev.AgentMessage | None
) -> None:
    """Catches an upload that was lost, and a body that is another event than the log says."""
    large = said(400)
    stub = ev.Spilled(id=large.id, of="agent.message", n_bytes=400, sha256=digest(encode(large)))
    if kept:
        bodies.bodies[TENANT, SESSION, digest(encode(large))] = encode(kept)
    with pytest.raises(NotFound) as raised:
        spill.whole(TENANT, SESSION, stub)
    assert raised.value.code == "body_not_found"


def test_a_body_of_another_type_than_the_log_says_is_not_found(spill: Spill, bodies: FakeBodies) -> None:
    """Catches an event that is listed as one thing and read as another."""
    large = said(400)
    bodies.bodies[TENANT, SESSION, digest(encode(large))] = encode(large)
    stub = ev.Spilled(id=large.id, of="agent.tool_result", n_bytes=400, sha256=digest(encode(large)))
    with pytest.raises(NotFound):
        spill.whole(TENANT, SESSION, stub)


def test_an_event_that_a_newer_daemon_uploaded_is_read_as_it_came(spill: Spill, bodies: FakeBodies) -> None:
    body = b'{"type":"agent.image","id":"sevt_1","w":2}'
    bodies.bodies[TENANT, SESSION, digest(body)] = body
    stub = ev.Spilled(id=EventId("sevt_1"), of="agent.image", n_bytes=len(body), sha256=digest(body))
    assert spill.whole(TENANT, SESSION, stub) == ev.Opaque(id=EventId("sevt_1"), of="agent.image", body=body.decode())


def test_a_body_that_is_no_event_is_not_found(spill: Spill, bodies: FakeBodies) -> None:
    body = b"\xff"
    bodies.bodies[TENANT, SESSION, digest(body)] = body
    with pytest.raises(NotFound):
        spill.whole(TENANT, SESSION, ev.Spilled(id=EventId("sevt_1"), of="agent.image", n_bytes=1, sha256=digest(body)))


def test_another_tenants_or_sessions_body_is_absent(spill: Spill) -> None:
    (stub,) = aside(spill, said(MAX_INLINE_BYTES + 1))
    for tenant_id, session_id in ((TenantId("ten_2"), SESSION), (TENANT, SessionId("sesn_2"))):
        with pytest.raises(NotFound):
            spill.whole(tenant_id, session_id, stub)


def test_a_body_is_written_before_the_record_that_refers_to_it(running: Plane) -> None:
    running.io.clear()
    running.batch(running.said(body="x" * 20_000))
    assert running.io.index("bodies.put") < running.io.index("objects.append")
    assert running.heard(C1)


def test_a_long_message_reaches_its_agent_whole(live: Plane) -> None:
    live.post(text("x" * 20_000))
    assert isinstance(live.log()[-1].events[0], ev.Spilled)
    (prompt,) = live.heard(C1)
    assert prompt.content == text("x" * 20_000).content
