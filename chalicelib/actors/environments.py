"""Environments: where sessions run.

There are three kinds. ``env-local-runtime`` is always there and means the laptop that the agent is bound to. Each
runtime has one that means just that laptop, whichever its agents are bound to; it follows from the runtime and is
nowhere written. And a tenant makes its own, which mean one of both: tied to a runtime, or not.

Sessions hold the laptop that their environment meant when they were made, so that changing, archiving or deleting an
environment touches no session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from ..core.access import KeyPrincipal
from ..core.catalog import Agent, Environment, Runtime
from ..core.definition import patched, placed
from ..core.errors import BadRequest, Busy, Conflicting, NotFound
from ..core.selection import Selection
from ..wire.ids import EnvironmentId, RuntimeId, TenantId
from .agents import timed_id
from .enrolment import Enrolment
from .ports import Stores

LOCAL_ENVIRONMENT: Final = EnvironmentId("env-local-runtime")
"""The environment of every session that names none: the laptop that its agent is bound to."""

MAX_ATTEMPTS: Final = 10
"""Tries to change an environment that others change at the same moment."""

_ENVIRONMENT_ID = re.compile(r"env_[0-9A-Za-z]{1,64}")


class EnvironmentChange(Struct, frozen=True, kw_only=True):
    """What of an environment is to be another: what is unset stays, None and "" clear; ``metadata`` is a patch."""

    name: str | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    metadata: dict[str, str | None] | None | UnsetType = UNSET
    runtime_id: str | None | UnsetType = UNSET


def environment_of(runtime: Runtime) -> Environment:
    """The environment that means this laptop."""
    return Environment(
        tenant_id=runtime.tenant_id,
        environment_id=EnvironmentId(f"env_{runtime.runtime_id.removeprefix('rt_')}"),
        name=runtime.hostname or runtime.runtime_id,
        created_at=runtime.created_at,
        updated_at=runtime.created_at,
        runtime_id=runtime.runtime_id,
        version=0,
    )


class Environments:
    """Keeps environments, and knows which laptop they mean."""

    def __init__(self, stores: Stores, enrolment: Enrolment) -> None:
        self._environments = stores.environments
        self._runtimes = stores.runtimes
        self._clock = stores.clock
        self._enrolment = enrolment

    def create(self, asking: KeyPrincipal, change: EnvironmentChange) -> Environment:
        """Makes an environment. Raises NotFound ``runtime_not_found``, Forbidden ``runtime_not_shared``, BadRequest."""
        now = self._clock.now()
        blank = Environment(
            tenant_id=asking.tenant_id,
            environment_id=EnvironmentId(timed_id("env", self._clock)),
            name="",
            created_at=now,
            updated_at=now,
            mark=self._clock.token(8),
        )
        made = self._changed(asking, blank, change)
        is_new = self._environments.put(made)
        assert is_new, f"{made.environment_id} was made twice"
        return made

    def get(self, tenant_id: TenantId, environment_id: str) -> Environment:
        """One environment. Raises NotFound ``environment_not_found``, the same for another tenant's."""
        if environment_id == LOCAL_ENVIRONMENT:
            return _local(tenant_id)
        if not _ENVIRONMENT_ID.fullmatch(environment_id):
            raise _no_environment(environment_id)
        made = self._environments.get(tenant_id, EnvironmentId(environment_id))
        if made is not None:
            return made
        runtime = self._runtimes.get(tenant_id, RuntimeId(f"rt_{environment_id.removeprefix('env_')}"))
        if runtime is None:
            raise _no_environment(environment_id)
        return environment_of(runtime)

    def list(
        self, tenant_id: TenantId, page: str | None, limit: int, wanted: Selection
    ) -> tuple[Sequence[Environment], str | None]:
        """The local one first, then those of the runtimes, then the tenant's own, newest first.

        Returns:
            At most ``limit``, and the page to go on with, or None.

        Raises:
            BadRequest: ``bad_page``.
        """
        given = self._given(tenant_id, page)
        shown = given[:limit]
        # A place among those that are given is no place among the tenant's own, which begin after all of them.
        after = None if page is None or _is_given(page) else page
        own, place = self._environments.list(tenant_id, after, max(limit - len(shown), 1), wanted)
        if len(shown) == limit and (own or len(given) > limit):
            return shown, shown[-1].runtime_id or LOCAL_ENVIRONMENT
        return [*shown, *own], place

    def update(self, asking: KeyPrincipal, environment_id: str, change: EnvironmentChange) -> Environment:
        """Changes an environment; sessions that were made in it stay where they are.

        Raises:
            NotFound: ``environment_not_found``, ``runtime_not_found``.
            Forbidden: ``runtime_not_shared``.
            BadRequest: ``environment_fixed``: it is not one that the tenant made.
            Conflicting: ``environment_archived``.
            Busy: ``environment_busy``; nothing was changed.
        """
        return self._edit(asking.tenant_id, environment_id, lambda one: self._changed(asking, _in_use(one), change))

    def archive(self, tenant_id: TenantId, environment_id: str) -> Environment:
        """Archives an environment: no new sessions are made in it. A repeat changes nothing. Raises as ``update``."""
        now = self._clock.now()

        def archived(one: Environment) -> Environment:
            return one if one.archived_at is not None else replace(one, archived_at=now)

        return self._edit(tenant_id, environment_id, archived)

    def delete(self, tenant_id: TenantId, environment_id: str) -> None:
        """Deletes an environment; sessions keep its id. Raises NotFound, BadRequest ``environment_fixed``."""
        one = self._own(tenant_id, environment_id)
        self._environments.delete(tenant_id, one.environment_id)

    def place(self, tenant_id: TenantId, agent: Agent, environment_id: str) -> Agent:
        """The agent as a session in this environment has it: bound to the laptop that the environment means.

        Raises:
            NotFound: ``environment_not_found``.
            Conflicting: ``environment_archived``.
            BadRequest: ``agent_not_bound``: it does not say which ACP agent to run.
        """
        one = _in_use(self.get(tenant_id, environment_id))
        return placed(agent, one.runtime_id) if one.runtime_id else agent

    def _given(self, tenant_id: TenantId, page: str | None) -> Sequence[Environment]:
        """What nobody made, from a place on."""
        if page is not None and not _is_given(page):
            return []
        of_runtimes = [environment_of(one) for one in self._runtimes.list(tenant_id)]
        # By id, since a place must stay one when its runtime is removed.
        of_runtimes.sort(key=lambda one: one.environment_id)
        if page is None:
            return [_local(tenant_id), *of_runtimes]
        return [one for one in of_runtimes if page == LOCAL_ENVIRONMENT or (one.runtime_id or "") > page]

    def _edit(
        self, tenant_id: TenantId, environment_id: str, edit: Callable[[Environment], Environment]
    ) -> Environment:
        for _ in range(MAX_ATTEMPTS):
            before = self._own(tenant_id, environment_id)
            after = edit(before)
            if after == before:
                return before
            after = replace(after, version=before.version + 1, updated_at=self._clock.now(), mark=self._clock.token(8))
            if self._environments.put(after):
                return after
        raise Busy("environment_busy", f"Too many change {environment_id} at once; try again.", retry_after_s=1)

    def _own(self, tenant_id: TenantId, environment_id: str) -> Environment:
        one = self.get(tenant_id, environment_id)
        if not one.version:
            why = f"{environment_id} is not one that was made: it is there as long as its laptop is."
            raise BadRequest("environment_fixed", why, field="environment_id")
        return one

    def _changed(self, asking: KeyPrincipal, one: Environment, change: EnvironmentChange) -> Environment:
        said: dict[str, Any] = {name: value or None for name, value in asdict(change).items() if value is not UNSET}
        if change.metadata is not UNSET:
            said["metadata"] = patched(one.metadata, change.metadata) if change.metadata else {}
        if said.get("runtime_id"):
            said["runtime_id"] = self._enrolment.usable(asking, said["runtime_id"]).runtime_id
        return replace(one, **said)


def _local(tenant_id: TenantId) -> Environment:
    return Environment(
        tenant_id=tenant_id,
        environment_id=LOCAL_ENVIRONMENT,
        name="local runtime",
        created_at=0.0,
        updated_at=0.0,
        version=0,
    )


def _is_given(page: str) -> bool:
    return page == LOCAL_ENVIRONMENT or page.startswith("rt_")


def _in_use(one: Environment) -> Environment:
    if one.archived_at is not None:
        why = f"Environment {one.environment_id} is archived; take or make another one."
        raise Conflicting("environment_archived", why, field="environment_id")
    return one


def _no_environment(environment_id: str) -> NotFound:
    """The refusal for an environment that is absent or another tenant's."""
    return NotFound("environment_not_found", f"There is no environment {environment_id[:80]}.", field="environment_id")
