"""Sessions and events as they are answered."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from ...actors.session_pages import SessionPage
from ...core.catalog import SessionRow, SessionStatus
from ...core.render import rfc3339
from .agents import AgentSnapshot, agent_snapshot


class StatsAnswer(Struct, frozen=True, kw_only=True):
    """For how long a session has had a running turn, and for how long it has been there (seconds)."""

    active_seconds: float
    duration_seconds: float


class SessionAnswer(Struct, frozen=True, kw_only=True):
    """A session. ``usage`` is empty: what agents tell can not be added up; it stands in ``mooring.usage`` events."""

    type: Literal["session"] = "session"
    id: str
    status: SessionStatus
    agent: AgentSnapshot
    environment_id: str
    title: str | None
    metadata: dict[str, str]
    resources: tuple[()] = ()
    vault_ids: tuple[()] = ()
    outcome_evaluations: tuple[()] = ()
    stats: StatsAnswer
    usage: dict[str, int] = field(default_factory=dict)
    budget: None = None
    deployment_id: None = None
    created_at: str
    updated_at: str
    archived_at: str | None


class SessionList(Struct, frozen=True, kw_only=True):
    """A piece of a list; ``next_page`` and ``prev_page`` are the ``page`` to ask for next, or null at either end."""

    data: tuple[SessionAnswer, ...]
    next_page: str | None
    prev_page: str | None


class SessionDeleted(Struct, frozen=True):
    """A session that is gone."""

    id: str
    type: Literal["session_deleted"] = "session_deleted"


class Events(Struct, frozen=True):
    """Events as the log has them."""

    data: tuple[dict[str, Any], ...]


def session_list(page: SessionPage, now: float) -> SessionList:
    """A page of sessions as it is answered at ``now`` (epoch seconds)."""
    rows = tuple(session_answer(row, now) for row in page.rows)
    return SessionList(data=rows, next_page=page.next_page, prev_page=page.prev_page)


def session_answer(row: SessionRow, now: float) -> SessionAnswer:
    """A session as it is answered at ``now`` (epoch seconds)."""
    running_s = 0.0 if row.running_since is None else max(0.0, now - row.running_since)
    until = now if row.archived_at is None else row.archived_at
    return SessionAnswer(
        id=row.session_id,
        status=row.status,
        agent=agent_snapshot(row.agent),
        environment_id=row.environment_id,
        title=row.title,
        metadata=row.metadata,
        stats=StatsAnswer(active_seconds=row.active_s + running_s, duration_seconds=max(0.0, until - row.created_at)),
        created_at=rfc3339(row.created_at),
        updated_at=rfc3339(row.updated_at),
        archived_at=rfc3339(row.archived_at) if row.archived_at is not None else None,
    )
