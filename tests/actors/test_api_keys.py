"""API keys: made never wider than the one that asks, used, replaced, revoked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chalicelib.actors.api_keys import GRACE_S, USE_EVERY_S, NewKey
from chalicelib.core.access import EVERYTHING, KeyPrincipal, token_hash
from chalicelib.core.catalog import ApiKey, KeySecret, User
from chalicelib.core.errors import MooringError, Unauthorized
from chalicelib.wire.ids import KeyId, TenantId
from tests.actors.team import Team


@pytest.fixture
def team() -> Team:
    return Team()


@pytest.fixture
def bob(team: Team) -> User:
    return team.joins("Bob", "member")


def refusal(do: Callable[..., object], *args: object) -> MooringError:
    with pytest.raises(MooringError) as caught:
        do(*args)
    return caught.value


def is_open(team: Team, secret: str) -> bool:
    """Whether a secret opens anything."""
    try:
        team.asking(secret)
    except Unauthorized:
        return False
    return True


def revoked(team: Team, asking: KeyPrincipal | None = None) -> set[str]:
    """The ids of those keys that are listed as ended."""
    found, _ = team.keys.list(asking or team.ada_asking, None, True, None, 100)
    return {one.key_id for one in found if one.revoked_at is not None}


# ---- making


def test_a_key_is_its_persons_and_has_all_that_they_can_have(team: Team, bob: User) -> None:
    made = team.key(bob)
    asking = team.asking(made.secret)
    assert (asking.user_id, asking.key_id, asking.role) == (bob.user_id, made.note.key_id, "member")
    assert asking.scopes == ("read", "sessions:write", "agents:write", "runtimes:write")
    assert made.secret not in repr(made)
    assert team.keys.get(asking, made.note.key_id) == replace(made.note, last_used_at=team.clock.now())


def test_a_person_makes_keys_for_themselves_no_wider_than_the_one_that_asks(team: Team, bob: User) -> None:
    """Catches a read-only key from which somebody makes one that writes."""
    asking = team.asking(team.key(bob, "sessions:write", "read").secret)
    made = team.keys.create(asking, NewKey(name="n"))
    assert made.note.scopes == ("read", "sessions:write"), "in one order, whatever was asked for"
    narrower = team.keys.create(asking, NewKey(name="n", scopes=("read",)))
    assert narrower.note.scopes == ("read",)
    refused = refusal(team.keys.create, asking, NewKey(name="n", scopes=("agents:write",)))
    assert (refused.code, refused.field) == ("key_too_wide", "scopes")


def test_a_key_has_no_scope_that_its_person_can_not_have(team: Team) -> None:
    eve = team.joins("Eve", "viewer")
    assert team.key(eve).note.scopes == ("read",)
    assert refusal(team.key, eve, "sessions:write").code == "key_too_wide"
    only_admin = team.asking(team.key(team.ada, "admin").secret)
    refused = refusal(team.keys.create, only_admin, NewKey(name="n", user_id=eve.user_id))
    assert refused.code == "key_too_wide", "nothing of what the asking key has is left for a viewer"


def test_a_key_that_ends_makes_none_that_lives_longer(team: Team, bob: User) -> None:
    """Catches a borrowed key that makes itself a lasting one."""
    asking = team.asking(team.key(bob, expires_in_s=100.0).secret)
    assert team.keys.create(asking, NewKey(name="n")).note.expires_at == asking.expires_at
    assert team.keys.create(asking, NewKey(name="n", expires_in_s=50.0)).note.expires_at == team.clock.now() + 50
    refused = refusal(team.keys.create, asking, NewKey(name="n", expires_in_s=101.0))
    assert (refused.code, refused.field) == ("key_too_wide", "expires_in")


def test_for_others_only_an_admin_makes_keys_and_for_owners_only_an_owner(team: Team, bob: User) -> None:
    """Catches an admin who makes a key of the owner's, and with it becomes one."""
    member = team.asking(team.key(bob).secret)
    admin = team.asking(team.key(team.joins("Adam", "admin")).secret)
    assert refusal(team.keys.create, member, NewKey(name="n", user_id=team.ada.user_id)).code == ("role_not_allowed")
    assert team.keys.create(admin, NewKey(name="n", user_id=bob.user_id)).note.user_id == bob.user_id
    assert refusal(team.keys.create, admin, NewKey(name="n", user_id=team.ada.user_id)).code == "owners_only"


def test_nobody_unknown_or_removed_gets_a_key(team: Team, bob: User) -> None:
    assert refusal(team.keys.create, team.ada_asking, NewKey(name="n", user_id="user_x")).code == ("user_not_found")
    team.people.remove(team.ada_asking, bob.user_id)
    assert refusal(team.key, bob).code == "user_not_found"
    assert refusal(team.keys.mint, bob, "late", ("read",)).code == "user_not_found"
    assert team.flaws() == []


def test_a_key_too_many_is_refused_and_leaves_nothing(team: Team, bob: User) -> None:
    team.people.change_tenant(team.ada_asking, None, {"max_api_keys": 2})
    second = team.key(bob)
    refused = refusal(team.key, bob)
    assert (refused.code, refused.field) == ("limit_reached", "max_api_keys")
    assert len(team.secrets) == len(team.stores.tenants.all_notes(team.tenant_id)) == 2
    team.keys.revoke(team.ada_asking, second.note.key_id)
    team.key(bob, expires_in_s=60.0)
    team.clock.time += 61
    team.key(bob)


# ---- using


def test_a_use_is_noted_once_an_hour(team: Team, bob: User) -> None:
    """Catches a write at every request."""
    made, ada = team.key(bob), team.ada_asking
    began = team.clock.now()
    team.io.clear()
    for _ in range(3):
        team.asking(made.secret)
        team.clock.time += USE_EVERY_S / 3
    assert team.keys.get(ada, made.note.key_id).last_used_at == began
    assert (team.io.count("tenants.use_key"), team.io.count("tenants.note_use")) == (1, 1)
    team.asking(made.secret)
    assert team.keys.get(ada, made.note.key_id).last_used_at == began + USE_EVERY_S


def test_a_key_opens_nothing_from_the_moment_it_ends(team: Team, bob: User) -> None:
    made = team.key(bob, expires_in_s=60.0)
    team.clock.time += 59.5
    assert is_open(team, made.secret)
    team.clock.time += 0.5
    assert not is_open(team, made.secret)
    assert not is_open(team, "moor_" + "0" * 48)


def test_a_role_that_a_dead_writer_left_behind_is_put_right_by_the_next_use(team: Team, bob: User) -> None:
    """Catches somebody who stays an admin because the request that changed it died halfway."""
    made = team.key(bob)
    was = team.user(bob)
    team.stores.users.put(replace(was, role="viewer", version=2), was, 10)
    assert team.asking(made.secret).role == "viewer"
    team.stores.users.put(replace(was, role="member", version=3), team.user(bob), 10)
    assert team.asking(made.secret).role == "viewer", "within the hour nothing is looked at again"
    team.clock.time += USE_EVERY_S
    assert team.asking(made.secret).role == "member"


def test_a_key_of_somebody_whose_removal_died_halfway_ends_with_its_next_use(team: Team, bob: User) -> None:
    made = team.key(bob)
    was = team.user(bob)
    team.stores.users.put(replace(was, removed_at=5.0, version=2), was, 10)
    assert not is_open(team, made.secret)
    assert team.hung_up == [made.note.key_id]


def test_a_key_from_before_people_works_and_can_be_listed_once_it_was_used(team: Team) -> None:
    """Catches old keys that an update shuts out, or that nobody can revoke."""
    old = _old_key(team)
    asking = team.asking("moor_old")
    assert (asking.key_id, asking.user_id, asking.owner_id) == (old.key_id, "", old.key_id)
    assert (asking.role, asking.scopes, asking.expires_at) == ("owner", EVERYTHING, None)
    note = team.keys.get(team.ada_asking, old.key_id)
    assert (note.name, note.user_id, note.last_used_at) == ("old", "", team.clock.now())
    listed, _ = team.keys.list(asking, None, False, None, 10)
    assert [one.key_id for one in listed] == [note.key_id, team.ada_key.note.key_id]
    assert refusal(team.keys.create, asking, NewKey(name="n")).code == "user_required"
    rotated = team.keys.rotate(asking, old.key_id, 0.0)
    assert not is_open(team, "moor_old")
    assert team.asking(rotated.secret).owner_id == old.key_id
    team.keys.revoke(team.ada_asking, old.key_id)
    assert not is_open(team, rotated.secret)


# ---- seeing


def test_everybody_sees_their_own_keys_and_an_admin_all(team: Team, bob: User) -> None:
    bobs = [team.key(bob).note.key_id for _ in range(2)]
    member, admin = team.asking(team.key(bob).secret), team.ada_asking
    bobs.append(member.key_id)

    def seen(asking: KeyPrincipal, user_id: str | None = None) -> list[str]:
        return [one.key_id for one in team.keys.list(asking, user_id, False, None, 10)[0]]

    assert seen(member) == seen(member, bob.user_id) == seen(admin, bob.user_id) == bobs[::-1]
    assert seen(admin) == [*bobs[::-1], team.ada_key.note.key_id]
    assert seen(admin, "user_x") == []
    assert refusal(seen, member, team.ada.user_id).code == "role_not_allowed"
    assert refusal(team.keys.get, member, team.ada_key.note.key_id).code == "role_not_allowed"


@pytest.mark.parametrize("key_id", ["key_x", "", "key_#", "tenant", "key_" + "a" * 65])
def test_a_key_that_is_not_there_is_not_found(team: Team, key_id: str) -> None:
    assert refusal(team.keys.get, team.ada_asking, key_id).code == "api_key_not_found"


def test_another_tenants_key_answers_like_one_that_is_not_there(team: Team) -> None:
    foreign = KeyPrincipal(TenantId("ten_x"), KeyId("key_x"))
    there, absent = (
        refusal(team.keys.get, foreign, team.ada_key.note.key_id).message.replace(team.ada_key.note.key_id, "K"),
        refusal(team.keys.get, foreign, "key_y").message.replace("key_y", "K"),
    )
    assert there == absent


# ---- replacing


def test_a_replaced_secret_opens_for_its_time_of_grace(team: Team, bob: User) -> None:
    made = team.key(bob)
    second = team.keys.rotate(team.ada_asking, made.note.key_id, 600.0)
    assert second.note.key_id == made.note.key_id
    assert second.secret != made.secret
    assert team.asking(second.secret).expires_at is None
    team.clock.time += 599.5
    assert is_open(team, made.secret)
    team.clock.time += 0.5
    assert not is_open(team, made.secret)
    assert is_open(team, second.secret)
    assert team.hung_up == []


def test_without_grace_every_older_secret_ends_at_once_and_what_it_opened(team: Team, bob: User) -> None:
    """Catches a leaked secret that lives on because it had been replaced once before."""
    made = team.key(bob)
    second = team.keys.rotate(team.ada_asking, made.note.key_id, GRACE_S)
    third = team.keys.rotate(team.ada_asking, made.note.key_id, 0.0)
    assert [is_open(team, one.secret) for one in (made, second, third)] == [False, False, True]
    assert team.hung_up == [made.note.key_id]


def test_a_replaced_secret_does_not_outlive_its_key(team: Team, bob: User) -> None:
    made = team.key(bob, expires_in_s=100.0)
    second = team.keys.rotate(team.ada_asking, made.note.key_id, GRACE_S)
    assert team.asking(second.secret).expires_at == team.asking(made.secret).expires_at == made.note.expires_at


def test_a_secret_that_is_being_replaced_makes_nothing_that_lasts(team: Team, bob: User) -> None:
    """Catches a leaked secret whose thief, within the time of grace, takes the key over."""
    made = team.key(bob)
    team.keys.rotate(team.ada_asking, made.note.key_id, GRACE_S)
    thief = team.asking(made.secret)
    assert refusal(team.keys.rotate, thief, made.note.key_id, GRACE_S).code == "key_too_wide"
    made_by_thief = team.keys.create(thief, NewKey(name="n"))
    assert made_by_thief.note.expires_at == team.clock.now() + GRACE_S


def test_a_narrow_key_does_not_get_the_secret_of_a_wider_one(team: Team, bob: User) -> None:
    """Catches a read-only key that rotates its person's best key and is shown the new secret."""
    wide = team.key(bob)
    narrow = team.asking(team.key(bob, "read").secret)
    assert refusal(team.keys.rotate, narrow, wide.note.key_id, 0.0).code == "key_too_wide"
    assert is_open(team, wide.secret)
    assert team.keys.rotate(team.asking(wide.secret), wide.note.key_id, 0.0).note.scopes == wide.note.scopes


def test_what_has_ended_is_not_replaced(team: Team, bob: User) -> None:
    short, gone = team.key(bob, expires_in_s=60.0), team.key(bob)
    team.keys.revoke(team.ada_asking, gone.note.key_id)
    team.clock.time += 60.0
    for one in (short, gone):
        refused = refusal(team.keys.rotate, team.ada_asking, one.note.key_id, 0.0)
        assert (refused.code, refused.status) == ("api_key_ended", 409)


def test_a_secret_whose_replacement_died_halfway_ends_before_it_is_forgotten(team: Team, bob: User) -> None:
    """Catches a secret that still opens, and stands in no note that anybody could revoke."""
    made = team.key(bob)
    note = team.stores.tenants.note(team.tenant_id, made.note.key_id)
    assert note is not None
    ending = KeySecret(note.secrets[0].key_hash, team.clock.now() + 10.0)
    died = replace(note, secrets=(KeySecret("ff" * 32), ending), version=2)
    assert team.stores.tenants.put_note(died)
    team.clock.time += 60.0
    team.keys.rotate(team.ada_asking, made.note.key_id, 0.0)
    assert not is_open(team, made.secret)
    assert team.flaws() == []


# ---- revoking


def test_a_revoked_key_opens_nothing_and_what_it_opened_is_closed(team: Team, bob: User) -> None:
    made = team.key(bob)
    second = team.keys.rotate(team.ada_asking, made.note.key_id, GRACE_S)
    assert is_open(team, second.secret)
    team.keys.revoke(team.ada_asking, made.note.key_id)
    assert not is_open(team, made.secret)
    assert not is_open(team, second.secret)
    assert team.hung_up == [made.note.key_id]
    assert revoked(team) == {made.note.key_id}


def test_revoking_again_does_what_is_left_to_do(team: Team, bob: User) -> None:
    """Catches a revocation that died halfway and can't be asked for again."""
    made = team.key(bob)
    first = team.keys.revoke(team.ada_asking, made.note.key_id)
    team.clock.time += 5
    assert team.keys.revoke(team.ada_asking, made.note.key_id).revoked_at == first.revoked_at
    assert team.hung_up == [made.note.key_id] * 2


def test_everybody_revokes_their_own_and_only_an_owner_those_of_owners(team: Team, bob: User) -> None:
    one, other = team.key(bob), team.key(bob, "read")
    team.keys.revoke(team.asking(other.secret), one.note.key_id)
    admin = team.asking(team.key(team.joins("Adam", "admin")).secret)
    assert refusal(team.keys.revoke, admin, team.ada_key.note.key_id).code == "owners_only"
    assert refusal(team.keys.rotate, admin, team.ada_key.note.key_id, 0.0).code == "owners_only"
    team.keys.revoke(admin, other.note.key_id)
    assert revoked(team) == {one.note.key_id, other.note.key_id}


def _old_key(team: Team) -> ApiKey:
    old = ApiKey(
        key_hash=token_hash("moor_old"),
        key_id=KeyId("key_old"),
        tenant_id=team.tenant_id,
        name="old",
        created_at=1.0,
    )
    team.stores.tenants.put_key(old)
    return old
