"""People: who makes, changes and removes whom, and what becomes of their keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chalicelib.core.access import KeyPrincipal, Role
from chalicelib.core.catalog import User
from chalicelib.core.errors import MooringError, Unauthorized
from chalicelib.core.tenant_limits import TenantLimits
from chalicelib.wire.ids import KeyId, TenantId
from tests.actors.team import Team


@pytest.fixture
def team() -> Team:
    return Team()


@pytest.fixture
def bob(team: Team) -> User:
    return team.joins("Bob", "member")


@pytest.fixture
def admin(team: Team) -> KeyPrincipal:
    return team.asking(team.key(team.joins("Adam", "admin")).secret)


def refusal(do: Callable[..., object], *args: object, **named: object) -> MooringError:
    with pytest.raises(MooringError) as caught:
        do(*args, **named)
    return caught.value


# ---- the tenant


def test_a_tenant_changes_its_name_and_its_limits(team: Team, admin: KeyPrincipal) -> None:
    assert team.people.change_tenant(admin, "Wasps").name == "Wasps"
    team.people.change_tenant(team.ada_asking, None, {"max_users": 4})
    changed = team.people.change_tenant(team.ada_asking, None, {"max_agents": 9})
    assert (changed.name, changed.limits) == ("Wasps", TenantLimits(max_users=4, max_agents=9))
    assert team.people.tenant(team.tenant_id) == changed
    assert team.people.change_tenant(admin, "Wasps") == changed, "what is so already is not written again"
    assert team.people.change_tenant(team.ada_asking, None, {"max_users": None}).limits == TenantLimits(max_agents=9)


def test_only_an_owner_changes_limits(team: Team, admin: KeyPrincipal) -> None:
    assert refusal(team.people.change_tenant, admin, None, {"max_users": 1_000}).code == "owners_only"


def test_a_tenant_that_others_change_all_the_time_is_busy(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team.stores.tenants, "change", lambda _: False)
    assert refusal(team.people.change_tenant, team.ada_asking, "Wasps").code == "object_busy"


def test_a_tenant_that_is_not_there_is_not_found(team: Team) -> None:
    assert refusal(team.people.tenant, TenantId("ten_x")).code == "tenant_not_found"


# ---- people


def test_an_admin_makes_people_and_an_owner_owners(team: Team, admin: KeyPrincipal) -> None:
    made = team.people.create(admin, "Eve", "eve@example.org", "admin")
    assert team.people.get(team.tenant_id, made.user_id) == made
    assert (made.role, made.email) == ("admin", "eve@example.org")
    assert refusal(team.people.create, admin, "Eve", None, "owner").code == "owners_only"
    assert team.people.create(team.ada_asking, "Olga", None, "owner").is_owner


def test_one_person_too_many_is_refused(team: Team, bob: User) -> None:
    team.people.change_tenant(team.ada_asking, None, {"max_users": 2})
    refused = refusal(team.people.create, team.ada_asking, "Eve", None, "member")
    assert (refused.code, refused.field, refused.status) == ("limit_reached", "max_users", 429)
    team.people.remove(team.ada_asking, bob.user_id)
    team.people.create(team.ada_asking, "Eve", None, "member")


def test_whoever_asks_is_found_unless_the_key_is_nobodys(team: Team) -> None:
    assert team.people.person(team.ada_asking) == team.ada
    assert team.people.person(KeyPrincipal(team.tenant_id, KeyId("key_1"))) is None


@pytest.mark.parametrize("user_id", ["user_x", "", "user_#", "tenant", "user_" + "a" * 65])
def test_a_person_who_is_not_there_is_not_found(team: Team, user_id: str) -> None:
    assert refusal(team.people.get, team.tenant_id, user_id).code == "user_not_found"
    assert refusal(team.people.change, team.ada_asking, user_id, name="x").code == "user_not_found"
    assert refusal(team.people.remove, team.ada_asking, user_id).code == "user_not_found"


def test_another_tenants_person_is_not_found(team: Team) -> None:
    assert refusal(team.people.get, TenantId("ten_x"), team.ada.user_id).code == "user_not_found"


def test_people_are_listed_newest_first_without_those_removed(team: Team, bob: User) -> None:
    team.people.remove(team.ada_asking, bob.user_id)
    eve = team.joins("Eve", "viewer")
    assert [one.user_id for one in team.people.list(team.tenant_id, False, None, 10)[0]] == [
        eve.user_id,
        team.ada.user_id,
    ]
    first, place = team.people.list(team.tenant_id, True, None, 2)
    rest, end = team.people.list(team.tenant_id, True, place, 2)
    assert [one.name for one in (*first, *rest)] == ["Eve", "Bob", "Ada"]
    assert end is None


def test_the_first_owner_is_the_one_who_has_been_there_longest(team: Team) -> None:
    team.joins("Olga", "owner")
    assert team.people.first_owner(team.tenant_id) == team.ada
    assert team.people.first_owner(TenantId("ten_x")) is None


# ---- changing them


def test_what_is_not_named_stays(team: Team, bob: User, admin: KeyPrincipal) -> None:
    changed = team.people.change(admin, bob.user_id, email="bob@example.org")
    assert changed == replace(bob, email="bob@example.org", version=2)
    assert team.people.change(admin, bob.user_id, name="Bobby") == replace(changed, name="Bobby", version=3)
    assert team.people.change(admin, bob.user_id, name="Bobby").version == 3


@pytest.mark.parametrize("role", ["viewer", "admin", "owner"])
def test_a_persons_keys_have_their_new_role(team: Team, bob: User, role: Role) -> None:
    made = team.key(bob)
    team.people.change(team.ada_asking, bob.user_id, role=role)
    assert team.asking(made.secret).role == role
    assert team.ada_asking.role == "owner"


def test_the_same_role_again_does_what_a_dead_writer_left_to_do(team: Team, bob: User) -> None:
    """Catches a change that died halfway and can't be asked for again."""
    made = team.key(bob)
    assert team.asking(made.secret).role == "member"
    team.stores.users.put(replace(bob, role="viewer", version=2), bob, 10)
    assert team.asking(made.secret).role == "member"
    team.people.change(team.ada_asking, bob.user_id, role="viewer")
    assert team.asking(made.secret).role == "viewer"


def test_an_admin_neither_changes_nor_removes_owners_nor_makes_any(team: Team, bob: User, admin: KeyPrincipal) -> None:
    for changes in ({"role": "member"}, {"name": "x"}):
        assert refusal(team.people.change, admin, team.ada.user_id, **changes).code == "owners_only"
    assert refusal(team.people.remove, admin, team.ada.user_id).code == "owners_only"
    assert refusal(team.people.change, admin, bob.user_id, role="owner").code == "owners_only"
    assert refusal(team.people.change, admin, admin.user_id, role="owner").code == "owners_only"


def test_the_last_owner_is_neither_demoted_nor_removed(team: Team) -> None:
    refused = refusal(team.people.change, team.ada_asking, team.ada.user_id, role="admin")
    assert (refused.code, refused.status) == ("last_owner", 409)
    assert refusal(team.people.remove, team.ada_asking, team.ada.user_id).code == "last_owner"
    olga = team.joins("Olga", "owner")
    team.people.remove(team.ada_asking, team.ada.user_id)
    assert refusal(team.people.remove, _as(olga), olga.user_id).code == "last_owner"


# ---- removing them


def test_a_removed_persons_keys_open_nothing(team: Team, bob: User) -> None:
    keys = [team.key(bob), team.key(bob, "read")]
    removed = team.people.remove(team.ada_asking, bob.user_id)
    assert removed.removed_at == team.clock.now()
    for one in keys:
        with pytest.raises(Unauthorized):
            team.asking(one.secret)
    assert sorted(team.hung_up) == sorted(one.note.key_id for one in keys)
    listed, _ = team.keys.list(team.ada_asking, None, False, None, 10)
    assert [one.key_id for one in listed] == [team.ada_key.note.key_id], "nor do they count or show"


def test_removing_again_does_what_is_left_to_do_and_keeps_the_time(team: Team, bob: User) -> None:
    made = team.key(bob)
    first = team.people.remove(team.ada_asking, bob.user_id)
    team.clock.time += 5
    assert team.people.remove(team.ada_asking, bob.user_id) == first
    assert team.hung_up == [made.note.key_id] * 2
    assert refusal(team.people.change, team.ada_asking, bob.user_id, name="x").code == "user_removed"


def test_somebody_whom_others_change_all_the_time_is_busy(
    team: Team, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team.stores.users, "put", lambda *_: "stale")
    assert refusal(team.people.change, team.ada_asking, bob.user_id, name="x").code == "object_busy"


def _as(user: User) -> KeyPrincipal:
    return KeyPrincipal(user.tenant_id, KeyId("key_1"), user.user_id, user.role)
