"""Devices: machines that wait to be connected, and how often people named one that there is not."""

from __future__ import annotations

import hmac

import msgspec
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action

from ..core.devices import DeviceRequest, DeviceVerdict
from ..wire.ids import TenantId
from .table import Table, save, ttl_of, update, written


class DeviceRows(Table):
    """One item is one machine that waits, or a tenant's count of guesses. What a condition asks for stands beside."""

    suffix = "devices"

    pk = UnicodeAttribute(hash_key=True)
    body = UnicodeAttribute(null=True)
    device_hash = UnicodeAttribute(null=True)
    polled_at = NumberAttribute(null=True)
    verdict = UnicodeAttribute(null=True)
    n_guesses = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)
    ttl = NumberAttribute(null=True)


class Devices:
    """Machines that wait for a person."""

    def __init__(self, rows: type[DeviceRows]) -> None:
        self._rows = rows

    def put(self, request: DeviceRequest, now: float) -> bool:
        """Writes a new request. False when one that has not expired at ``now`` has its user code."""
        row = self._rows(
            _pk(request.user_code_hash),
            body=msgspec.json.encode(request).decode(),
            device_hash=request.device_hash,
            expires_at=request.expires_at,
            ttl=ttl_of(request.expires_at),
        )
        is_free = self._rows.pk.does_not_exist()
        # DynamoDB deletes late.
        is_over = self._rows.expires_at <= now
        return save(row, is_free | is_over) is None

    def get(self, user_code_hash: str, now: float) -> DeviceRequest | None:
        """The request with this user code, or None when there is none or it had expired at ``now``."""
        try:
            found = _request(self._rows.get(_pk(user_code_hash), consistent_read=True))
        except self._rows.DoesNotExist:
            return None
        return found if found.expires_at > now else None

    def poll(
        self, user_code_hash: str, device_hash: str, now: float, unless_since: float
    ) -> tuple[bool, DeviceRequest | None]:
        """Writes that the machine asked at ``now``, unless it did so after ``unless_since`` too.

        Returns:
            Whether that was written, and the request; None when there is none of both codes, or it had expired.
        """
        rows = self._rows
        # Whoever saw the user code alone learns nothing. A request that does not exist has no device code either.
        is_its_own = rows.device_hash == device_hash
        is_alive = rows.expires_at > now
        # Who asks all the time costs a refused write each.
        is_due = rows.polled_at.does_not_exist() | (rows.polled_at <= unless_since)
        done, row = update(rows(_pk(user_code_hash)), [rows.polled_at.set(now)], is_its_own & is_alive & is_due)
        found = _request(row) if row else None
        if found is None or not hmac.compare_digest(found.device_hash, device_hash) or found.expires_at <= now:
            return False, None
        return done, found

    def decide(self, request: DeviceRequest, verdict: DeviceVerdict) -> bool:
        """Writes the verdict. False when there is one, or the request has expired at the verdict's time."""
        rows = self._rows
        # Of any number of people the first one's write makes this false for the others.
        is_undecided = rows.verdict.does_not_exist()
        is_alive = rows.expires_at > verdict.at
        # The person saw this machine; another one may have got its user code since.
        is_the_same = rows.device_hash == request.device_hash
        said = rows.verdict.set(msgspec.json.encode(verdict).decode())
        row = rows(_pk(request.user_code_hash))
        return written(lambda: row.update([said], is_undecided & is_alive & is_the_same))

    def take_guess(self, tenant_id: TenantId, most: int, now: float, until: float) -> bool:
        """Counts one guess more. False when there were ``most`` in a time that is not over at ``now``.

        The first guess after such a time begins another one, which lasts ``until`` (epoch seconds).
        """
        rows = self._rows
        row, ends, n = rows(_guesses(tenant_id)), rows.expires_at, rows.n_guesses
        first: list[Action] = [n.set(1), ends.set(until), rows.ttl.set(ttl_of(until))]

        def count() -> bool:
            return written(lambda: row.update([n.add(1)], (ends > now) & (n < most)))

        # Somebody else may begin the time in between; then this one is counted after all.
        return count() or written(lambda: row.update(first, ends.does_not_exist() | (ends <= now))) or count()

    def give_back(self, tenant_id: TenantId, now: float) -> None:
        """Counts one guess less, if its time is not over."""
        rows = self._rows
        condition = (rows.expires_at > now) & (rows.n_guesses > 0)
        written(lambda: rows(_guesses(tenant_id)).update([rows.n_guesses.add(-1)], condition))


def _request(row: DeviceRows) -> DeviceRequest:
    found = msgspec.json.decode(row.body or "", type=DeviceRequest)
    verdict = msgspec.json.decode(row.verdict, type=DeviceVerdict) if row.verdict else None
    return replace(found, polled_at=row.polled_at, verdict=verdict)


def _pk(user_code_hash: str) -> str:
    return f"code#{user_code_hash}"


def _guesses(tenant_id: TenantId) -> str:
    return f"guesses#{tenant_id}"
