"""Canaries: a laptop has a session made by which it proves, with its own token alone, that everything between works.

Of each laptop one such session at most is open. The row that names the newest one is written first and decides among
those who ask at once; whoever finds another one in it afterwards takes its own session back.
"""

from __future__ import annotations

import math
from typing import Final

from ..core.access import RuntimePrincipal
from ..core.canary import MARK, canary_agent
from ..core.errors import NotFound, TooMany
from ..core.session_token import Canary
from ..wire.ids import SessionId, TenantId
from ..wire.limits import MESSAGE_TTL_S
from .agents import timed_id
from .enrolment import Enrolment
from .environments import LOCAL_ENVIRONMENT
from .ports import Stores
from .rooms import Rooms, runtime_not_found
from .session_rows import SessionRows
from .session_tokens import MintedToken, SessionTokens
from .sessions import SessionObjects

EVERY_S: Final = 5.0
"""A laptop may have a canary's session made this often (seconds)."""

TOKEN_LIFE_S: Final = 15 * 60.0
"""How long a canary's token opens (seconds)."""


class Canaries:
    """Makes canaries' sessions."""

    def __init__(
        self,
        stores: Stores,
        rooms: Rooms,
        enrolment: Enrolment,
        sessions: SessionObjects,
        rows: SessionRows,
        tokens: SessionTokens,
    ) -> None:
        self._runtimes = stores.runtimes
        self._clock = stores.clock
        self._rooms = rooms
        self._enrolment = enrolment
        self._sessions = sessions
        self._rows = rows
        self._tokens = tokens

    def send(self, asking: RuntimePrincipal) -> MintedToken:
        """Makes a session with the laptop's canary, in place of the one before, and its token.

        Raises:
            NotFound: ``runtime_not_found``: it was removed.
            TooMany: ``canary_too_soon``: there was another one just now; ``limit_reached``.
        """
        tenant_id = asking.tenant_id
        runtime = self._enrolment.get(tenant_id, asking.runtime_id)
        room = self._rooms.view(runtime.runtime_id)
        if room is None or room.use == "nobody":
            raise runtime_not_found(runtime.runtime_id)
        canary, before = self._claimed(asking)
        if before is not None:
            self._end(tenant_id, before.session_id)
        self._rows.reserve(tenant_id)
        self._sessions.create(
            canary.session_id,
            canary_agent(tenant_id, runtime.runtime_id),
            title="Canary",
            metadata={MARK: runtime.runtime_id},
            environment_id=LOCAL_ENVIRONMENT,
            expires_in_s=MESSAGE_TTL_S,
            at=canary.at,
        )
        if self._runtimes.canary(tenant_id, runtime.runtime_id) != canary:
            # Whoever asked after us may have looked for this session before it was there.
            self._end(tenant_id, canary.session_id)
            raise _too_soon(EVERY_S)
        return self._tokens.for_canary(asking, canary.session_id, room.owner_id, TOKEN_LIFE_S)

    def _claimed(self, asking: RuntimePrincipal) -> tuple[Canary, Canary | None]:
        """The place of the newest canary, taken, and who had it before."""
        now = self._clock.now()
        before = self._runtimes.canary(asking.tenant_id, asking.runtime_id)
        if before is not None and now < before.at + EVERY_S:
            raise _too_soon(before.at + EVERY_S - now)
        canary = Canary(
            runtime_id=asking.runtime_id,
            tenant_id=asking.tenant_id,
            session_id=SessionId(timed_id("sesn", self._clock)),
            at=now,
        )
        if not self._runtimes.put_canary(canary, before):
            raise _too_soon(EVERY_S)
        return canary, before

    def _end(self, tenant_id: TenantId, session_id: SessionId) -> None:
        try:
            self._sessions.delete(tenant_id, session_id)
        except NotFound:
            # The laptop has deleted it itself, as it should.
            return


def _too_soon(wait_s: float) -> TooMany:
    why = "This laptop had a canary's session made just now; wait for a moment."
    return TooMany("canary_too_soon", why, retry_after_s=max(math.ceil(wait_s), 1))
