"""In-memory twin of the store of machines that wait; `tests/fakes.py` has the others and says what they are for."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from chalicelib.core.devices import DeviceRequest, DeviceVerdict
from chalicelib.wire.ids import TenantId
from tests.fake_io import Fake, io_point


@dataclass
class FakeDevices(Fake):
    """Machines that wait. `guesses` has how many there were, and until when they count."""

    rows: dict[str, DeviceRequest] = field(default_factory=dict)
    guesses: dict[TenantId, tuple[int, float]] = field(default_factory=dict)
    port = "devices"

    @io_point
    def put(self, request: DeviceRequest, now: float) -> bool:
        standing = self.rows.get(request.user_code_hash)
        if standing is not None and standing.expires_at > now:
            return False
        self.rows[request.user_code_hash] = request
        return True

    @io_point
    def get(self, user_code_hash: str, now: float) -> DeviceRequest | None:
        found = self.rows.get(user_code_hash)
        return found if found and found.expires_at > now else None

    @io_point
    def poll(
        self, user_code_hash: str, device_hash: str, now: float, unless_since: float
    ) -> tuple[bool, DeviceRequest | None]:
        found = self.rows.get(user_code_hash)
        if found is None or found.device_hash != device_hash or found.expires_at <= now:
            return False, None
        if found.polled_at is not None and found.polled_at > unless_since:
            return False, found
        self.rows[user_code_hash] = replace(found, polled_at=now)
        return True, self.rows[user_code_hash]

    @io_point
    def decide(self, request: DeviceRequest, verdict: DeviceVerdict) -> bool:
        found = self.rows.get(request.user_code_hash)
        if found is None or found.device_hash != request.device_hash:
            return False
        if found.verdict is not None or found.expires_at <= verdict.at:
            return False
        self.rows[request.user_code_hash] = replace(found, verdict=verdict)
        return True

    @io_point
    def take_guess(self, tenant_id: TenantId, most: int, now: float, until: float) -> bool:
        n, ends = self.guesses.get(tenant_id, (0, now))
        if ends <= now:
            n, ends = 0, until
        if n >= most:
            return False
        self.guesses[tenant_id] = n + 1, ends
        return True

    @io_point
    def give_back(self, tenant_id: TenantId, now: float) -> None:
        n, ends = self.guesses.get(tenant_id, (0, now))
        if ends > now and n > 0:
            self.guesses[tenant_id] = n - 1, ends
