"""In-memory twins of the stores of plain records; `tests/fakes.py` has the others and says what they are for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import replace

from chalicelib.actors.ports import PutRefused
from chalicelib.core.catalog import ConnectCode, Runtime, RuntimeToken, SessionRow, SessionSummary
from chalicelib.core.details import Details
from chalicelib.core.errors import BadRequest
from chalicelib.core.session_list import RECOUNT_S, Keys
from chalicelib.core.session_token import Canary
from chalicelib.wire.ids import RuntimeId, SessionId, TenantId
from tests.fake_io import Fake, io_point


@dataclass
class FakeRuntimes(Fake):
    """Laptops, their tokens and connect codes."""

    runtimes: dict[tuple[TenantId, RuntimeId], Runtime] = field(default_factory=dict)
    by_hash: dict[str, RuntimeToken] = field(default_factory=dict)
    codes: dict[str, ConnectCode] = field(default_factory=dict)
    canaries: dict[tuple[TenantId, RuntimeId], Canary] = field(default_factory=dict)
    port = "runtimes"

    @io_point
    def canary(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Canary | None:
        return self.canaries.get((tenant_id, runtime_id))

    @io_point
    def put_canary(self, canary: Canary, was: Canary | None) -> bool:
        place = (canary.tenant_id, canary.runtime_id)
        if self.canaries.get(place) not in (was, canary):
            return False
        self.canaries[place] = canary
        return True

    @io_point
    def put(self, runtime: Runtime) -> None:
        self.runtimes[runtime.tenant_id, runtime.runtime_id] = runtime

    @io_point
    def get(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Runtime | None:
        return self.runtimes.get((tenant_id, runtime_id))

    @io_point
    def put_token(self, token: RuntimeToken) -> None:
        self.by_hash[token.token_hash] = token

    @io_point
    def token(self, token_hash: str) -> RuntimeToken | None:
        return self.by_hash.get(token_hash)

    @io_point
    def tokens(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Sequence[RuntimeToken]:
        found = [one for one in self.by_hash.values() if (one.tenant_id, one.runtime_id) == (tenant_id, runtime_id)]
        return sorted(found, key=lambda one: (-one.created_at, one.token_id))

    @io_point
    def use_token(self, token_hash: str, now: float, unless_since: float) -> bool:
        token = self.by_hash.get(token_hash)
        if token is None or (token.last_used_at is not None and token.last_used_at > unless_since):
            return False
        self.by_hash[token_hash] = replace(token, last_used_at=now)
        return True

    @io_point
    def end_token(self, token_hash: str, at: float) -> None:
        token = self.by_hash.get(token_hash)
        if token and (token.expires_at is None or token.expires_at > at):
            self.by_hash[token_hash] = replace(token, expires_at=at)

    @io_point
    def revoke_token(self, token_hash: str, now: float) -> None:
        token = self.by_hash.get(token_hash)
        if token and token.revoked_at is None:
            self.by_hash[token_hash] = replace(token, revoked_at=now)

    @io_point
    def delete(self, tenant_id: TenantId, runtime_id: RuntimeId) -> None:
        self.runtimes.pop((tenant_id, runtime_id), None)

    @io_point
    def revoke_tokens(self, tenant_id: TenantId, runtime_id: RuntimeId, now: float) -> None:
        for key, token in self.by_hash.items():
            if (token.tenant_id, token.runtime_id, token.revoked_at) == (tenant_id, runtime_id, None):
                self.by_hash[key] = replace(token, revoked_at=now)

    @io_point
    def put_code(self, code: ConnectCode) -> None:
        self.codes.setdefault(code.code_hash, code)

    @io_point
    def spend_code(self, code_hash: str, state_hash: str, code_challenge: str | None, now: float) -> ConnectCode:
        code = self.codes.get(code_hash)
        if code is None or code.state_hash != state_hash or code.code_challenge not in (None, code_challenge):
            raise BadRequest("code_invalid", "This connect code is unknown, or not for this state and verifier.")
        if code.used_at is not None:
            raise BadRequest("code_used", "This connect code was used before; make a new one.")
        if code.expires_at <= now:
            raise BadRequest("code_expired", "This connect code has expired; make a new one.")
        self.codes[code_hash] = replace(code, used_at=now)
        return self.codes[code_hash]

    @io_point
    def list(self, tenant_id: TenantId) -> Sequence[Runtime]:
        found = [one for one in self.runtimes.values() if one.tenant_id == tenant_id]
        return sorted(found, key=lambda one: (-one.created_at, one.runtime_id))


_PLACE = re.compile(r"[A-Za-z0-9_-]{1,128}")
V = TypeVar("V")


def newest_first(
    rows: dict[tuple[TenantId, str], V], tenant_id: TenantId, after: str | None, limit: int
) -> tuple[list[V], str | None]:
    """A page of a tenant's rows, as the real stores list them."""
    if after is not None and not _PLACE.fullmatch(after):
        raise BadRequest("bad_page", "This is no place that a list gave.", field="page")
    ids = sorted((one for owner, one in rows if owner == tenant_id and (after is None or one < after)), reverse=True)
    shown = ids[:limit]
    return [rows[tenant_id, one] for one in shown], shown[-1] if len(ids) > limit else None


@dataclass
class FakeSessions(Fake):
    """The rows that lists of sessions show, and how many of a tenant's sessions are open."""

    rows: dict[tuple[TenantId, str], SessionRow] = field(default_factory=dict)
    n_open: dict[TenantId, int] = field(default_factory=dict)
    counted_at: dict[TenantId, float] = field(default_factory=dict)
    first_rows: dict[tuple[TenantId, str], SessionRow] = field(default_factory=dict)
    port = "sessions"

    @io_point
    def put(self, row: SessionRow) -> None:
        key = row.tenant_id, row.session_id
        if key in self.rows:
            if self.first_rows[key] != row:
                raise PutRefused(f"There is another row of session {row.session_id}.")
            return
        self.rows[key] = self.first_rows[key] = row

    @io_point
    def get(self, tenant_id: TenantId, session_id: SessionId) -> SessionRow | None:
        return self.rows.get((tenant_id, session_id))

    @io_point
    def summarise(self, tenant_id: TenantId, session_id: SessionId, summary: SessionSummary) -> None:
        row = self.rows.get((tenant_id, session_id))
        if row is not None and row.summary_n < summary.n:
            self.rows[tenant_id, session_id] = _summed(row, summary)

    @io_point
    def describe(self, tenant_id: TenantId, session_id: SessionId, details: Details, n: int, at: float) -> None:
        row = self.rows.get((tenant_id, session_id))
        if row is not None and row.details_n < n:
            said = replace(row, title=details.title, metadata=details.metadata, details_n=n, updated_at=at)
            self.rows[tenant_id, session_id] = said

    @io_point
    def archive(self, tenant_id: TenantId, session_id: SessionId, summary: SessionSummary) -> None:
        row = self.rows.get((tenant_id, session_id))
        if row is not None and row.archived_at is None:
            self.rows[tenant_id, session_id] = replace(_summed(row, summary), archived_at=summary.at)
            self._release(tenant_id)

    @io_point
    def delete(self, tenant_id: TenantId, session_id: SessionId) -> None:
        was = self.rows.pop((tenant_id, session_id), None)
        if was is not None and was.archived_at is None:
            self._release(tenant_id)

    @io_point
    def reserve(self, tenant_id: TenantId, most: int, now: float) -> bool:
        if self.n_open.get(tenant_id, most) >= most and self.counted_at.get(tenant_id, 0.0) <= now - RECOUNT_S:
            rows = (row for (owner, _), row in self.rows.items() if owner == tenant_id)
            self.n_open[tenant_id] = sum(row.archived_at is None for row in rows)
            self.counted_at[tenant_id] = now
        if self.n_open[tenant_id] >= most:
            return False
        self.n_open[tenant_id] += 1
        return True

    def _release(self, tenant_id: TenantId) -> None:
        if self.n_open.get(tenant_id, 0) > 0:
            self.n_open[tenant_id] -= 1

    @io_point
    def list(self, tenant_id: TenantId, keys: Keys, limit: int) -> tuple[Sequence[SessionRow], str | None]:
        ids = [one for owner, one in self.rows if owner == tenant_id and keys.low <= one <= keys.high]
        if keys.beyond is not None:
            ids = [one for one in ids if (one > keys.beyond if keys.ascending else one < keys.beyond)]
        ids.sort(reverse=not keys.ascending)
        shown = ids[:limit]
        return [self.rows[tenant_id, one] for one in shown], shown[-1] if len(ids) > limit else None


def _summed(row: SessionRow, summary: SessionSummary) -> SessionRow:
    return replace(
        row,
        status=summary.status,
        summary_n=summary.n,
        updated_at=summary.at,
        active_s=summary.active_s,
        running_since=summary.running_since,
    )
