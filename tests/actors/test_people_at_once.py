"""People and keys that change at the same moment, in every order that can be thought of, and those who die halfway.

Each schedule lets several act at once over the in-memory stores; `tests/stores/test_users.py` has the writes that must
be one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.actors.api_keys import USE_EVERY_S, NewKey
from chalicelib.core.catalog import ApiKey, User, in_force
from tests.actors.team import Team

WHAT = (
    "make a key",
    "rotate",
    "rotate at once",
    "revoke",
    "to viewer",
    "to admin",
    "to owner",
    "to member",
    "remove",
    "use",
    "use an hour later",
)


class Scene:
    """Bob is a member with a key, and things happen to him."""

    def __init__(self) -> None:
        self.team = Team()
        self.bob: User = self.team.joins("Bob", "member")
        self.key = self.team.key(self.bob)
        self.ada = self.team.ada_asking

    def act(self, what: str) -> Callable[[], object]:
        """One of the things that can happen."""
        keys, people, key_id = self.team.keys, self.team.people, self.key.note.key_id
        if what.startswith("to "):
            return partial(people.change, self.ada, self.bob.user_id, role=what.removeprefix("to "))
        acts: dict[str, Callable[[], object]] = {
            "make a key": partial(keys.create, self.ada, NewKey(name="b", user_id=self.bob.user_id)),
            "rotate": partial(keys.rotate, self.ada, key_id, 600.0),
            "rotate at once": partial(keys.rotate, self.ada, key_id, 0.0),
            "revoke": partial(keys.revoke, self.ada, key_id),
            "remove": partial(people.remove, self.ada, self.bob.user_id),
            "use": partial(keys.used, self.key.note.secrets[0].key_hash),
            "use an hour later": self._use_later,
        }
        return acts[what]

    def _use_later(self) -> None:
        self.team.clock.time += USE_EVERY_S
        self.team.keys.used(self.key.note.secrets[0].key_hash)

    def use_every_secret(self) -> None:
        """An hour later somebody shows every secret there is."""
        self.team.clock.time += USE_EVERY_S
        for key_hash in list(self.team.secrets):
            self.team.keys.used(key_hash)


@settings(max_examples=600, deadline=None)
@given(what=st.lists(st.sampled_from(WHAT), min_size=2, max_size=3), data=st.data())
def test_whatever_happens_at_once_every_secret_ends_as_it_should(what: list[str], data: st.DataObject) -> None:
    """Catches a key that keeps a role its person has lost, or outlives its revocation, its person or its rotation."""
    scene = Scene()
    done = scene.team.at_once([scene.act(one) for one in what], lambda n: data.draw(st.integers(0, n - 1)))
    assert scene.team.flaws() == []
    if any(one.refused is None for one, name in zip(done, what, strict=True) if name == "revoke"):
        secrets = [one for one in scene.team.secrets.values() if one.key_id == scene.key.note.key_id]
        assert all(one.revoked_at is not None for one in secrets), "whoever revoked it was told that it is"


@settings(max_examples=600, deadline=None)
@given(what=st.lists(st.sampled_from(WHAT), min_size=1, max_size=3), data=st.data())
def test_whoever_dies_halfway_leaves_nothing_that_lasts_longer_than_an_hour_of_use(
    what: list[str], data: st.DataObject
) -> None:
    """Catches a key that works and can't be listed or revoked, and one whose wrong role nothing ever puts right."""
    scene = Scene()
    scene.team.at_once([scene.act(one) for one in what], lambda n: data.draw(st.integers(-n, n - 1)))
    assert [one for one in scene.team.flaws() if "can't find" in one or "nobody" in one] == []
    scene.use_every_secret()
    assert scene.team.flaws() == []


@settings(max_examples=200, deadline=None)
@given(what=st.lists(st.sampled_from(["to member", "remove"]), min_size=2, max_size=2), data=st.data())
def test_owners_who_turn_on_each_other_leave_one(what: list[str], data: st.DataObject) -> None:
    """Catches a tenant that nobody can administer any more."""
    team = Team()
    bob = team.joins("Bob", "owner")
    acts = [
        partial(team.people.change, team.ada_asking, whom.user_id, role="member")
        if one == "to member"
        else partial(team.people.remove, team.ada_asking, whom.user_id)
        for one, whom in zip(what, (team.ada, bob), strict=True)
    ]
    done = team.at_once(acts, lambda n: data.draw(st.integers(0, n - 1)))
    assert sorted(one.refused.code for one in done if one.refused) == ["last_owner"]
    assert team.flaws() == []


@settings(max_examples=200, deadline=None)
@given(room=st.integers(0, 2), data=st.data())
def test_keys_made_at_once_do_not_exceed_the_limit(room: int, data: st.DataObject) -> None:
    """Catches a count from before the others' keys were there."""
    team = Team()
    bob, ada = team.joins("Bob", "member"), team.ada_asking
    team.people.change_tenant(ada, None, {"max_api_keys": 1 + room})
    new = NewKey(name="b", user_id=bob.user_id)
    done = team.at_once([partial(team.keys.create, ada, new)] * 3, lambda n: data.draw(st.integers(0, n - 1)))
    kept = [one for one in team.stores.tenants.all_notes(team.tenant_id) if in_force(one, team.clock.now())]
    assert len(kept) <= 1 + room
    assert {one.refused.code for one in done if one.refused} == {"limit_reached"}
    assert len(team.secrets) == len(kept), "whoever was refused left no secret behind"


@pytest.mark.parametrize("role", ["viewer", "admin", "owner"])
def test_a_key_that_is_made_while_the_role_changes_ends_with_the_new_one(role: str) -> None:
    """The race by itself, at every point of it: the change happens whole between two of the maker's requests."""
    for point in range(20):
        scene = Scene()
        turns = iter([0] * point)
        scene.team.at_once([scene.act("make a key"), scene.act(f"to {role}")], partial(_then_the_last, turns))
        roles: set[str] = {one.role for one in scene.team.secrets.values() if _is_bobs(scene, one)}
        assert roles == {role}, f"after {point} requests"


def _then_the_last(turns: Iterator[int], n: int) -> int:
    return min(next(turns, n - 1), n - 1)


def _is_bobs(scene: Scene, one: ApiKey) -> bool:
    return one.user_id == scene.bob.user_id
