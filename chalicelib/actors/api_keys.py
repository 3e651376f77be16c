"""API keys: how they are made, found, used, replaced and revoked.

What a key is stands in its note, what its person may do in the person's row; each of its secrets repeats both, so that
who asks is known by one read. Whoever changes a note or a person settles the secrets afterwards, whoever writes a
secret does so too, and both read note and person once more to do it. So of a change and a secret that are written at
the same moment, the later one is followed by somebody who sees both. What a secret repeats only ever goes one way: a
role of a newer version, an earlier end, revoked.

Whoever dies in between leaves secrets that say what was true before. A key in use is settled once an hour; until then,
asking for the same change again does it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ..core.access import EVERYTHING, RIGHTS, KeyPrincipal, Right, Role, token_hash
from ..core.catalog import ApiKey, KeyNote, KeySecret, User, in_force, limits_of, next_secrets
from ..core.errors import BadRequest, Busy, Conflicting, Forbidden, NotFound, TooMany
from ..wire.ids import KeyId, TenantId, UserId
from .agents import timed_id
from .ports import Stores

KEY_BYTES = 24
"""Chance in a key that we make; its hex is 48 characters."""

USE_EVERY_S = 3600.0
"""How often a key's use is written down, and its secrets are settled (seconds)."""

GRACE_S = 24 * 3600.0
"""How long a replaced secret goes on opening, unless it is said otherwise (seconds)."""

MAX_TRIES: Final = 8

HangUp = Callable[[TenantId, str], None]
"""Ends the connections of a key or a session token."""

_KEY_ID = re.compile(r"key_[0-9A-Za-z]{1,64}")


class NewKey(Struct, frozen=True, kw_only=True):
    """What a key is to be; without a ``user_id`` it is for whoever asks, without scopes for all that it can have."""

    name: str
    user_id: str | None = None
    scopes: tuple[Right, ...] | None = None
    expires_in_s: float | None = None


class Minted(Struct, frozen=True):
    """A key, and its newest secret, shown once."""

    note: KeyNote
    secret: str

    def __repr__(self) -> str:
        return f"Minted(note={self.note!r})"


def key_not_found(key_id: str) -> NotFound:
    """The refusal for a key that is absent or another tenant's."""
    return NotFound("api_key_not_found", f"There is no API key {key_id[:80]}.", field="key_id")


class ApiKeys:
    """Keeps keys.

    Args:
        stores: what is remembered.
        hang_up: ends the connections of a key that opens nothing any more.
    """

    def __init__(self, stores: Stores, hang_up: HangUp) -> None:
        self._tenants = stores.tenants
        self._users = stores.users
        self._clock = stores.clock
        self._hang_up = hang_up

    # ---- what people ask for

    def create(self, asking: KeyPrincipal, new: NewKey) -> Minted:
        """Makes a key for a person: for oneself, or with the right ``admin`` for another one.

        Raises:
            Forbidden: ``role_not_allowed``, ``scope_missing``, ``owners_only``; ``key_too_wide``: it could do more than
                its person or than the key that asks, or for longer.
            NotFound: ``user_not_found``.
            BadRequest: ``user_required``: the key that asks is nobody's.
            TooMany: ``limit_reached``.
        """
        user_id = new.user_id or asking.user_id
        if not user_id:
            raise BadRequest("user_required", "This key is nobody's; say whose the new one is to be.", field="user_id")
        if user_id != asking.user_id:
            asking.must("admin")
        user = self._users.get(asking.tenant_id, UserId(user_id))
        if user is None or user.removed_at is not None:
            raise NotFound("user_not_found", f"There is no user {user_id[:80]}.", field="user_id")
        asking.must_govern(user.role)
        scopes = _scopes(asking, user.role, new.scopes)
        expires_at = asking.expires_at if new.expires_in_s is None else self._clock.now() + new.expires_in_s
        asking.must_cover(scopes, expires_at)
        return self.mint(user, new.name, scopes, expires_at)

    def list(
        self, asking: KeyPrincipal, user_id: str | None, hidden: bool, page: str | None, limit: int
    ) -> tuple[Sequence[KeyNote], str | None]:
        """Newest first, with the right ``admin`` those of the tenant, otherwise one's own.

        Args:
            asking: who asks.
            user_id: whose; None for all that may be seen.
            hidden: those that open nothing any more too.
            page: a place that an earlier page gave.
            limit: at most so many.

        Raises:
            Forbidden: ``role_not_allowed``, ``scope_missing``: the keys of another person.
        """
        if user_id is not None and user_id != asking.user_id:
            asking.must("admin")
        now, sees_all = self._clock.now(), asking.may("admin")

        def is_shown(note: KeyNote) -> bool:
            is_meant = note.user_id == user_id if user_id is not None else sees_all or _is_own(asking, note)
            return is_meant and (hidden or in_force(note, now))

        return self._tenants.notes(asking.tenant_id, page, limit, is_shown)

    def get(self, asking: KeyPrincipal, key_id: str) -> KeyNote:
        """A key of one's own, or with the right ``admin`` of another person's.

        Raises:
            NotFound: ``api_key_not_found``, the same for another tenant's.
            Forbidden: ``role_not_allowed``, ``scope_missing``.
        """
        note = self._tenants.note(asking.tenant_id, KeyId(key_id)) if _KEY_ID.fullmatch(key_id) else None
        if note is None:
            raise key_not_found(key_id)
        if not _is_own(asking, note):
            asking.must("admin")
        return note

    def rotate(self, asking: KeyPrincipal, key_id: str, grace_s: float) -> Minted:
        """Gives a key another secret; the one before it ends after ``grace_s`` seconds, 0 for at once.

        Raises:
            NotFound, Forbidden: as ``get``; ``owners_only``; ``key_too_wide``: the key could do more than the one that
                asks, or for longer: one that is being replaced does not make itself good again.
            Conflicting: ``api_key_ended``: it is revoked or has expired.
        """
        secret = self._secret()
        for _ in range(MAX_TRIES):
            note = self._governed(asking, key_id)
            now = self._clock.now()
            # Those of its secrets that have ended are left out below; each must know it by then.
            if not self.settle(note.tenant_id, note.key_id) or not in_force(note, now):
                raise Conflicting("api_key_ended", f"API key {key_id} opens nothing any more; make another one.")
            asking.must_cover(note.scopes, note.expires_at)
            next_one = _with_secret(note, token_hash(secret), now, now + grace_s)
            if self._tenants.put_note(next_one):
                self._put_secret(next_one, self._person(next_one))
                if not grace_s:
                    self._hang_up(note.tenant_id, note.key_id)
                return Minted(next_one, secret)
        raise _busy(key_id)

    def revoke(self, asking: KeyPrincipal, key_id: str) -> KeyNote:
        """Ends a key, and the connections that it opened. Doing it again does what is left to do.

        Raises:
            NotFound, Forbidden: as ``get``; ``owners_only``.
        """
        for _ in range(MAX_TRIES):
            note = self._governed(asking, key_id)
            if note.revoked_at is None:
                note = replace(note, revoked_at=self._clock.now(), version=note.version + 1)
                if not self._tenants.put_note(note):
                    continue
            self.settle(note.tenant_id, note.key_id)
            return note
        raise _busy(key_id)

    # ---- what others need of keys

    def mint(
        self,
        user: User,
        name: str,
        scopes: tuple[Right, ...],
        expires_at: float | None = None,
        secret: str | None = None,
    ) -> Minted:
        """Makes a key for a person, and asks nobody. Nothing that works is left when this ends halfway.

        Args:
            user: the person, as read just now.
            name: what people call the key.
            scopes: what it is narrowed to.
            expires_at: when it ends (epoch seconds), or None.
            secret: one that somebody brings along; None to have one made.

        Raises:
            TooMany: ``limit_reached``.
            NotFound: ``user_not_found``: removed meanwhile.
        """
        secret = secret or self._secret()
        note = KeyNote(
            tenant_id=user.tenant_id,
            key_id=KeyId(timed_id("key", self._clock)),
            user_id=user.user_id,
            name=name,
            scopes=scopes,
            created_at=self._clock.now(),
            secrets=(KeySecret(token_hash(secret)),),
            expires_at=expires_at,
        )
        # First: a secret without its note would open, and nobody could find it to revoke it.
        self._tenants.put_note(note)
        self._leave_room(note)
        if not self._put_secret(note, user):
            raise NotFound("user_not_found", f"User {user.user_id} was removed meanwhile.", field="user_id")
        return Minted(note, secret)

    def used(self, key_hash: str) -> ApiKey | None:
        """The secret with this hash, if it opens anything now: one read, and once an hour what notes its use."""
        now = self._clock.now()
        key = self._tenants.key(key_hash)
        if key is None or not in_force(key, now):
            return None
        if key.last_used_at is not None and now - key.last_used_at < USE_EVERY_S:
            return key
        if self._tenants.use_key(key_hash, now, now - USE_EVERY_S):
            if not self._tenants.note_use(key.tenant_id, key.key_id, now):
                self._adopt(key)
                self._tenants.note_use(key.tenant_id, key.key_id, now)
            self.settle(key.tenant_id, key.key_id)
        key = self._tenants.key(key_hash)
        return key if key is not None and in_force(key, now) else None

    def settle_all(self, user: User) -> None:
        """Settles all of a person's keys. To be called after each change of the person's."""
        for note in self._tenants.all_notes(user.tenant_id):
            if note.user_id == user.user_id:
                self.settle(note.tenant_id, note.key_id)

    def settle(self, tenant_id: TenantId, key_id: KeyId) -> bool:
        """Makes a key's secrets say what its note and its person say now. Returns whether it is good for anything."""
        note = self._tenants.note(tenant_id, key_id)
        if note is None:
            return False
        user = self._person(note)
        if note.revoked_at is None and note.user_id and (user is None or user.removed_at is not None):
            note = replace(note, revoked_at=self._clock.now(), version=note.version + 1)
            # Whoever has changed it meanwhile settles it too, and comes to the same.
            self._tenants.put_note(note)
        for one in note.secrets:
            if note.revoked_at is not None:
                self._tenants.revoke_key(one.key_hash, note.revoked_at)
                continue
            if one.expires_at is not None:
                self._tenants.end_key(one.key_hash, one.expires_at)
            if user is not None:
                self._tenants.give_role(one.key_hash, user.role, user.version)
        if note.revoked_at is not None:
            self._hang_up(tenant_id, key_id)
        return note.revoked_at is None

    # ---- within

    def _governed(self, asking: KeyPrincipal, key_id: str) -> KeyNote:
        """A key that the principal may change."""
        note = self.get(asking, key_id)
        user = self._person(note)
        asking.must_govern(user.role if user else "owner")
        return note

    def _person(self, note: KeyNote) -> User | None:
        return self._users.get(note.tenant_id, UserId(note.user_id)) if note.user_id else None

    def _put_secret(self, note: KeyNote, user: User | None) -> bool:
        """Writes the newest secret of a note. Returns whether the key was still good afterwards."""
        self._tenants.put_key(
            ApiKey(
                key_hash=note.secrets[0].key_hash,
                key_id=note.key_id,
                tenant_id=note.tenant_id,
                name=note.name,
                created_at=self._clock.now(),
                user_id=note.user_id,
                scopes=note.scopes,
                expires_at=note.expires_at,
                role=user.role if user else "owner",
                role_version=user.version if user else 0,
            )
        )
        return self.settle(note.tenant_id, note.key_id)

    def _leave_room(self, note: KeyNote) -> None:
        """Takes a note back that is one too many. Counted after it was written: of two at once each sees the other."""
        now = self._clock.now()
        every = self._tenants.all_notes(note.tenant_id)
        others = [one for one in every if one.key_id != note.key_id and in_force(one, now)]
        limits = limits_of(self._tenants.get(note.tenant_id))
        try:
            limits.leave_room("max_api_keys", len(others))
        except TooMany:
            self._tenants.drop_note(note.tenant_id, note.key_id)
            raise

    def _adopt(self, key: ApiKey) -> None:
        """Writes the note of a key from before there were notes, so that its tenant can list and revoke it."""
        self._tenants.put_note(
            KeyNote(
                tenant_id=key.tenant_id,
                key_id=key.key_id,
                user_id=key.user_id,
                name=key.name,
                scopes=key.scopes,
                created_at=key.created_at,
                secrets=(KeySecret(key.key_hash),),
                expires_at=key.expires_at,
            )
        )

    def _secret(self) -> str:
        return f"moor_{self._clock.token(KEY_BYTES)}"


def _scopes(asking: KeyPrincipal, role: Role, wanted: tuple[Right, ...] | None) -> tuple[Right, ...]:
    """The scopes of a new key, in one order: those wanted, or all that person and asking key can give."""
    beyond = [one for one in wanted or () if one not in RIGHTS[role]]
    if beyond:
        raise Forbidden("key_too_wide", f"A {role} can't have the scope {beyond[0]!r}.", field="scopes")
    given = tuple(one for one in EVERYTHING if one in RIGHTS[role] and one in (wanted or asking.scopes))
    if not given:
        raise Forbidden("key_too_wide", f"This key has no scope that a {role} can have.", field="scopes")
    return given


def _with_secret(note: KeyNote, key_hash: str, now: float, old_ends_at: float) -> KeyNote:
    """The note with another newest secret."""
    secrets = next_secrets(note.secrets, key_hash, now, old_ends_at)
    return replace(note, secrets=secrets, version=note.version + 1)


def _is_own(asking: KeyPrincipal, note: KeyNote) -> bool:
    return note.key_id == asking.key_id or (bool(note.user_id) and note.user_id == asking.user_id)


def _busy(key_id: str) -> Busy:
    return Busy("object_busy", f"Too many change API key {key_id} at once; try again.", retry_after_s=1)
