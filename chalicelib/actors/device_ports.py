"""What the actors need of the world to connect machines that have no browser. ``ports.py`` has the others."""

from __future__ import annotations

from typing import Protocol

from ..core.devices import DeviceRequest, DeviceVerdict
from ..wire.ids import TenantId


class Devices(Protocol):
    """Machines that wait for a person, and how often a tenant's people have named one that there is not.

    No tenant but for the guesses: a machine that waits belongs to nobody yet, and whoever has the user code's hash has
    found it.
    """

    def put(self, request: DeviceRequest, now: float) -> bool:
        """Writes a new request. False when one that has not expired at ``now`` has its user code."""

    def get(self, user_code_hash: str, now: float) -> DeviceRequest | None:
        """The request with this user code, or None when there is none or it had expired at ``now``."""

    def poll(
        self, user_code_hash: str, device_hash: str, now: float, unless_since: float
    ) -> tuple[bool, DeviceRequest | None]:
        """Writes that the machine asked at ``now``, unless it did so after ``unless_since`` too.

        Returns:
            Whether that was written, and the request; None when there is none of both codes, or it had expired.
        """

    def decide(self, request: DeviceRequest, verdict: DeviceVerdict) -> bool:
        """Writes the verdict. False when there is one, or the request has expired at the verdict's time."""

    def take_guess(self, tenant_id: TenantId, most: int, now: float, until: float) -> bool:
        """Counts one guess more. False when there were ``most`` in a time that is not over at ``now``.

        The first guess after such a time begins another one, which lasts ``until`` (epoch seconds).
        """

    def give_back(self, tenant_id: TenantId, now: float) -> None:
        """Counts one guess less, if its time is not over."""
