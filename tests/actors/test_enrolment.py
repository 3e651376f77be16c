"""Enrolment: one code, one runtime; and what a hello changes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from chalicelib.actors.enrolment import Enrolled, Enrolment, Machine, challenge_of, runtime_id_of
from chalicelib.actors.rooms import Rooms
from chalicelib.core.access import KeyPrincipal, token_hash
from chalicelib.core.errors import BadRequest, Busy, NotFound
from chalicelib.core.runtime_room import RoomState
from chalicelib.wire.frames import AgentReport, Hello, LocalSkill
from chalicelib.wire.ids import KeyId, OutboxId, RuntimeId, TenantId
from tests.fakes import FakeClock, fake_stores

STATE = "0123456789abcdef"
ADA = KeyPrincipal(TenantId("ten_1"), KeyId("key_1"))
MACHINE = Machine(machine_id="m1", hostname="mbp", os="darwin/arm64", version="0.1.0")


class Scene:
    """An enrolment over fresh stores."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stores = fake_stores(self.clock)
        self.rooms = Rooms(self.stores)
        self.enrolment = Enrolment(self.stores, self.rooms)

    def enrol(self) -> Enrolled:
        """Makes a code and spends it."""
        return self.enrolment.exchange(self.enrolment.start(ADA, STATE, None).code, STATE, None, MACHINE)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_challenge_is_the_one_of_the_standard() -> None:
    # Source: RFC 7636, appendix B.
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_of_twenty_racing_exchanges_exactly_one_wins(scene: Scene) -> None:
    code = scene.enrolment.start(ADA, STATE, None).code
    lock, ready = threading.Lock(), threading.Barrier(20)
    spend = scene.stores.runtimes.spend_code

    def spend_alone(*args: object) -> object:
        # The store's write is one conditional write, so nothing comes between its parts.
        with lock:
            return spend(*args)  # type: ignore[arg-type]  # As they came.

    scene.stores.runtimes.spend_code = spend_alone  # type: ignore[method-assign, assignment]

    def race(_: int) -> str:
        ready.wait()
        try:
            return scene.enrolment.exchange(code, STATE, None, MACHINE).runtime_id
        except BadRequest as exc:
            return exc.code

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(race, range(20)))
    assert sorted(outcomes) == ["code_used"] * 19 + [runtime_id_of(ADA.tenant_id, "m1")]
    assert len(scene.stores.runtimes.by_hash) == 1  # type: ignore[attr-defined]  # The fakes' own.


def test_secrets_are_kept_as_hashes_and_not_shown(scene: Scene) -> None:
    made = scene.enrolment.start(ADA, STATE, None)
    assert made.code not in repr(made)
    enrolled = scene.enrolment.exchange(made.code, STATE, None, MACHINE)
    assert enrolled.token not in repr(enrolled)
    stored = repr(vars(scene.stores.runtimes))
    assert made.code not in stored
    assert STATE not in stored
    assert enrolled.token not in stored
    assert token_hash(enrolled.token) in stored


def test_a_runtime_keeps_its_id_its_age_and_what_it_reported(scene: Scene) -> None:
    first = scene.enrol()
    room = scene.rooms.view(first.runtime_id)
    assert room is not None
    scene.enrolment.described(room.tenant_id, hello(first.runtime_id))
    scene.clock.time += 100
    assert scene.enrol().runtime_id == first.runtime_id
    (seen,) = scene.enrolment.list(ADA.tenant_id)
    assert seen.runtime.created_at == scene.clock.time - 100
    assert [one.id for one in seen.runtime.agents] == ["echo"]
    assert scene.rooms.view(first.runtime_id) == room


def test_skills_are_what_the_newest_hello_says_and_the_same_ones_again_cost_no_write(scene: Scene) -> None:
    """Catches skills that were deleted on the laptop and can still be blocked, and a write at every reconnection."""
    enrolled = scene.enrol()
    wrote: list[str] = []
    scene.stores.runtimes.on_io = lambda name, _phase: wrote.append(name)  # type: ignore[attr-defined]  # The fake's own.
    for ids, puts in ((("audit", "deploy"), 1), (("audit", "deploy"), 0), (("audit",), 1), ((), 1), ((), 0)):
        wrote.clear()
        skills = {"claude-acp": tuple(LocalSkill(id=one, name=one, source="global") for one in ids)} if ids else {}
        scene.enrolment.described(ADA.tenant_id, replace(hello(enrolled.runtime_id), local_skills=skills))
        assert scene.enrolment.get(ADA.tenant_id, enrolled.runtime_id).local_skills == skills
        assert len({name for name in wrote if name == "runtimes.put"}) == puts


@pytest.mark.parametrize("point", ["runtimes.get", "runtimes.put", "objects.append", "runtimes.put_token"])
def test_whatever_breaks_after_the_code_is_spent_is_said(scene: Scene, point: str) -> None:
    made = scene.enrolment.start(ADA, STATE, None)

    def fail(name: str, _phase: str) -> None:
        if name == point:
            raise OSError("away")

    scene.stores.runtimes.on_io = scene.stores.objects.on_io = fail  # type: ignore[attr-defined]  # The fakes' own.
    with pytest.raises(Busy) as caught:
        scene.enrolment.exchange(made.code, STATE, None, MACHINE)
    assert caught.value.code == "enrolment_unfinished"
    scene.stores.runtimes.on_io = scene.stores.objects.on_io = lambda *_: None  # type: ignore[attr-defined]
    assert scene.enrol().runtime_id == runtime_id_of(ADA.tenant_id, "m1")


def hello(runtime_id: RuntimeId, hostname: str = "new-name") -> Hello:
    return Hello(
        runtime_id=runtime_id,
        instance="i1",
        seq=1,
        outbox=OutboxId("obx_1"),
        version="0.2.0",
        hostname=hostname,
        agents=(AgentReport(id="echo"),),
    )


def test_a_hello_is_written_down_when_it_says_something_new(scene: Scene) -> None:
    enrolled = scene.enrol()
    room = scene.rooms.view(enrolled.runtime_id)
    assert room is not None
    writes: list[str] = []
    scene.stores.runtimes.on_io = lambda name, _phase: writes.append(name)  # type: ignore[attr-defined]
    scene.enrolment.described(room.tenant_id, hello(enrolled.runtime_id))
    assert "runtimes.put" in writes
    writes.clear()
    scene.enrolment.described(room.tenant_id, hello(enrolled.runtime_id))
    assert "runtimes.put" not in writes
    runtime = scene.enrolment.get(ADA.tenant_id, enrolled.runtime_id)
    assert (runtime.hostname, runtime.version, runtime.os) == ("new-name", "0.2.0", "darwin/arm64")


def test_a_hello_does_not_bring_a_removed_runtime_back(scene: Scene) -> None:
    room = RoomState(runtime_id=RuntimeId("rt_1"), tenant_id=ADA.tenant_id)
    scene.enrolment.described(room.tenant_id, hello(RuntimeId("rt_1")))
    assert scene.enrolment.list(ADA.tenant_id) == []


@pytest.mark.parametrize("runtime_id", ["rt_0", "", "rt_", "x", "rt_\n", "rt_" + "0" * 100])
def test_a_runtime_that_is_not_there_is_not_found(scene: Scene, runtime_id: str) -> None:
    with pytest.raises(NotFound) as caught:
        scene.enrolment.get(ADA.tenant_id, runtime_id)
    assert caught.value.code == "runtime_not_found"
