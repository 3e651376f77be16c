"""A tenant with people and keys over in-memory stores, and those who act on it at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from greenlet import GreenletExit, getcurrent, greenlet

from chalicelib.actors.api_keys import ApiKeys, Minted, NewKey
from chalicelib.actors.assembly import assemble
from chalicelib.actors.people import People
from chalicelib.actors.ports import Stores
from chalicelib.actors.session_tokens import SessionTokens
from chalicelib.actors.tenancy import Tenancy
from chalicelib.core.access import EVERYTHING, KeyPrincipal, Right, Role
from chalicelib.core.catalog import ApiKey, Tenant, User
from chalicelib.core.errors import MooringError
from chalicelib.wire.ids import TenantId
from tests.fakes import FakeClock, Phase, fake_stores


def tokens_of(stores: Stores, keys: ApiKeys) -> SessionTokens:
    """The session tokens of a plane whose sockets nobody looks at."""
    return SessionTokens(stores, keys, assemble(stores, lambda *_: None).sessions.head, lambda *_: None)


class Team:
    """A plane with one tenant, in which Ada is the only owner.

    Attributes:
        io: everything that its stores were asked for.
        hung_up: whose connections were ended.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.io: list[str] = []
        self._main = getcurrent()
        self.stores = fake_stores(self.clock, on_io=self._on_io)
        self.hung_up: list[str] = []
        self.keys = ApiKeys(self.stores, lambda _, key_id: self.hung_up.append(key_id))
        self.people = People(self.stores, self.keys)
        self.tenancy = Tenancy(self.stores, self.people, self.keys, tokens_of(self.stores, self.keys))
        self.tenant: Tenant = self.people.found("Bees")
        self.ada = self.joins("Ada", "owner")
        self.ada_key = self.keys.mint(self.ada, "admin", EVERYTHING)

    @property
    def tenant_id(self) -> TenantId:
        """The tenant."""
        return self.tenant.tenant_id

    # ---- who asks

    @property
    def ada_asking(self) -> KeyPrincipal:
        """Ada, with her first key."""
        return self.asking(self.ada_key.secret)

    def asking(self, secret: str) -> KeyPrincipal:
        """Whoever shows a secret."""
        principal = self.tenancy.principal(secret)
        assert isinstance(principal, KeyPrincipal)
        return principal

    def joins(self, name: str, role: Role) -> User:
        """Somebody becomes one of the tenant's people."""
        return self.people.join(self.tenant_id, name, None, role)

    def key(self, user: User, *scopes: Right, expires_in_s: float | None = None) -> Minted:
        """Ada makes a key for somebody."""
        new = NewKey(name="a key", user_id=user.user_id, scopes=scopes or None, expires_in_s=expires_in_s)
        return self.keys.create(self.ada_asking, new)

    def user(self, user: User) -> User:
        """A person as they are now."""
        return self.people.get(self.tenant_id, user.user_id)

    # ---- what there is

    @property
    def secrets(self) -> dict[str, ApiKey]:
        """Every secret that was ever written, by its hash."""
        return self.stores.tenants.keys  # type: ignore[attr-defined, no-any-return]  # The fakes' own.

    def flaws(self) -> list[str]:
        """What is wrong with the secrets that open something."""
        found = []
        now = self.clock.now()
        for one in self.secrets.values():
            note = self.stores.tenants.note(one.tenant_id, one.key_id)
            said = f"{one.key_id} of {one.user_id} ({one.key_hash[:6]})"
            if one.revoked_at is not None or (one.expires_at is not None and one.expires_at <= now):
                continue
            if note is None or one.key_hash not in [each.key_hash for each in note.secrets]:
                found.append(f"{said} opens, and its tenant can't find it")
                continue
            user = self.people.get(one.tenant_id, note.user_id)
            if note.revoked_at is not None or user.removed_at is not None:
                found.append(f"{said} opens, though revoked or its person removed")
            if one.role != user.role:
                found.append(f"{said} is a {one.role}'s, its person a {user.role}")
            ends = next(each.expires_at for each in note.secrets if each.key_hash == one.key_hash)
            if ends is not None and (one.expires_at is None or one.expires_at > ends):
                found.append(f"{said} was replaced and does not end")
        if not [one for one in self.people.list(self.tenant_id, False, None, 100)[0] if one.is_owner]:
            found.append("nobody is an owner")
        return found

    # ---- at the same time

    def at_once(self, acts: Sequence[Callable[[], object]], choose: Callable[[int], int]) -> list[Act]:
        """Several act at once: each gives way before it asks a store for anything.

        Args:
            acts: what they do.
            choose: of how many, who goes on; a negative number kills the one that it would be counted from the end.
        """
        doing = [Act(one) for one in acts]
        living = list(doing)
        while living:
            chosen = choose(len(living))
            one = living[abs(chosen) % len(living)]
            if chosen < 0:
                one.kill()
            else:
                one.go_on()
            living = [each for each in living if not each.dead]
        return doing

    def _on_io(self, name: str, phase: Phase) -> None:
        if phase == "before":
            self.io.append(name)
            if getcurrent() is not self._main:
                self._main.switch()


@dataclass
class Act:
    """Something that one of several does. A refusal is one of the ways in which it ends."""

    do: Callable[[], object]
    refused: MooringError | None = None
    killed: bool = False
    _running: greenlet = field(init=False)

    def __post_init__(self) -> None:
        self._running = greenlet(self._do)

    @property
    def dead(self) -> bool:
        """Whether it has ended."""
        return self._running.dead

    def go_on(self) -> None:
        """Does the next piece."""
        self._running.switch()

    def kill(self) -> None:
        """Dies where it is."""
        self.killed = True
        self._running.throw(GreenletExit)

    def _do(self) -> None:
        try:
            self.do()
        except MooringError as exc:
            self.refused = exc
