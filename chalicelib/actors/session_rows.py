"""Sessions as people see them: the row that lists show, beside the log that knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from ..core.access import KeyPrincipal, RuntimePrincipal
from ..core.bundle import bundle_of, canonical_acp_agent
from ..core.catalog import Agent, SessionRow
from ..core.content import MessageGiven
from ..core.definition import check_runs, not_bound
from ..core.details import Details, DetailsPatch
from ..core.errors import BadRequest, Conflicting, NotFound
from ..core.making import Making
from ..core.record import Head
from ..core.repeats import Try
from ..core.session import Item, Update
from ..core.session_list import SessionFilter
from ..core.session_state import SessionState
from ..core.tenant_limits import TenantLimits
from ..wire.bundle import Bundle
from ..wire.events import Event, SessionUpdated, Spilled, UserInterrupt, UserMessage, UserToolConfirmation
from ..wire.ids import SessionId, TenantId
from ..wire.limits import MESSAGE_TTL_S
from .agents import AgentChoice, AgentDefinitions, timed_id
from .enrolment import Enrolment
from .environments import LOCAL_ENVIRONMENT, Environments
from .loop import Cause
from .ports import Stores, session_key
from .reading import Reading
from .requests import Requests
from .session_pages import SessionPage, SessionPages
from .sessions import STATUS, SessionObjects, no_session
from .sources import Sources

_SESSION_ID = re.compile(r"sesn_[0-9A-Za-z]{1,64}")

_FIRST_POST = Cause("\nfirst", "")
"""The post of a session's first messages. No header holds a line break, so that no idempotency key is this one."""

_NOT_OPEN = ("already_answered", "no_such_question")
"""The refusals of an answer to a question that is not open."""


class NewSession(Struct, frozen=True, kw_only=True):
    """What a session is to be; ``items`` are its first messages, ``expires_in_s`` how long they may wait (seconds)."""

    agent: AgentChoice
    environment_id: str = LOCAL_ENVIRONMENT
    title: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    items: tuple[Item | MessageGiven, ...] = ()
    expires_in_s: float = MESSAGE_TTL_S


def session_id_of(text: str) -> SessionId:
    """A session id as a stranger writes it. One that can't be any answers like an absent one: NotFound."""
    if not _SESSION_ID.fullmatch(text):
        raise no_session(text[:80])
    return SessionId(text)


class SessionRows:
    """Makes, finds, lists and changes sessions."""

    def __init__(
        self,
        stores: Stores,
        sessions: SessionObjects,
        reading: Reading,
        agents: AgentDefinitions,
        environments: Environments,
        enrolment: Enrolment,
        sources: Sources,
    ) -> None:
        self._rows = stores.sessions
        self._tenants = stores.tenants
        self._clock = stores.clock
        self._requests = Requests(stores)
        self._pages = SessionPages(stores.sessions)
        self._sessions = sessions
        self._reading = reading
        self._agents = agents
        self._environments = environments
        self._enrolment = enrolment
        self._sources = sources

    # ---- making

    def create(
        self, asking: KeyPrincipal, new: NewSession, cause: Cause | None = None, attempt: Try | None = None
    ) -> SessionRow:
        """Makes a session with the agent as it is now.

        A request that made one before, by its ``cause`` or as another try of an SDK's, gets that one.

        Raises:
            NotFound: ``agent_not_found``, ``environment_not_found``, ``runtime_not_found``; ``session_not_found`` for
                one that was made by the request and is deleted.
            BadRequest: ``agent_not_bound``: the agent has no laptop to run on; and as ``Sources.settled``.
            Forbidden: ``runtime_not_shared``.
            Conflicting: ``agent_archived``, ``environment_archived``.
            Conflicting, BadRequest: as ``core.definition.check_runs``.
            TooMany: ``limit_reached``.
            Unprocessable: ``idempotency_key_reused``.
        """
        offered = Making(
            session_id=SessionId(timed_id("sesn", self._clock)),
            at=self._clock.now(),
            digest=cause.digest if cause else attempt.body if attempt else "",
            attempt=None if cause else attempt,
        )
        name = f"key/{cause.key}" if cause else f"body/{attempt.body}" if attempt else None
        found = self._requests.found(asking.tenant_id, name, offered) if name else None
        row = self._made_before(asking.tenant_id, found, new) if found else None
        if row is None:
            row = self._make(asking, new, offered, name)
        return self._as_of_now(row)

    def _made_before(self, tenant_id: TenantId, making: Making, new: NewSession) -> SessionRow | None:
        """The session that another try has made; None when that one died before its row was written."""
        head = self._sessions.loop.head(session_key(tenant_id, making.session_id))
        if head is not None and head.state.status != "open":
            raise no_session(making.session_id)
        row = self._rows.get(tenant_id, making.session_id)
        if row is not None and new.items:
            # It may have died before its first messages were accepted.
            items = self._sources.settled(tenant_id, making.session_id, new.items)
            expires_in_s = new.expires_in_s
            self._sessions.post(tenant_id, making.session_id, items, expires_in_s=expires_in_s, cause=_FIRST_POST)
        return row

    def _make(self, asking: KeyPrincipal, new: NewSession, offered: Making, name: str | None) -> SessionRow:
        tenant_id, agent = asking.tenant_id, self._agent(asking, new)
        making = self._requests.made(tenant_id, name, offered) if name else offered
        items = self._sources.settled(tenant_id, making.session_id, new.items)
        self.reserve(tenant_id)
        return self._sessions.create(
            making.session_id,
            agent,
            title=new.title,
            metadata=new.metadata,
            environment_id=new.environment_id,
            items=items,
            expires_in_s=new.expires_in_s,
            at=making.at,
            cause=_FIRST_POST if name else None,
        )

    def _agent(self, asking: KeyPrincipal, new: NewSession) -> Agent:
        """The agent, bound to the laptop that its session will run on."""
        tenant_id = asking.tenant_id
        agent = self._environments.place(tenant_id, self._agents.chosen(tenant_id, new.agent), new.environment_id)
        if agent.runtime_binding is None:
            raise not_bound(agent)
        runtime = self._enrolment.usable(asking, agent.runtime_binding.runtime_id)
        check_runs(agent, runtime.agents)
        return agent

    def reserve(self, tenant_id: TenantId) -> None:
        """Makes room for one more session. Raises TooMany ``limit_reached``."""
        tenant = self._tenants.get(tenant_id)
        limits = tenant.limits if tenant else TenantLimits()
        if not self._rows.reserve(tenant_id, limits.max_sessions, self._clock.now()):
            limits.leave_room("max_sessions", limits.max_sessions)

    # ---- looking

    def get(self, tenant_id: TenantId, session_id: SessionId) -> SessionRow:
        """A session as of now. Raises NotFound ``session_not_found``, the same for another tenant's."""
        row = self._rows.get(tenant_id, session_id)
        if row is None:
            raise no_session(session_id)
        return self._as_of_now(row)

    def list(
        self, tenant_id: TenantId, wanted: SessionFilter, page: str | None, limit: int, order: Literal["asc", "desc"]
    ) -> SessionPage:
        """A page of sessions by the time of their making, each as of its last change of status. Raises ``bad_page``."""
        return self._pages.page(tenant_id, wanted, page, limit, order, self._clock.now())

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

    def none_of(self, tenant_id: TenantId, session_id: SessionId, kind: Literal["resource", "thread"]) -> NotFound:
        """The refusal for a part of a session of which sessions here have none.

        Raises:
            NotFound: ``session_not_found``.
        """
        self._sessions.head(tenant_id, session_id)
        return NotFound(f"{kind}_not_found", f"Sessions have no {kind}s on this plane.")

    # ---- changing

    def post(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        items: tuple[Item | MessageGiven, ...],
        *,
        expires_in_s: float,
        cause: Cause | None,
        attempt: Try | None = None,
        sender: str | None = None,
        by: str | None = None,
    ) -> Sequence[dict[str, Any]]:
        """Accepts ``items``, all or none; gives them back as the log has them.

        Raises as ``Sources.settled`` and ``SessionObjects.post`` do. Whoever answers a question that is open no longer
        is told what became of it: Conflicting ``already_answered``.
        """
        if any(isinstance(item, MessageGiven) for item in items):
            # Nothing is put aside for a session that is not there.
            self._sessions.head(tenant_id, session_id)
        settled = self._sources.settled(tenant_id, session_id, items)
        try:
            record = self._sessions.post(
                tenant_id,
                session_id,
                settled,
                expires_in_s=expires_in_s,
                cause=cause,
                attempt=attempt,
                sender=sender,
                by=by,
            )
        except (Conflicting, NotFound) as exc:
            answered = self._reading.answered(tenant_id, session_id, settled) if exc.code in _NOT_OPEN else None
            if answered is None:
                raise
            raise answered from exc
        posted = replace(record, events=tuple(event for event in record.events if _was_posted(event)))
        return [one.event for one in self._reading.show(tenant_id, session_id, posted, {record.n}, False)]

    def update(self, tenant_id: TenantId, session_id: SessionId, patch: DetailsPatch) -> SessionRow:
        """Changes what a session is called by: in its log, then in its row.

        Raises:
            NotFound: ``session_not_found``.
            Conflicting: ``session_archived``.
            BadRequest: as ``DetailsPatch.of``.
        """
        seen: list[tuple[SessionRow, Details]] = []

        def cue(head: Head[SessionState]) -> Update:
            row = self._rows.get(tenant_id, session_id)
            if row is None:
                raise no_session(session_id)
            before = self._details(row, head)
            seen[:] = [(row, patch.of(before))]
            return Update(before, seen[0][1])

        done = self._sessions.act(tenant_id, session_id, cue)
        self._sessions.settle(tenant_id, done, None)
        ((row, after),) = seen
        # Also when nothing changed now: who changed it may have died before the row said so.
        if done.head.state.details_n > row.details_n:
            self._rows.describe(tenant_id, session_id, after, done.head.state.details_n, done.head.at)
        return self.get(tenant_id, session_id)

    def archive(self, tenant_id: TenantId, session_id: SessionId) -> SessionRow:
        """Makes a session read only. Raises as ``SessionObjects.archive``."""
        self._sessions.archive(tenant_id, session_id)
        return self.get(tenant_id, session_id)

    def _as_of_now(self, row: SessionRow) -> SessionRow:
        head = self._sessions.head(row.tenant_id, row.session_id)
        state, details = head.state, self._details(row, head)
        return replace(
            row,
            status=STATUS[state.phase],
            updated_at=max(row.updated_at, head.at),
            title=details.title,
            metadata=details.metadata,
            archived_at=state.archived_at,
            active_s=state.active_s,
            running_since=state.running_since,
        )

    def _details(self, row: SessionRow, head: Head[SessionState]) -> Details:
        """What the session is called by: as its row says, or as the log does where the row is behind it."""
        n = head.state.details_n
        if n <= row.details_n:
            return Details(title=row.title, metadata=row.metadata)
        record = self._sessions.record(row.tenant_id, row.session_id, n)
        told = (self._reading.whole(row.tenant_id, row.session_id, event) for event in record.events)
        said = next(event for event in told if isinstance(event, SessionUpdated))
        return Details(title=said.title, metadata=said.metadata)


def _was_posted(event: Event) -> bool:
    posted = UserMessage | UserInterrupt | UserToolConfirmation
    return isinstance(event, posted) or (isinstance(event, Spilled) and event.of == "user.message")
