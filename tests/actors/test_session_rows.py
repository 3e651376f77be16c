"""Sessions as people see them: made once for each request, changed in log and row, and no more than there may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.actors.agents import AgentChoice
from chalicelib.actors.loop import Cause
from chalicelib.actors.ports import session_key
from chalicelib.actors.session_rows import NewSession
from chalicelib.core.access import KeyPrincipal
from chalicelib.core.catalog import RuntimeBinding, SessionRow, Tenant
from chalicelib.core.definition import AgentChange
from chalicelib.core.details import DetailsPatch
from chalicelib.core.errors import BadRequest, Conflicting, MooringError, NotFound, TooMany, Unprocessable
from chalicelib.core.record import SessionRecord, open_session
from chalicelib.core.repeats import Try
from chalicelib.core.tenant_limits import TenantLimits
from chalicelib.wire import events as ev
from chalicelib.wire.ids import KeyId, RuntimeId, SessionId, TenantId
from chalicelib.wiring import Plane
from tests.actors.plane import DAY_S, text
from tests.fake_records import FakeSessions
from tests.fakes import FakeClock, FakeObjects, Phase, fake_stores
from tests.schedules.test_retries import AGENT, RUNTIME, TENANT

OTHER = TenantId("ten_2")
ASKING = KeyPrincipal(TENANT, KeyId("key_1"))
NEW = NewSession(agent=AgentChoice(agent_id=AGENT.agent_id), title="t", metadata={"k": "v"}, items=(text(),))
KEY = Cause("k1", "d1")


class Died(BaseException):
    """A Lambda dies."""


def dies() -> None:
    raise Died


class Desk:
    """A plane with an agent and its laptop, and something that happens at a point of I/O."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.io: list[str] = []
        self._hooks: list[tuple[str, Phase, Callable[[], object]]] = []
        self.stores = fake_stores(self.clock, on_io=self._on_io)
        self.plane = Plane(self.stores)
        self.rows = self.plane.session_rows
        self.stores.runtimes.put(RUNTIME)
        self.stores.agents.put(AGENT)
        self.plane.rooms.open(TENANT, RUNTIME.runtime_id)

    def _on_io(self, name: str, phase: Phase) -> None:
        if phase == "before":
            self.io.append(name)
        for hook in self._hooks:
            if hook[:2] == (name, phase):
                self._hooks.remove(hook)
                hook[2]()
                return

    def when(self, name: str, phase: Phase, then: Callable[[], object]) -> None:
        """The next time the plane does ``name``, ``then`` happens first, or straight after."""
        self._hooks.append((name, phase, then))

    def log(self, session_id: SessionId) -> list[SessionRecord]:
        """A session's records."""
        assert isinstance(self.stores.objects, FakeObjects)
        log = self.stores.objects.logs.get(session_key(TENANT, session_id), {})
        return [open_session(log[n].body) for n in sorted(log)]

    def messages(self, session_id: SessionId) -> int:
        """How many messages a session has accepted."""
        told = [event for record in self.log(session_id) for event in record.events]
        return sum(isinstance(event, ev.UserMessage) for event in told)

    @property
    def sessions(self) -> FakeSessions:
        """The rows themselves."""
        assert isinstance(self.stores.sessions, FakeSessions)
        return self.stores.sessions

    def row(self, session_id: SessionId) -> SessionRow:
        """A row as lists show it."""
        return self.sessions.rows[TENANT, session_id]

    def a_try(self, count: int) -> Try:
        """A try of an SDK's, now."""
        return Try("b1", count, int(self.clock.time * 1000))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def session_id(desk: Desk) -> SessionId:
    return desk.rows.create(ASKING, replace(NEW, items=())).session_id


# ---- making one once


def test_under_a_key_one_session_is_made_with_its_messages_once(desk: Desk) -> None:
    made = desk.rows.create(ASKING, NEW, KEY)
    desk.clock.time += 30 * DAY_S
    desk.stores.agents.archive(TENANT, AGENT.agent_id, desk.clock.time)
    again = desk.rows.create(ASKING, NEW, KEY)
    assert (again.session_id, again.created_at) == (made.session_id, made.created_at)
    assert len(desk.sessions.rows) == 1
    assert desk.messages(made.session_id) == 1


def test_a_key_used_again_for_something_else_is_refused_and_makes_nothing(desk: Desk) -> None:
    desk.rows.create(ASKING, NEW, KEY)
    with pytest.raises(Unprocessable) as refused:
        desk.rows.create(ASKING, replace(NEW, title="u"), Cause("k1", "d2"))
    assert refused.value.code == "idempotency_key_reused"
    assert len(desk.sessions.rows) == 1


def test_without_a_key_every_request_makes_its_own(desk: Desk) -> None:
    made = {desk.rows.create(ASKING, NEW).session_id for _ in range(3)}
    made |= {desk.rows.create(ASKING, NEW, attempt=desk.a_try(0)).session_id for _ in range(3)}
    assert len(made) == len(desk.sessions.rows) == 6


POINTS: list[tuple[str, Phase]] = [
    ("sessions.reserve", "before"),
    ("objects.append", "after"),
    ("sessions.reserve", "after"),
    ("sessions.put", "before"),
    ("sessions.put", "after"),
    ("work.put", "before"),
    ("work.put", "after"),
]


@pytest.mark.parametrize(("point", "phase"), POINTS)
@pytest.mark.parametrize("by_key", [True, False])
def test_who_dies_while_making_one_is_made_good_by_the_next_try(
    desk: Desk, point: str, phase: Phase, by_key: bool
) -> None:
    """Catches a session that is half there for ever, and a second one beside it."""
    desk.when(point, phase, dies)
    with pytest.raises(Died):
        desk.rows.create(ASKING, NEW, KEY if by_key else None, None if by_key else desk.a_try(0))
    desk.clock.time += 0.5
    made = desk.rows.create(ASKING, NEW, KEY if by_key else None, None if by_key else desk.a_try(1))
    assert [one for _, one in desk.sessions.rows] == [made.session_id]
    assert desk.messages(made.session_id) == 1
    assert (made.title, made.status) == ("t", "rescheduling")


def test_a_repeat_while_the_first_one_is_still_at_it_makes_no_second_one(desk: Desk) -> None:
    again: list[SessionRow] = []
    first, second = desk.a_try(0), desk.a_try(1)
    desk.when("sessions.put", "before", lambda: again.append(desk.rows.create(ASKING, NEW, attempt=second)))
    made = desk.rows.create(ASKING, NEW, attempt=first)
    assert [one.session_id for one in again] == [made.session_id]
    assert desk.messages(made.session_id) == 1


def test_a_repeat_that_knows_a_newer_agent_gets_the_session_as_it_was_made(desk: Desk) -> None:
    """Catches a row that is there, taken for somebody else's."""
    again: list[SessionRow] = []
    first, second = desk.a_try(0), desk.a_try(1)

    def overtake() -> None:
        desk.plane.agents.update(ASKING, AGENT.agent_id, AgentChange(name="newer"))
        again.append(desk.rows.create(ASKING, NEW, attempt=second))

    desk.when("sessions.put", "before", overtake)
    made = desk.rows.create(ASKING, NEW, attempt=first)
    assert made.agent == again[0].agent == desk.row(made.session_id).agent
    assert made.agent.version == 2


def test_a_session_stays_on_the_laptop_on_which_it_was_begun(desk: Desk) -> None:
    """Catches a row that names another laptop than the log: neither would run it."""
    other = replace(RUNTIME, runtime_id=RuntimeId("rt_2"))
    desk.stores.runtimes.put(other)
    desk.when("sessions.put", "before", dies)
    with pytest.raises(Died):
        desk.rows.create(ASKING, NEW, KEY)
    binding = RuntimeBinding(runtime_id=other.runtime_id, acp_agent_id="gemini")
    desk.plane.agents.update(ASKING, AGENT.agent_id, AgentChange(runtime_binding=binding))
    made = desk.rows.create(ASKING, NEW, KEY)
    state = desk.log(made.session_id)[0].state
    assert (made.runtime_id, made.agent.runtime_binding) == (state.runtime_id, AGENT.runtime_binding)


def test_what_has_no_row_yet_can_be_neither_seen_nor_changed(desk: Desk) -> None:
    desk.when("sessions.put", "before", dies)
    with pytest.raises(Died):
        desk.rows.create(ASKING, NEW)
    (key,) = (one for one in desk.stores.objects.logs if one.kind == "session")  # type: ignore[attr-defined]
    session_id = SessionId(key.object_id)
    with pytest.raises(NotFound):
        desk.rows.get(TENANT, session_id)
    with pytest.raises(NotFound):
        desk.rows.update(TENANT, session_id, DetailsPatch(title="t"))


def test_a_repeat_of_one_that_was_deleted_makes_no_new_one(desk: Desk) -> None:
    made = desk.rows.create(ASKING, NEW, KEY)
    desk.plane.sessions.delete(TENANT, made.session_id)
    with pytest.raises(NotFound) as gone:
        desk.rows.create(ASKING, NEW, KEY)
    assert gone.value.code == "session_not_found"
    assert not desk.sessions.rows
    assert desk.sessions.n_open[TENANT] == 0


@pytest.mark.parametrize("known", [{}, {"cause": KEY}, {"attempt": Try("b1", 0, 1_800_000_000_000)}])
def test_what_can_not_be_made_leaves_nothing_behind(desk: Desk, known: dict[str, Any]) -> None:
    nobody = replace(NEW, agent=AgentChoice(agent_id="agent_none"))
    logs = len(desk.stores.objects.logs)  # type: ignore[attr-defined]  # the twin's dict
    with pytest.raises(NotFound):
        desk.rows.create(ASKING, nobody, **known)
    assert len(desk.stores.objects.logs) == logs  # type: ignore[attr-defined]
    assert not desk.sessions.rows
    assert not desk.sessions.n_open


def test_a_tenants_limit_refuses_the_next_one_and_counts_no_repeat(desk: Desk) -> None:
    desk.stores.tenants.put(Tenant(tenant_id=TENANT, name="t", created_at=0.0, limits=TenantLimits(max_sessions=2)))
    one = desk.rows.create(ASKING, NEW, KEY)
    desk.rows.create(ASKING, NEW, KEY)
    desk.rows.create(ASKING, NEW)
    with pytest.raises(TooMany) as full:
        desk.rows.create(ASKING, NEW)
    assert (full.value.code, full.value.field) == ("limit_reached", "max_sessions")
    assert full.value.retry_after_s is not None
    assert len(desk.sessions.rows) == 2
    desk.plane.sessions.delete(TENANT, one.session_id)
    desk.rows.create(ASKING, replace(NEW, items=()))


def test_what_it_costs_to_be_safe_from_repeats(desk: Desk) -> None:
    def cost(**known: Any) -> list[str]:
        desk.io.clear()
        desk.rows.create(ASKING, replace(NEW, items=()), **known)
        return [one for one in desk.io if not one.startswith("clock.")]

    plain = cost()
    assert sorted(cost(attempt=desk.a_try(0))) == sorted([*plain, "objects.newest", "objects.newest", "objects.append"])
    assert plain.count("sessions.reserve") == 1


# ---- changing one


def updated(desk: Desk, session_id: SessionId) -> list[ev.SessionUpdated]:
    told = [event for record in desk.log(session_id) for event in record.events]
    return [event for event in told if isinstance(event, ev.SessionUpdated)]


def test_a_change_is_in_the_log_and_in_the_row(desk: Desk, session_id: SessionId) -> None:
    row = desk.rows.update(TENANT, session_id, DetailsPatch(title="new", metadata={"k": None, "a": "b"}))
    assert (row.title, row.metadata) == ("new", {"a": "b"})
    assert desk.row(session_id).title == "new"
    (told,) = updated(desk, session_id)
    assert told.changed == ("title", "metadata")
    desk.rows.update(TENANT, session_id, DetailsPatch(title="new"))
    assert len(updated(desk, session_id)) == 1


def test_who_dies_between_log_and_row_has_changed_it_and_the_next_change_builds_on_that(
    desk: Desk, session_id: SessionId
) -> None:
    """Catches a title that the log tells of and nobody sees, and one that the next patch undoes."""
    desk.when("sessions.describe", "before", dies)
    with pytest.raises(Died):
        desk.rows.update(TENANT, session_id, DetailsPatch(metadata={"a": "b"}))
    assert desk.row(session_id).metadata == {"k": "v"}
    assert desk.rows.get(TENANT, session_id).metadata == {"k": "v", "a": "b"}
    desk.rows.update(TENANT, session_id, DetailsPatch(metadata={"a": "b"}))
    assert desk.row(session_id).metadata == {"k": "v", "a": "b"}
    desk.rows.update(TENANT, session_id, DetailsPatch(title="new"))
    assert desk.row(session_id).metadata == {"k": "v", "a": "b"}
    assert len(updated(desk, session_id)) == 2


@pytest.mark.parametrize("point", ["sessions.get", "objects.append", "sessions.describe"])
def test_two_who_change_it_at_the_same_moment_both_do(desk: Desk, session_id: SessionId, point: str) -> None:
    """Catches a patch that is applied to what it no longer is."""
    patch = DetailsPatch(metadata={"faster": "1"})
    desk.when(point, "before", lambda: desk.rows.update(TENANT, session_id, patch))
    desk.rows.update(TENANT, session_id, DetailsPatch(metadata={"slower": "1"}))
    wanted = {"k": "v", "faster": "1", "slower": "1"}
    assert desk.rows.get(TENANT, session_id).metadata == desk.row(session_id).metadata == wanted
    assert updated(desk, session_id)[-1].metadata == wanted


def test_details_too_large_for_their_record_are_read_from_where_they_were_put_aside(
    desk: Desk, session_id: SessionId
) -> None:
    long: dict[str, str | None] = {f"{n}": "\N{SNOWMAN}" * 512 for n in range(15)}
    desk.when("sessions.describe", "before", dies)
    with pytest.raises(Died):
        desk.rows.update(TENANT, session_id, DetailsPatch(metadata=long))
    assert isinstance(desk.log(session_id)[-1].events[0], ev.Spilled)
    assert desk.rows.get(TENANT, session_id).metadata == {"k": "v", **long}


def test_what_can_not_be_changed_stays(desk: Desk, session_id: SessionId) -> None:
    many: dict[str, str | None] = {f"k{n}": "v" for n in range(16)}
    patch = DetailsPatch(title="new")

    def refused(kind: type[MooringError], call: Callable[[], object]) -> str:
        with pytest.raises(kind) as caught:
            call()
        return str(caught.value.code)

    refused(BadRequest, lambda: desk.rows.update(TENANT, session_id, DetailsPatch(metadata=many)))
    for tenant_id, one in ((OTHER, session_id), (TENANT, SessionId("sesn_none"))):
        for call in (
            lambda t=tenant_id, s=one: desk.rows.update(t, s, patch),
            lambda t=tenant_id, s=one: desk.rows.archive(t, s),
            lambda t=tenant_id, s=one: desk.rows.get(t, s),
        ):
            assert refused(NotFound, call) == "session_not_found"
    archived = desk.rows.archive(TENANT, session_id)
    assert (archived.status, archived.archived_at) == ("terminated", desk.clock.time)
    assert refused(Conflicting, lambda: desk.rows.update(TENANT, session_id, patch)) == "session_archived"
    assert desk.rows.get(TENANT, session_id) == archived


def test_a_session_is_shown_as_its_log_has_it_and_not_as_a_row_left_behind(desk: Desk, session_id: SessionId) -> None:
    desk.when("sessions.archive", "before", dies)
    with pytest.raises(Died):
        desk.rows.archive(TENANT, session_id)
    assert desk.row(session_id).archived_at is None
    assert desk.rows.get(TENANT, session_id).archived_at == desk.clock.time


# ---- what it has none of


def test_a_session_has_no_threads_and_a_foreign_one_is_absent(desk: Desk, session_id: SessionId) -> None:
    assert desk.rows.none_of(TENANT, session_id, "thread").code == "thread_not_found"
    with pytest.raises(NotFound) as absent:
        desk.rows.none_of(OTHER, session_id, "resource")
    assert absent.value.code == "session_not_found"
