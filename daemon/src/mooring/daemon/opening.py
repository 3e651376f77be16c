"""Opening a session's agent child: its bundle, its folder, its environment, and the child itself.

An agent never starts without its bundle. What the laptop's owner has set counts above what the bundle brings, and of
two permission policies the stricter one holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..core.happenings import ContextLost
from ..core.permissions import Permissions, Policies
from ..edge.config import Config, read_config
from ..edge.creds import Paths
from ..edge.disk import check_room
from ..edge.folder import INSTRUCTIONS, Folders
from ..edge.workspaces import workspace_of
from ..errors import MoorError
from ..providers.acp import ACPProvider
from ..providers.manners import request_meta, variables
from ..providers.ports import Ask, ChildSpec, MCPRemote, Provider, Sink
from ..providers.registry import canonical, child_env
from ..wire.bundle import Bundle
from ..wire.events import FileSource, UserBlock
from ..wire.ids import EventId, SessionId, TurnId
from .agents import Agents
from .errand import errand
from .local_skills import hide

_UNSAFE = re.compile(
    r"(LD_|DYLD_|PYTHON|BASH_FUNC_).*|PATH|HOME|SHELL|ENV|BASH_ENV|NODE_OPTIONS|PERL5OPT|RUBYOPT|JAVA_TOOL_OPTIONS"
    # Where agents find their own configuration, which starts programs and says what they may do unasked.
    r"|(XDG_|OPENCODE_|GEMINI_CLI_).*|IS_SANDBOX|APPDATA|LOCALAPPDATA|USERPROFILE|CODEX_(HOME|CONFIG|PATH)"
    r"|CLAUDE_(CONFIG_DIR|SECURESTORAGE_CONFIG_DIR|CODE_(EXECUTABLE|MANAGED_SETTINGS_PATH|PLUGIN_.*))",
    re.IGNORECASE,
)
"""Variables that make a program load or run other code, or ask for less: a bundle must not have that power."""


class PlanePort(Protocol):
    """What is asked of the plane. Every call blocks and raises MoorError."""

    def bundle(self, session_id: SessionId, agent_id: str) -> Bundle:
        """What the session's folder gets."""

    def turn(self, session_id: SessionId, turn_id: TurnId) -> tuple[UserBlock, ...]:
        """What the user said."""

    def file(self, session_id: SessionId, turn_id: TurnId, source: FileSource) -> bytes:
        """A file that the user's words bring."""

    def upload(self, session_id: SessionId, event_id: EventId, body: bytes) -> None:
        """Puts an event aside."""


ProviderMaker = Callable[[ChildSpec, Sink, Ask], Provider]


class Opener:
    """Opens children.

    Args:
        plane: has the bundles.
        where: the daemon's home.
        config: what its owner allows.
        agents: how children are started.
        make: how a provider is made.
        is_forgetful: the journal is a new one, and what it knew of sessions that are here is lost.
    """

    def __init__(
        self,
        plane: PlanePort,
        where: Paths,
        config: Config,
        agents: Agents,
        make: ProviderMaker = ACPProvider,
        *,
        is_forgetful: bool = False,
    ) -> None:
        self._plane, self._where, self._config, self._agents, self._make = plane, where, config, agents, make
        self._is_forgetful = is_forgetful
        self._folders = Folders(where)

    async def open(
        self, session_id: SessionId, agent_id: str, continuation: str | None, sink: Sink, ask: Ask
    ) -> Provider:
        """A live child of the session.

        Raises:
            MoorError: ``agent_not_found``, ``bundle_unavailable``, ``bundle_path_refused``,
                ``bundle_variable_refused``, ``blocklist_unsupported``, ``folder_unusable``,
                ``workspace_not_allowed``, ``workspace_missing``, ``workspace_unsupported``.
            ProviderError: the child could not be had.
        """
        command = self._agents.command(agent_id)
        agent_id = canonical(agent_id)
        try:
            bundle = await errand(lambda: self._plane.bundle(session_id, agent_id))
        except MoorError as exc:
            why = f"What the agent needs could not be had from the plane: {exc.message} [{exc.code}]"
            raise MoorError("bundle_unavailable", why) from exc
        was_here = self._folders.of(session_id).is_dir()
        if bundle.workspace is None and not was_here:
            await errand(self._check_disk)
        provider = self._make(self._spec(session_id, agent_id, command, bundle), sink, ask)
        await provider.open(continuation)
        if continuation is None and was_here and self._is_forgetful:
            sink(ContextLost("This laptop's journal was damaged, and with it what led to the earlier conversation."))
        return provider

    async def keep(self, session_id: SessionId, turn_id: TurnId, name: str, body: bytes) -> Path:
        """Puts a file that a turn brings where its agent can read it. Raises MoorError ``folder_unusable``."""
        return await errand(lambda: self._folders.keep(session_id, turn_id, name, body))

    async def dispose(self, session_id: SessionId) -> None:
        """Removes the session's folder and log. Raises MoorError ``folder_not_removed``."""
        await errand(lambda: self._folders.remove(session_id))
        log = self._stderr(session_id)
        for path in (log, log.with_name(f"{log.name}.1")):
            path.unlink(missing_ok=True)

    def _spec(self, session_id: SessionId, agent_id: str, command: tuple[str, ...], bundle: Bundle) -> ChildSpec:
        for variable in bundle.env:
            if _UNSAFE.fullmatch(variable.name):
                why = f"The agent's definition sets {variable.name[:80]}, which a plane may not set on a laptop."
                raise MoorError("bundle_variable_refused", why)
        permissions = Permissions(
            (
                Policies(bundle.permission_policy, bundle.permission_policies),
                Policies(self._config.permission_policy, self._config.permission_policies),
            )
        )
        blocked = bundle.local_skill_blocklist
        own = self._agents.env(agent_id)
        kept = variables(agent_id, permissions, [one.name for one in bundle.mcp_servers], blocked)
        if blocked and (names := sorted(kept.keys() & own.keys())):
            why = f"The agent's definition blocks local skills, and the laptop's configuration sets {names[0]} itself."
            raise MoorError("blocklist_unsupported", why)
        env = child_env(agent_id, os.environ, {one.name: one.value for one in bundle.env} | kept | dict(own))
        self._where.logs.mkdir(mode=0o700, exist_ok=True)
        cwd = self._cwd(session_id, agent_id, bundle)
        spec = ChildSpec(
            command=command,
            cwd=cwd,
            env=env | hide(agent_id, blocked, env, self._folders.of(session_id)),
            agent_id=agent_id,
            stderr_path=self._stderr(session_id),
            children_path=self._where.children,
            mcp_servers=tuple(MCPRemote(name=one.name, url=one.url, transport=one.type) for one in bundle.mcp_servers),
            system_prompt=bundle.system_prompt,
            permissions=permissions,
        )
        if bundle.workspace is not None:
            _refuse_what_needs_a_folder(bundle, spec)
        return spec

    def _check_disk(self) -> None:
        self._where.sessions.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_room(self._where.sessions, self._config.max_disk_mb, self._config.min_free_mb)

    def _cwd(self, session_id: SessionId, agent_id: str, bundle: Bundle) -> Path:
        if bundle.workspace is None:
            return self._folders.make(session_id, agent_id, bundle)
        # As the file has them now: `moor workspaces` changes them while the daemon runs.
        return workspace_of(bundle.workspace, read_config(self._where.config).workspaces)

    def _stderr(self, session_id: SessionId) -> Path:
        return self._where.logs / f"{self._folders.of(session_id).name}.log"


def _refuse_what_needs_a_folder(bundle: Bundle, spec: ChildSpec) -> None:
    """Nothing is written into a workspace, so an agent that reads its instructions there would start without them."""
    files = [one.path for one in bundle.files if one.path != INSTRUCTIONS]
    if files or (spec.system_prompt and "systemPrompt" not in request_meta(spec)):
        what = f"the file {files[0][:80]!r}" if files else "a system prompt"
        why = (
            f"The agent's definition has {what} and a workspace, and {spec.agent_id} can be given that only by a file"
            " in the folder where it works. Let one of them go."
        )
        raise MoorError("workspace_unsupported", why)
