"""Sessions as people see them: the row that lists show, beside the log that knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..core.access import RuntimePrincipal
from ..core.bundle import bundle_of, canonical_acp_agent
from ..core.catalog import SessionRow
from ..core.errors import BadRequest
from ..core.session import Item
from ..wire.bundle import Bundle
from ..wire.events import Event, Spilled, UserInterrupt, UserMessage, UserToolConfirmation
from ..wire.ids import SessionId, TenantId
from ..wire.limits import MESSAGE_TTL_S
from .agents import AgentDefinitions, timed_id
from .enrolment import Enrolment
from .loop import Cause
from .ports import Stores
from .reading import Reading
from .sessions import STATUS, SessionObjects, no_session

LOCAL_ENVIRONMENT = "env-local-runtime"
"""The environment of every session that names none: the laptop itself."""

_SESSION_ID = re.compile(r"sesn_[0-9A-Za-z]{1,64}")


class NewSession(Struct, frozen=True, kw_only=True):
    """What a session is to be; ``items`` are its first messages, ``expires_in_s`` how long they may wait (seconds)."""

    agent_id: str
    agent_version: int | None = None
    environment_id: str = LOCAL_ENVIRONMENT
    title: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    items: tuple[Item, ...] = ()
    expires_in_s: float = MESSAGE_TTL_S


class SessionPage(Struct, frozen=True):
    """Some sessions, newest first, and the page to go on with, or None."""

    rows: tuple[SessionRow, ...]
    next_page: str | None


def session_id_of(text: str) -> SessionId:
    """A session id as a stranger writes it. One that can't be any answers like an absent one: NotFound."""
    if not _SESSION_ID.fullmatch(text):
        raise no_session(text[:80])
    return SessionId(text)


class SessionRows:
    """Makes, finds and lists sessions."""

    def __init__(
        self,
        stores: Stores,
        sessions: SessionObjects,
        reading: Reading,
        agents: AgentDefinitions,
        enrolment: Enrolment,
    ) -> None:
        self._rows = stores.sessions
        self._clock = stores.clock
        self._sessions = sessions
        self._reading = reading
        self._agents = agents
        self._enrolment = enrolment

    def create(self, tenant_id: TenantId, new: NewSession) -> SessionRow:
        """Makes a session with the agent as it is now.

        Raises:
            NotFound: ``agent_not_found``, ``runtime_not_found``.
            BadRequest: ``agent_not_bound``: the agent has no laptop to run on.
        """
        agent = self._agents.get(tenant_id, new.agent_id, new.agent_version)
        if agent.runtime_binding is None:
            why = f"Agent {agent.agent_id} has no runtime_binding; create one that names a runtime."
            raise BadRequest("agent_not_bound", why, field="agent")
        self._enrolment.get(tenant_id, agent.runtime_binding.runtime_id)
        session_id = SessionId(timed_id("sesn", self._clock))
        row = self._sessions.create(
            session_id,
            agent,
            title=new.title,
            metadata=new.metadata,
            environment_id=new.environment_id,
            items=new.items,
            expires_in_s=new.expires_in_s,
        )
        return self._as_of_now(row)

    def get(self, tenant_id: TenantId, session_id: SessionId) -> SessionRow:
        """A session with its status as of now. Raises NotFound ``session_not_found``, the same for another tenant's."""
        row = self._rows.get(tenant_id, session_id)
        if row is None:
            raise no_session(session_id)
        return self._as_of_now(row)

    def list(self, tenant_id: TenantId, page: str | None, limit: int) -> SessionPage:
        """Newest first, each with its status as of its last change of status."""
        rows, next_page = self._rows.list(tenant_id, page, limit)
        return SessionPage(tuple(rows), next_page)

    def post(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        items: tuple[Item, ...],
        *,
        expires_in_s: float,
        cause: Cause | None,
    ) -> Sequence[dict[str, Any]]:
        """Accepts ``items``, all or none; gives them back as the log has them. Raises as ``SessionObjects.post``."""
        record = self._sessions.post(tenant_id, session_id, items, expires_in_s=expires_in_s, cause=cause)
        posted = replace(record, events=tuple(event for event in record.events if _was_posted(event)))
        return [one.event for one in self._reading.show(tenant_id, session_id, posted, {record.n}, False)]

    def bundle(self, asking: RuntimePrincipal, session_id: SessionId, acp_agent_id: str) -> Bundle:
        """What the session's folder on the laptop gets.

        Raises:
            NotFound: ``session_not_found``: absent, deleted, another tenant's, or bound to another runtime.
            BadRequest: ``agent_mismatch``: the session runs another ACP agent.
        """
        row = self._rows.get(asking.tenant_id, session_id)
        if row is None or row.runtime_id != asking.runtime_id:
            raise no_session(session_id)
        binding = row.agent.runtime_binding
        if binding is None or canonical_acp_agent(acp_agent_id) != binding.acp_agent_id:
            why = f"Session {session_id} does not run {acp_agent_id[:80]!r}."
            raise BadRequest("agent_mismatch", why, field="agent_id")
        return bundle_of(row.agent)

    def _as_of_now(self, row: SessionRow) -> SessionRow:
        head = self._sessions.head(row.tenant_id, row.session_id)
        return replace(row, status=STATUS[head.state.phase], updated_at=max(row.updated_at, head.at))


def _was_posted(event: Event) -> bool:
    posted = UserMessage | UserInterrupt | UserToolConfirmation
    return isinstance(event, posted) or (isinstance(event, Spilled) and event.of == "user.message")
