"""``moor sessions``: the conversations with your team's agents."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

from ..edge.creds import paths, read_login
from ..edge.person import Person
from ..errors import MoorError
from .result import Result, Screen, Table
from .times import moment
from .verbs import Verbs

LIMIT = 20
"""How many sessions are shown unless asked otherwise."""

_COLUMNS = ("ID", "AGENT", "STATUS", "WAITING", "UPDATED", "TITLE")
_STATUSES = ("idle", "running", "rescheduling", "terminated")
_BUSY = ("running", "rescheduling")


def add(verbs: Verbs) -> None:
    """Adds ``moor sessions`` and its verbs."""
    every = verbs.add("sessions", "Show the newest sessions with your team's agents.", _list)
    every.add_argument("--agent", help="only with this one: an agent's id or name, or the id of its ACP agent")
    every.add_argument("--status", choices=_STATUSES, help="only those in this status")
    every.add_argument("--limit", type=_count, default=LIMIT, metavar="N", help=f"at most so many ({LIMIT})")
    every.add_argument("--archived", action="store_true", help="archived ones too")
    group = verbs.below(every)
    for name, help_text, verb in (
        ("show", "Show one session.", _show),
        ("archive", "Make a session read only, for good.", _archive),
    ):
        group.add(name, help_text, verb).add_argument("session", metavar="ID", help="which")
    gone = group.add("rm", "Delete a session here and its folder on its laptop.", _remove)
    gone.add_argument("session", metavar="ID", help="which")
    gone.add_argument("--yes", action="store_true", help="do not ask")


def _list(given: argparse.Namespace, screen: Screen) -> Result:
    with closing(Person(read_login(paths()))) as person:
        agent_id = None if given.agent is None else person.agent(given.agent).id
        found = person.sessions(limit=given.limit, agent_id=agent_id, status=given.status, archived=given.archived)
        sessions = [_with_waiting(person, one) for one in found]
    rows = [_row(one) for one in sessions]
    told = [] if rows else ["There are no such sessions."]
    return Result(0, told, {"sessions": sessions}, Table(_COLUMNS, rows) if rows else None)


def _show(given: argparse.Namespace, screen: Screen) -> Result:
    with closing(Person(read_login(paths()))) as person:
        session = _with_waiting(person, person.session(given.session))
    facts = {
        "id": session["id"],
        "title": session.get("title") or "",
        "agent": f"{_agent(session)} ({(session.get('agent') or {}).get('id')})",
        "status": session.get("status"),
        "waiting": session["waiting"],
        "made": moment(session.get("created_at")),
        "updated": moment(session.get("updated_at")),
        "archived": moment(session.get("archived_at")),
    }
    lines = [f"{name:<9}{value}" for name, value in facts.items() if value != ""]
    return Result(0, lines, {"session": session})


def _archive(given: argparse.Namespace, screen: Screen) -> Result:
    with closing(Person(read_login(paths()))) as person:
        session = person.archive_session(given.session)
    return Result(0, [f"{session['id']} is read only now."], {"session": session})


def _remove(given: argparse.Namespace, screen: Screen) -> Result:
    with closing(Person(read_login(paths()))) as person:
        if not given.yes and not screen.confirm(f"Delete {given.session}, with its folder on its laptop?"):
            raise MoorError("not_confirmed", "Nothing was deleted; say yes, or use --yes.")
        person.delete_session(given.session)
    return Result(0, [f"Deleted {given.session}."], {"removed": given.session})


def _with_waiting(person: Person, session: dict[str, Any]) -> dict[str, Any]:
    """The session, and how many of its messages wait; where nothing runs, nothing does."""
    return {**session, "waiting": person.waiting(session["id"]) if session.get("status") in _BUSY else 0}


def _row(session: dict[str, Any]) -> tuple[str, ...]:
    status, waiting = str(session.get("status")), str(session["waiting"] or "")
    updated = moment(session.get("updated_at"))
    return session["id"], _agent(session), status, waiting, updated, session.get("title") or ""


def _agent(session: dict[str, Any]) -> str:
    agent = session.get("agent") or {}
    return str(agent.get("name") or agent.get("id") or "")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
