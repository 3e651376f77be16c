"""Tenant limits: how many things of a kind a tenant may have, and how many bytes.

Whoever makes one counts those there are and asks ``leave_room``; whoever may make two at once counts after writing, and
takes back what is too much.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from .errors import TooMany

LimitName = Literal["max_users", "max_api_keys", "max_runtimes", "max_agents", "max_sessions", "max_file_bytes"]

_RETRY_AFTER_S: Final = 60
"""Somebody must remove something first; sooner than this nobody will have (seconds)."""


class TenantLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits of one tenant. Only what differs from these defaults is kept, so that better defaults reach all."""

    max_users: int = 100
    max_api_keys: int = 500
    max_runtimes: int = 200
    max_agents: int = 1_000
    max_sessions: int = 10_000
    max_file_bytes: int = 10 * 1024**3

    def leave_room(self, name: LimitName, others: int) -> None:
        """Raises TooMany ``limit_reached``, naming the limit, unless one more goes beside the ``others``."""
        most: int = getattr(self, name)
        if others >= most:
            raise TooMany(
                "limit_reached",
                f"This tenant may have {most} ({name}) and has them; remove one, or have the limit raised.",
                field=name,
                retry_after_s=_RETRY_AFTER_S,
            )
