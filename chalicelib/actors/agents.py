"""Agents: a tenant's definitions of who works for it, and on which laptop.

A change makes the next version, and all versions stay. The order is fixed: the newest version is kept among the older
ones, then the next one takes its place, by one conditional write which exactly one of any number of writers wins. So
whoever dies in between has changed nothing, and no version can be missing below the newest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from ..core.access import KeyPrincipal
from ..core.catalog import Agent, RuntimeBinding
from ..core.definition import AgentChange, archived, blank, changed, check_runs, no_agent, version_conflict
from ..core.errors import BadRequest, Busy, TooMany
from ..core.selection import Selection
from ..core.tenant_limits import TenantLimits
from ..wire.ids import AgentId, TenantId
from .enrolment import Enrolment
from .ports import Clock, Stores

MAX_ATTEMPTS: Final = 40
"""Tries to change an agent that others change at the same moment; they outlast 50 of these."""

_MAX_JITTER_S = 0.25

_AGENT_ID = re.compile(r"agent_[0-9A-Za-z]{1,64}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


class AgentChoice(Struct, frozen=True, kw_only=True):
    """Which agent a session is made with: its newest version unless one is named, as it is or with a change."""

    agent_id: str
    version: int | None = None
    overrides: AgentChange | None = None


def timed_id(prefix: str, clock: Clock) -> str:
    """A new id that sorts by the time of its making: the prefix, 10 hex digits of epoch ms + 16 of chance.

    40 bits of milliseconds begin anew every 34 years; the order holds within each such span.
    """
    return f"{prefix}_{int(clock.now() * 1000) % (1 << 40):010x}{clock.token(8)}"


class AgentDefinitions:
    """Keeps agents."""

    def __init__(self, stores: Stores, enrolment: Enrolment) -> None:
        self._agents = stores.agents
        self._runtimes = stores.runtimes
        self._tenants = stores.tenants
        self._clock = stores.clock
        self._enrolment = enrolment

    def create(self, asking: KeyPrincipal, change: AgentChange) -> Agent:
        """Makes version 1 of a new agent. Its ACP agent may be named by any alias; the canonical one is kept.

        Raises:
            NotFound: ``runtime_not_found``, also for another tenant's runtime.
            Forbidden: ``runtime_not_shared``.
            BadRequest, TooLarge: as ``core.definition.changed``.
            Conflicting, BadRequest: as ``core.definition.check_runs``.
            TooMany: ``limit_reached``.
        """
        agent_id = AgentId(timed_id("agent", self._clock))
        agent = changed(blank(asking.tenant_id, agent_id, self._clock.now()), change)
        self._check_binding(asking, change)
        self._check_runs(agent, change)
        agent = replace(agent, mark=self._clock.token(8))
        standing = self._agents.put(agent)
        assert standing is None, f"{agent_id} was made twice"
        self._leave_room_for(agent)
        return agent

    def update(self, asking: KeyPrincipal, agent_id: str, change: AgentChange, version: int | None = None) -> Agent:
        """Makes the next version of an agent, unless the change changes nothing; then it stays as it is.

        Args:
            asking: who wants it.
            agent_id: whose.
            change: what is to be another.
            version: the version that was read, which must be the newest; None changes whichever that is.

        Raises:
            NotFound: ``agent_not_found``, ``runtime_not_found``, the same for another tenant's.
            Forbidden: ``runtime_not_shared``.
            Conflicting: ``agent_version_conflict``, naming the newest version; ``agent_archived``.
            BadRequest, TooLarge: as ``core.definition.changed``.
            Conflicting, BadRequest: as ``core.definition.check_runs``.
            Busy: ``agent_busy``: others change it again and again; nothing was changed.
        """
        newest = self._newest(asking.tenant_id, agent_id)
        self._check_binding(asking, change)
        for _ in range(MAX_ATTEMPTS):
            if newest.archived_at is not None:
                raise archived(newest)
            if version not in (None, newest.version):
                raise version_conflict(newest)
            after = changed(newest, change)
            if after == newest:
                return newest
            self._check_runs(after, change)
            after = replace(after, version=newest.version + 1, updated_at=self._clock.now(), mark=self._clock.token(8))
            self._agents.keep(newest)
            standing = self._agents.put(after)
            if standing is None:
                return after
            newest = standing
            if version is None:
                self._clock.pause(_MAX_JITTER_S * int(self._clock.token(2), 16) / 0xFFFF)
        raise Busy("agent_busy", f"Too many change agent {agent_id} at once; try again.", retry_after_s=1)

    def archive(self, tenant_id: TenantId, agent_id: str) -> Agent:
        """Archives an agent: it makes no new sessions, and those it has go on. A repeat changes nothing.

        Raises:
            NotFound: ``agent_not_found``, the same for another tenant's.
        """
        found = self._agents.archive(tenant_id, _known(agent_id), self._clock.now())
        if found is None:
            raise no_agent(agent_id)
        return found

    def get(self, tenant_id: TenantId, agent_id: str, version: int | None = None) -> Agent:
        """One version of an agent, the newest unless one is named. Raises NotFound, the same for another tenant's."""
        newest = self._newest(tenant_id, agent_id)
        if version in (None, newest.version):
            return newest
        older = self._agents.older(tenant_id, newest.agent_id, version) if 0 < version < newest.version else None
        if older is None:
            raise no_agent(agent_id)
        return replace(older, archived_at=newest.archived_at)

    def chosen(self, tenant_id: TenantId, choice: AgentChoice) -> Agent:
        """The agent that a session is made with.

        Raises:
            NotFound: ``agent_not_found``.
            Conflicting: ``agent_archived``.
            BadRequest, TooLarge: as ``core.definition.changed``.
        """
        agent = self.get(tenant_id, choice.agent_id, choice.version)
        if agent.archived_at is not None:
            raise archived(agent)
        return changed(agent, choice.overrides) if choice.overrides else agent

    def versions(
        self, tenant_id: TenantId, agent_id: str, page: str | None, limit: int
    ) -> tuple[Sequence[Agent], str | None]:
        """An agent's versions, newest first: at most ``limit``, and the page to go on with, or None.

        Raises:
            NotFound: ``agent_not_found``.
            BadRequest: ``bad_page``.
        """
        newest = self._newest(tenant_id, agent_id)
        if page is not None and not _VERSION.fullmatch(page):
            raise BadRequest("bad_page", "This is no place that a list gave.", field="page")
        below = min(int(page), newest.version + 1) if page else newest.version + 1
        shown = [newest] if below > newest.version else []
        # What is kept of the newest itself is left of somebody who was about to change it.
        below -= len(shown)
        if below > 1 and limit > len(shown):
            shown += self._agents.versions(tenant_id, newest.agent_id, below, limit - len(shown))
        last = shown[-1].version if shown else 1
        return [replace(one, archived_at=newest.archived_at) for one in shown], str(last) if last > 1 else None

    def list(
        self, tenant_id: TenantId, page: str | None, limit: int, wanted: Selection
    ) -> tuple[Sequence[Agent], str | None]:
        """Newest first: at most ``limit``, and the page to go on with, or None."""
        return self._agents.list(tenant_id, page, limit, wanted)

    def _newest(self, tenant_id: TenantId, agent_id: str) -> Agent:
        found = self._agents.get(tenant_id, _known(agent_id))
        if found is None:
            raise no_agent(agent_id)
        return found

    def _check_binding(self, asking: KeyPrincipal, change: AgentChange) -> None:
        if isinstance(change.runtime_binding, RuntimeBinding):
            self._enrolment.usable(asking, change.runtime_binding.runtime_id)

    def _check_runs(self, agent: Agent, change: AgentChange) -> None:
        """Compares the agent with its laptop's last word, where the change touches what that is about."""
        of_it = (change.runtime_binding, change.model, change.tools, change.policy_said)
        if agent.runtime_binding is not None and any(one is not UNSET for one in of_it):
            runtime = self._runtimes.get(agent.tenant_id, agent.runtime_binding.runtime_id)
            check_runs(agent, runtime.agents if runtime else ())

    def _leave_room_for(self, agent: Agent) -> None:
        """Takes the agent back if it is one too many: of two made at once, each counts the other."""
        tenant = self._tenants.get(agent.tenant_id)
        limits = tenant.limits if tenant else TenantLimits()
        try:
            limits.leave_room("max_agents", self._agents.count(agent.tenant_id) - 1)
        except TooMany:
            self._agents.drop(agent)
            raise


def _known(agent_id: str) -> AgentId:
    """An agent id as a stranger writes it. One that can't be any answers like an absent one: NotFound."""
    if not _AGENT_ID.fullmatch(agent_id):
        raise no_agent(agent_id)
    return AgentId(agent_id)
