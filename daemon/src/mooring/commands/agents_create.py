"""``moor agents create``: makes an agent of your team's that runs on a laptop."""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from pathlib import Path
from typing import Any

from ..edge.config import read_config
from ..edge.creds import paths, read_credentials, read_login
from ..edge.person import Person
from ..edge.workspaces import real, workspace_of
from ..errors import MoorError
from .result import Result, Screen
from .verbs import Verbs

THIS = "this"
"""Stands for this laptop's runtime."""


def add_create(group: Verbs) -> None:
    """Adds ``moor agents create``."""
    one = group.add("create", "Make an agent of your team's that runs on a laptop.", _run)
    one.add_argument("--runtime", metavar="ID", default=THIS, help="the laptop that runs it (`this`)")
    one.add_argument("--acp-agent", metavar="ID", required=True, help="what runs it there, such as claude-acp")
    one.add_argument("--name", required=True, help="what people call it")
    one.add_argument("--model", help="the model, as a note for people: the ACP agent chooses its own")
    one.add_argument("--system", metavar="TEXT|@FILE", help="the system prompt, or the file that holds it")
    one.add_argument("--permission-policy", choices=("always_ask", "always_allow"), help="no tool is asked less")
    one.add_argument("--workspace", metavar="NAME|PATH", help="a folder on the laptop to work in")


def run(given: argparse.Namespace) -> Result:
    """Makes the agent.

    Args:
        given: the command line.

    Raises:
        MoorError: ``not_set_up``, ``not_logged_in``, ``file_unreadable``, ``workspace_unknown``, ``bad_config``, or the
            plane's refusal.
    """
    where = paths()
    is_here = given.runtime == THIS
    runtime_id = read_credentials(where).runtime_id if is_here else given.runtime
    allowed = read_config(where.config).workspaces if is_here and given.workspace else ()
    workspace = _folder(given.workspace, allowed) if is_here and given.workspace else given.workspace
    ours = {
        "runtime_binding": {"runtime_id": runtime_id, "acp_agent_id": given.acp_agent},
        "permission_policy": given.permission_policy,
        "workspace": workspace,
    }
    said = {"name": given.name, "model": given.model, "system": _text(given.system), "_oma": _said(ours)}
    with closing(Person(read_login(where))) as person:
        made = person.create_agent(_said(said))
    lines = [
        f"Made {made.get('name')} ({made['id']}) on {runtime_id}.",
        f'Try it: moor ask --agent {made["id"]} "Hello"',
    ]
    if is_here and workspace is not None:
        lines += _not_yet(workspace, allowed)
    return Result(0, lines, {"agent": made})


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(given)


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _text(said: str | None) -> str | None:
    """A text, or what the file after the ``@`` holds."""
    if said is None or not said.startswith("@"):
        return said
    try:
        return Path(said[1:]).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise MoorError("file_unreadable", f"{said[1:]} can't be read: {why}.") from exc


def _folder(wanted: str, allowed: tuple[str, ...]) -> str:
    """The path of a folder here: as it was given, or that of the allowed folder of this name."""
    if os.sep in wanted or wanted.startswith(("~", ".")):
        return str(real(wanted))
    found = {str(real(one)) for one in allowed if real(one).name == wanted}
    if len(found) == 1:
        return found.pop()
    known = ", ".join(allowed) or "none"
    which = "More than one allowed folder has" if found else "No allowed folder has"
    raise MoorError("workspace_unknown", f"{which} the name {wanted!r}; allowed are: {known}. Give its path instead.")


def _not_yet(workspace: str, allowed: tuple[str, ...]) -> list[str]:
    try:
        workspace_of(workspace, allowed)
    except MoorError as exc:
        remedy = f": run `moor workspaces allow {workspace}`." if exc.code == "workspace_not_allowed" else "."
        return [f"Beware: its sessions can't start yet, {exc.code}{remedy}"]
    return []
