"""Runtimes: the laptops, the hashes of their tokens, and the connect codes that enrol them."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from ..core.catalog import ConnectCode, Runtime, RuntimeToken
from ..core.errors import BadRequest
from ..core.session_token import Canary
from ..wire.ids import RuntimeId, TenantId
from .table import Records, Secrets, Table, save, ttl_of, update, written

_Actions = list[Action]

_CHANGING = ("revoked_at", "expires_at", "last_used_at")
"""What of a token changes after it was written, and stands beside the body."""


class ConnectCodes(Table):
    """One item is one connect code. What the spending write asks for stands beside the body."""

    suffix = "codes"

    code_hash = UnicodeAttribute(hash_key=True)
    body = UnicodeAttribute()
    state_hash = UnicodeAttribute()
    code_challenge = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()
    used_at = NumberAttribute(null=True)
    ttl = NumberAttribute()


class Runtimes:
    """Laptops, their tokens and the codes that enrol them."""

    def __init__(self, records: type[Records], secrets: type[Secrets], codes: type[ConnectCodes]) -> None:
        self._records = records
        self._secrets = secrets
        self._codes = codes

    def put(self, runtime: Runtime) -> None:
        """Writes, or writes over, a runtime."""
        body = msgspec.json.encode(runtime).decode()
        self._records(runtime.tenant_id, f"runtime#{runtime.runtime_id}", body=body).save()

    def get(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Runtime | None:
        """The runtime, or None."""
        try:
            return _runtime(self._records.get(tenant_id, f"runtime#{runtime_id}", consistent_read=True))
        except self._records.DoesNotExist:
            return None

    def list(self, tenant_id: TenantId) -> Sequence[Runtime]:
        """All of a tenant's, newest first."""
        rows = self._records.query(tenant_id, self._records.sk.startswith("runtime#"), consistent_read=True)
        return sorted(map(_runtime, rows), key=lambda one: (-one.created_at, one.runtime_id))

    def put_token(self, token: RuntimeToken) -> None:
        """Writes a token."""
        # The note that lets revoking find the token comes first: a token without one could not be revoked.
        self._records(token.tenant_id, _note(token.runtime_id, token.token_hash)).save()
        body = msgspec.json.encode(token).decode()
        changing = {name: getattr(token, name) for name in _CHANGING}
        self._secrets(_pk(token.token_hash), body=body, **changing).save()

    def token(self, token_hash: str) -> RuntimeToken | None:
        """The token with this hash, or None. No tenant: this is how one is found."""
        try:
            row = self._secrets.get(_pk(token_hash), consistent_read=True)
        except self._secrets.DoesNotExist:
            return None
        since = {name: value for name in _CHANGING if (value := getattr(row, name)) is not None}
        return replace(msgspec.json.decode(row.body, type=RuntimeToken), **since)

    def tokens(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Sequence[RuntimeToken]:
        """All of a runtime's tokens, newest first. One request for each, and one to find them."""
        prefix = _note(runtime_id, "")
        notes = self._records.query(tenant_id, self._records.sk.startswith(prefix), consistent_read=True)
        found = [self.token(note.sk.removeprefix(prefix)) for note in notes]
        # The note may be there without its token, whose writer died in between: nobody was told that token.
        return sorted((one for one in found if one), key=lambda one: (-one.created_at, one.token_id))

    def use_token(self, token_hash: str, now: float, unless_since: float) -> bool:
        """Writes that a token was used at ``now``. False when that was written after ``unless_since`` already."""
        used = self._secrets.last_used_at
        return self._change(token_hash, [used.set(now)], used.does_not_exist() | (used <= unless_since))

    def end_token(self, token_hash: str, at: float) -> None:
        """Lets a token end at ``at``, unless it ends before that anyway."""
        ends = self._secrets.expires_at
        self._change(token_hash, [ends.set(at)], ends.does_not_exist() | (ends > at))

    def revoke_token(self, token_hash: str, now: float) -> None:
        """Marks a token as revoked. The first time counts."""
        revoked = self._secrets.revoked_at
        self._change(token_hash, [revoked.set(now)], revoked.does_not_exist())

    def revoke_tokens(self, tenant_id: TenantId, runtime_id: RuntimeId, now: float) -> None:
        """Marks all of a runtime's tokens as revoked. One request for each token, and one to find them."""
        prefix = _note(runtime_id, "")
        for note in self._records.query(tenant_id, self._records.sk.startswith(prefix), consistent_read=True):
            self.revoke_token(note.sk.removeprefix(prefix), now)

    def delete(self, tenant_id: TenantId, runtime_id: RuntimeId) -> None:
        """Deletes a runtime if it is there; its tokens stay, for whoever asks why they open nothing."""
        self._records(tenant_id, f"runtime#{runtime_id}").delete()

    def canary(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Canary | None:
        """The laptop's newest canary, or None."""
        try:
            row = self._records.get(tenant_id, _canary(runtime_id), consistent_read=True)
        except self._records.DoesNotExist:
            return None
        return msgspec.json.decode(row.body or "", type=Canary)

    def put_canary(self, canary: Canary, was: Canary | None) -> bool:
        """Writes a laptop's newest canary. False when the newest one is not ``was``."""
        body = msgspec.json.encode(canary).decode()
        is_same: Condition = self._records.body.does_not_exist()
        if was is not None:
            is_same = self._records.body == msgspec.json.encode(was).decode()
        standing = save(self._records(canary.tenant_id, _canary(canary.runtime_id), body=body), is_same)
        # Our own put stands in the way of itself when its answer was lost and it was tried again.
        return standing is None or standing.body == body

    def put_code(self, code: ConnectCode) -> None:
        """Writes a connect code, if there is none of its hash: one that was used up stays so."""
        row = self._codes(
            code.code_hash,
            body=msgspec.json.encode(code).decode(),
            state_hash=code.state_hash,
            code_challenge=code.code_challenge,
            expires_at=code.expires_at,
            used_at=code.used_at,
            ttl=ttl_of(code.expires_at),
        )
        save(row, self._codes.code_hash.does_not_exist())

    def spend_code(self, code_hash: str, state_hash: str, code_challenge: str | None, now: float) -> ConnectCode:
        """Uses a code up, by one conditional write that also reads it: of any number of callers one wins.

        A wrong state or verifier does not use the code up, and learns nothing of it.

        Args:
            code_hash: hash of the code.
            state_hash: hash of the state it must be bound to.
            code_challenge: what the caller's verifier gives, or None. It must equal the code's if the code has one.
            now: epoch seconds.

        Raises:
            BadRequest: ``code_invalid`` (unknown, wrong state or wrong verifier), ``code_expired``, ``code_used``.
        """
        codes = self._codes
        # Of any number of callers the first one's write makes this false for the others.
        is_unused = codes.used_at.does_not_exist()
        # DynamoDB deletes late.
        is_alive = codes.expires_at > now
        # Whoever intercepted the code alone does not know the state. A code that does not exist has none either.
        is_for_state = codes.state_hash == state_hash
        # A code without a challenge asks for no verifier; one with a challenge takes its own only.
        is_verified = codes.code_challenge.does_not_exist()
        if code_challenge is not None:
            is_verified = is_verified | (codes.code_challenge == code_challenge)
        condition = is_unused & is_alive & is_for_state & is_verified
        done, row = update(codes(code_hash), [codes.used_at.set(now)], condition)
        code = replace(msgspec.json.decode(row.body, type=ConnectCode), used_at=row.used_at) if row else None
        if code is None or not done:
            raise _refusal(code, state_hash, code_challenge)
        return code

    def _change(self, token_hash: str, actions: _Actions, condition: Condition) -> bool:
        row = self._secrets(_pk(token_hash))
        # An update would otherwise make a row of its own for a hash that nobody has.
        is_there = self._secrets.body.exists()
        return written(lambda: row.update(actions, is_there & condition))


def _refusal(code: ConnectCode | None, state_hash: str, code_challenge: str | None) -> BadRequest:
    """Why a code was not spent, from how it stood when the write was refused."""
    if (
        code is None
        or not hmac.compare_digest(code.state_hash, state_hash)
        or (code.code_challenge is not None and not hmac.compare_digest(code.code_challenge, code_challenge or ""))
    ):
        return BadRequest("code_invalid", "This connect code is unknown, or not for this state and verifier.")
    if code.used_at is not None:
        return BadRequest("code_used", "This connect code was used before; make a new one.")
    return BadRequest("code_expired", "This connect code has expired; make a new one.")


def _runtime(row: Records) -> Runtime:
    return msgspec.json.decode(row.body or "", type=Runtime)


def _note(runtime_id: RuntimeId, token_hash: str) -> str:
    return f"token#{runtime_id}#{token_hash}"


def _canary(runtime_id: RuntimeId) -> str:
    return f"canary#{runtime_id}"


def _pk(token_hash: str) -> str:
    return f"token#{token_hash}"
