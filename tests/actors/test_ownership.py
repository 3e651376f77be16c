"""Ownership: one's laptop is one's own until it is shared, and gone for everybody once it is removed."""

from __future__ import annotations

import pytest

from chalicelib.actors.enrolment import TOKEN_LIFE_S, Enrolled, Enrolment, Machine
from chalicelib.actors.ownership import OLD_TOKEN_S, Ownership
from chalicelib.actors.rooms import Rooms
from chalicelib.core.access import KeyPrincipal, RuntimePrincipal, token_hash
from chalicelib.core.errors import Forbidden, NotFound
from chalicelib.wire.ids import KeyId, RuntimeId, TenantId
from tests.fake_io import quiet
from tests.fakes import FakeClock, fake_stores

STATE = "0123456789abcdef"
TENANT = TenantId("ten_1")
ADA = KeyPrincipal(TENANT, KeyId("key_1"), "user_ada", "member")
BOB = KeyPrincipal(TENANT, KeyId("key_2"), "user_bob", "member")
EVE = KeyPrincipal(TENANT, KeyId("key_3"), "user_eve", "admin")
MALLORY = KeyPrincipal(TenantId("ten_2"), KeyId("key_4"), "user_m", "owner")
MACHINE = Machine(machine_id="m1", hostname="mbp", os="darwin/arm64", version="0.1.0")


class Scene:
    """A laptop of Ada's."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stores = fake_stores(self.clock)
        self.rooms = Rooms(self.stores)
        self.enrolment = Enrolment(self.stores, self.rooms)
        self.hung_up: list[tuple[str, str]] = []
        self.ownership = Ownership(self.stores, self.rooms, self.enrolment, lambda *who: self.hung_up.append(who))
        self.made = self.enrol(ADA)
        self.id = self.made.runtime_id

    def enrol(self, who: KeyPrincipal) -> Enrolled:
        """Sets the laptop up, by somebody's connect code."""
        return self.enrolment.exchange(self.enrolment.start(who, STATE, None).code, STATE, None, MACHINE)

    def daemon(self, token: str) -> RuntimePrincipal:
        """Whoever shows this token."""
        return RuntimePrincipal(TENANT, self.id, token_hash(token))

    def opens(self, token: str) -> bool:
        """Whether a token opens anything now."""
        found = self.stores.runtimes.token(token_hash(token))
        return found is not None and found.opens(self.clock.now())

    def refused(self, who: KeyPrincipal) -> str:
        """Why somebody may not use the laptop, or ""."""
        try:
            self.enrolment.usable(who, self.id)
        except (Forbidden, NotFound) as exc:
            return exc.code
        return ""


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_only_its_owner_uses_a_laptop_until_it_is_shared(scene: Scene) -> None:
    """Catches a team of which everybody runs agents on everybody's laptop."""
    assert [scene.refused(who) for who in (ADA, BOB, EVE)] == ["", "runtime_not_shared", "runtime_not_shared"]
    scene.ownership.share(ADA, scene.id, True)
    assert [scene.refused(who) for who in (ADA, BOB, EVE)] == ["", "", ""]
    scene.ownership.share(ADA, scene.id, False)
    assert scene.refused(BOB) == "runtime_not_shared"


def test_another_tenant_never_learns_of_a_laptop_shared_or_not(scene: Scene) -> None:
    for shared in (False, True):
        scene.ownership.share(ADA, scene.id, shared)
        assert scene.refused(MALLORY) == "runtime_not_found"
        with pytest.raises(NotFound):
            scene.ownership.share(MALLORY, scene.id, True)
        with pytest.raises(NotFound):
            scene.ownership.remove(MALLORY, scene.id)


@pytest.mark.parametrize("who", [BOB, EVE])
def test_nobody_else_shares_a_laptop_or_sees_its_tokens(scene: Scene, who: KeyPrincipal) -> None:
    for act in (
        lambda: scene.ownership.share(who, scene.id, True),
        lambda: scene.ownership.tokens(who, scene.id),
        lambda: scene.ownership.revoke(who, scene.id, "rtk_1"),
    ):
        with pytest.raises(Forbidden, match="owner_only"):
            act()
    assert scene.refused(BOB) == "runtime_not_shared"


def test_set_up_again_by_its_owner_a_laptop_stays_shared_and_by_another_person_becomes_theirs_alone(
    scene: Scene,
) -> None:
    """Catches a laptop that goes on serving the team of its former owner without its new one knowing."""
    scene.ownership.share(ADA, scene.id, True)
    scene.enrol(ADA)
    assert scene.refused(BOB) == ""
    scene.enrol(BOB)
    assert [scene.refused(who) for who in (ADA, BOB)] == ["runtime_not_shared", ""]


@pytest.mark.parametrize("who", [ADA, EVE])
def test_a_removed_laptop_is_gone_for_everybody(scene: Scene, who: KeyPrincipal) -> None:
    scene.ownership.share(ADA, scene.id, True)
    assert scene.ownership.remove(who, scene.id) == scene.id
    assert not scene.opens(scene.made.token)
    assert scene.hung_up == [(TENANT, scene.id)]
    assert [scene.refused(one) for one in (ADA, BOB, EVE)] == ["runtime_not_found"] * 3
    with pytest.raises(NotFound):
        scene.ownership.remove(who, scene.id)


def test_a_member_does_not_remove_anothers_laptop(scene: Scene) -> None:
    with pytest.raises(Forbidden, match="owner_only"):
        scene.ownership.remove(BOB, scene.id)
    assert scene.opens(scene.made.token)


def test_a_removal_that_died_half_way_is_done_by_the_next_one(scene: Scene) -> None:
    """Catches a laptop that is no longer listed and whose token still opens."""
    for point in ("runtimes.revoke_tokens", "runtimes.delete"):

        def die(name: str, phase: str, point: str = point) -> None:
            if (name, phase) == (point, "before"):
                raise ConnectionError

        scene.stores.runtimes.on_io = die  # type: ignore[attr-defined]  # The fakes' own.
        with pytest.raises(ConnectionError):
            scene.ownership.remove(ADA, scene.id)
        scene.stores.runtimes.on_io = quiet  # type: ignore[attr-defined]  # The fakes' own.
        assert scene.stores.runtimes.get(TENANT, scene.id) is not None
    scene.ownership.remove(ADA, scene.id)
    assert not scene.opens(scene.made.token)


def test_a_removed_laptop_can_be_set_up_again(scene: Scene) -> None:
    scene.ownership.share(ADA, scene.id, True)
    scene.ownership.remove(ADA, scene.id)
    scene.enrol(ADA)
    assert [scene.refused(who) for who in (ADA, BOB)] == ["", "runtime_not_shared"]


def test_a_renewed_token_lets_the_old_one_live_for_a_day(scene: Scene) -> None:
    renewed = scene.ownership.renew(scene.daemon(scene.made.token))
    assert renewed.expires_at == scene.clock.now() + TOKEN_LIFE_S
    assert [scene.opens(one) for one in (scene.made.token, renewed.token)] == [True, True]
    scene.clock.time += OLD_TOKEN_S + 1
    assert [scene.opens(one) for one in (scene.made.token, renewed.token)] == [False, True]
    scene.clock.time += TOKEN_LIFE_S
    assert not scene.opens(renewed.token)


def test_a_token_revoked_by_hand_closes_what_it_opened_and_no_other_token(scene: Scene) -> None:
    other = scene.enrol(ADA)
    first, second = scene.ownership.tokens(ADA, scene.id)
    assert {first.token_hash, second.token_hash} == {token_hash(one.token) for one in (scene.made, other)}
    lost = next(one for one in (first, second) if one.token_hash == token_hash(scene.made.token))
    for _ in range(2):
        scene.ownership.revoke(ADA, scene.id, lost.token_id)
    assert [scene.opens(one.token) for one in (scene.made, other)] == [False, True]
    assert scene.hung_up[0] == (TENANT, scene.id)
    with pytest.raises(NotFound, match="runtime_token_not_found"):
        scene.ownership.revoke(ADA, scene.id, "rtk_absent")


def test_a_laptop_ends_its_own_token_and_no_other(scene: Scene) -> None:
    again = scene.enrol(ADA)
    for _ in range(2):
        scene.ownership.leave(scene.daemon(scene.made.token))
    assert (scene.opens(scene.made.token), scene.opens(again.token)) == (False, True)
    assert set(scene.hung_up) == {(TENANT, scene.id)}
    assert scene.refused(ADA) == "", "its sessions can still be read, and it can be set up again"


def test_a_token_made_while_its_laptop_is_removed_opens_nothing(scene: Scene) -> None:
    """Catches a daemon that renews itself past its removal, which looks for tokens before the new one is there."""

    def remove_meanwhile(name: str, phase: str) -> None:
        if (name, phase) == ("runtimes.put_token", "before"):
            scene.stores.runtimes.on_io = quiet  # type: ignore[attr-defined]  # The fakes' own.
            scene.ownership.remove(ADA, scene.id)

    scene.stores.runtimes.on_io = remove_meanwhile  # type: ignore[attr-defined]  # The fakes' own.
    with pytest.raises(NotFound):
        scene.ownership.renew(scene.daemon(scene.made.token))
    tokens = scene.stores.runtimes.tokens(TENANT, RuntimeId(scene.id))
    assert len(tokens) == 2
    assert not any(one.opens(scene.clock.now()) for one in tokens)
