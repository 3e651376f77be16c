"""Devices: a machine without a browser, the person who lets it in, and whoever tries to be either."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from chalicelib.actors.devices import DEVICE_TTL_S, GUESSES_S, INTERVAL_S, MAX_GUESSES, Asking, Devices, NewDevice
from chalicelib.actors.enrolment import CODE_TTL_S, Enrolment, Machine, challenge_of, runtime_id_of
from chalicelib.actors.rooms import Rooms
from chalicelib.core.access import KeyPrincipal
from chalicelib.core.devices import Decision, user_code_of
from chalicelib.core.errors import BadRequest, Busy, MooringError, TooMany
from chalicelib.wire.ids import KeyId, TenantId
from tests.fakes import FakeClock, fake_stores

STATE, VERIFIER = "0123456789abcdef", "v" * 50
ASKING = Asking(state=STATE, code_challenge=challenge_of(VERIFIER), hostname="build-7", os="linux")
ADA = KeyPrincipal(TenantId("ten_1"), KeyId("key_1"), "user_ada")
BOB = KeyPrincipal(TenantId("ten_1"), KeyId("key_2"), "user_bob")
EVE = KeyPrincipal(TenantId("ten_2"), KeyId("key_3"), "user_eve")
MACHINE = Machine(machine_id="m1", hostname="build-7", os="linux", version="0.1.0")


class Scene:
    """Machines that wait, over fresh stores."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stores = fake_stores(self.clock)
        self.devices = Devices(self.stores)
        self.rooms = Rooms(self.stores)
        self.enrolment = Enrolment(self.stores, self.rooms)
        self.made: NewDevice = self.devices.start(ASKING)

    def polled(self) -> str:
        """The connect code, or the refusal's code."""
        return told(lambda: self.devices.poll(self.made.device_code))

    def waits(self) -> str:
        """What the machine hears after it has waited as it should."""
        self.clock.time += INTERVAL_S
        return self.polled()


def told(ask: Callable[[], object]) -> str:
    """What it gives, or the code of the refusal."""
    try:
        return str(ask())
    except MooringError as exc:
        return exc.code


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_approved_machine_becomes_the_approvers_runtime(scene: Scene) -> None:
    assert scene.polled() == "authorization_pending"
    found = scene.devices.find(ADA, scene.made.user_code)
    assert (found.request.hostname, found.request.os) == ("build-7", "linux")
    scene.devices.answer(ADA, scene.made.user_code, "approved")
    code = scene.waits()
    with pytest.raises(BadRequest, match="code_invalid"):
        scene.enrolment.exchange(code, STATE, "w" * 50, MACHINE)
    with pytest.raises(BadRequest, match="code_invalid"):
        scene.enrolment.exchange(code, "another state", VERIFIER, MACHINE)
    enrolled = scene.enrolment.exchange(code, STATE, VERIFIER, MACHINE)
    assert enrolled.runtime_id == runtime_id_of(ADA.tenant_id, "m1")
    room = scene.rooms.view(enrolled.runtime_id)
    assert room is not None
    assert (room.tenant_id, room.owner_id) == (ADA.tenant_id, ADA.owner_id)


def test_a_machine_that_lost_the_answer_gets_it_again_and_its_code_is_good_once(scene: Scene) -> None:
    """Catches a laptop that stays out because a packet was lost, and a code that every poll makes good again."""
    scene.devices.answer(ADA, scene.made.user_code, "approved")
    code = scene.polled()
    assert scene.polled() == code
    scene.enrolment.exchange(code, STATE, VERIFIER, MACHINE)
    assert scene.waits() == code
    with pytest.raises(BadRequest, match="code_used"):
        scene.enrolment.exchange(code, STATE, VERIFIER, MACHINE)


def test_a_spent_code_that_the_store_has_deleted_is_not_good_again(scene: Scene) -> None:
    """Catches a code whose time is counted from the poll that wrote it down."""
    scene.devices.answer(ADA, scene.made.user_code, "approved")
    code = scene.polled()
    scene.enrolment.exchange(code, STATE, VERIFIER, MACHINE)
    scene.clock.time += CODE_TTL_S
    scene.stores.runtimes.codes.clear()  # type: ignore[attr-defined]  # The fakes' own.
    assert scene.polled() == code
    with pytest.raises(BadRequest, match="code_expired"):
        scene.enrolment.exchange(code, STATE, VERIFIER, MACHINE)


def test_a_denied_machine_hears_so(scene: Scene) -> None:
    scene.devices.answer(ADA, scene.made.user_code, "denied")
    assert [scene.polled(), scene.polled()] == ["access_denied"] * 2
    assert not scene.stores.runtimes.codes  # type: ignore[attr-defined]  # The fakes' own.


def test_a_machine_that_asks_too_often_is_told_to_slow_down(scene: Scene) -> None:
    assert [scene.polled(), scene.polled()] == ["authorization_pending", "slow_down"]
    scene.clock.time += INTERVAL_S - 0.5
    assert scene.polled() == "authorization_pending"


@pytest.mark.parametrize("device_code", ["", "x", "BCDF-GHJK.00", "BCDF-GHJK"])
def test_a_code_that_nobody_has_is_like_one_that_has_expired(scene: Scene, device_code: str) -> None:
    scene.clock.time += DEVICE_TTL_S
    assert scene.polled() == "expired_token"
    assert told(lambda: scene.devices.poll(device_code)) == "expired_token"
    assert told(lambda: scene.devices.find(ADA, scene.made.user_code)) == "device_not_found"
    assert told(lambda: scene.devices.answer(ADA, scene.made.user_code, "approved")) == "device_not_found"


def test_who_saw_the_user_code_does_not_get_the_connect_code(scene: Scene) -> None:
    scene.devices.answer(ADA, scene.made.user_code, "approved")
    forged = f"{scene.made.user_code}.{'0' * 48}"
    assert told(lambda: scene.devices.poll(forged)) == "expired_token"


def test_a_machine_is_answered_once(scene: Scene) -> None:
    """Catches a second person who takes a machine over, or a repeat that is told that it failed."""
    user_code = scene.made.user_code
    for _ in range(2):
        assert scene.devices.answer(ADA, user_code, "approved").user_code == user_code
    others: list[tuple[KeyPrincipal, Decision]] = [
        (ADA, "denied"),
        (BOB, "approved"),
        (EVE, "approved"),
        (EVE, "denied"),
    ]
    for who, decision in others:
        assert told(partial(scene.devices.answer, who, user_code, decision)) == "device_answered"
    assert told(lambda: scene.devices.find(BOB, user_code)) == "device_answered"
    enrolled = scene.enrolment.exchange(scene.polled(), STATE, VERIFIER, MACHINE)
    assert enrolled.runtime_id == runtime_id_of(ADA.tenant_id, "m1")


def test_of_two_who_answer_at_the_same_moment_one_counts(scene: Scene) -> None:
    user_code, devices = scene.made.user_code, scene.stores.devices

    def eve_is_quicker(name: str, phase: str) -> None:
        if (name, phase) == ("devices.decide", "before"):
            devices.on_io = lambda *_: None  # type: ignore[attr-defined]  # The fakes' own.
            scene.devices.answer(EVE, user_code, "denied")

    devices.on_io = eve_is_quicker  # type: ignore[attr-defined]
    assert told(lambda: scene.devices.answer(ADA, user_code, "approved")) == "device_answered"
    assert scene.polled() == "access_denied"


def test_a_team_guesses_no_more_than_it_may(scene: Scene) -> None:
    """Catches a person who tries codes until one is another team's machine: it would run agents for them."""
    wrong = [user_code_of(f"{n:048x}") for n in range(1000, 1000 + MAX_GUESSES)]
    who = [ADA, BOB]
    for index, one in enumerate(wrong):
        scene.devices.find(ADA, scene.made.user_code)
        assert told(partial(scene.devices.find, who[index % 2], one)) == "device_not_found"
    with pytest.raises(TooMany) as caught:
        scene.devices.find(ADA, scene.made.user_code)
    assert (caught.value.code, caught.value.retry_after_s) == ("too_many_guesses", int(GUESSES_S))
    assert told(lambda: scene.devices.answer(BOB, scene.made.user_code, "approved")) == "too_many_guesses"
    scene.devices.find(EVE, scene.made.user_code)
    scene.clock.time += GUESSES_S
    again = scene.devices.start(ASKING)
    scene.devices.find(ADA, again.user_code)


@pytest.mark.parametrize("typed", ["", "BCDF", "1234-5678"])
def test_what_is_no_code_is_no_guess(scene: Scene, typed: str) -> None:
    assert told(lambda: scene.devices.find(ADA, typed)) == "bad_user_code"
    assert not scene.stores.devices.guesses  # type: ignore[attr-defined]  # The fakes' own.


def test_codes_are_kept_as_hashes_and_not_shown(scene: Scene) -> None:
    """Catches a database from which somebody reads how to become another person's laptop."""
    scene.devices.answer(ADA, scene.made.user_code, "approved")
    code = scene.polled()
    kept = repr(vars(scene.stores.devices)) + repr(vars(scene.stores.runtimes))
    for secret in (scene.made.device_code, scene.made.user_code, code, STATE):
        assert secret not in kept
        assert secret not in repr(scene.made)


def test_a_user_code_that_is_taken_is_not_given_out_again(scene: Scene) -> None:
    def start_of(n: int) -> NewDevice:
        scene.clock.n_tokens = n
        return scene.devices.start(ASKING)

    first = start_of(100)
    assert start_of(100).user_code != first.user_code
    for n in range(200, 210):
        start_of(n)
    with pytest.raises(Busy) as caught:
        start_of(200)
    assert caught.value.code == "too_many_devices"
