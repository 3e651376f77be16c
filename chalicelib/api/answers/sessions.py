"""Sessions and events as they are answered."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from ...core.catalog import SessionRow
from ...core.render import rfc3339
from .agents import AgentSnapshot, agent_snapshot


class SessionAnswer(Struct, frozen=True, kw_only=True):
    """A session."""

    type: Literal["session"] = "session"
    id: str
    status: Literal["idle", "running", "rescheduling", "terminated"]
    agent: AgentSnapshot
    environment_id: str
    title: str | None
    metadata: dict[str, str]
    resources: tuple[()] = ()
    vault_ids: tuple[()] = ()
    outcome_evaluations: tuple[()] = ()
    stats: dict[str, float] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    budget: None = None
    deployment_id: None = None
    created_at: str
    updated_at: str
    archived_at: str | None


class SessionDeleted(Struct, frozen=True):
    """A session that is gone."""

    id: str
    type: Literal["session_deleted"] = "session_deleted"


class Events(Struct, frozen=True):
    """Events as the log has them."""

    data: tuple[dict[str, Any], ...]


def session_answer(row: SessionRow) -> SessionAnswer:
    """A session as it is answered."""
    return SessionAnswer(
        id=row.session_id,
        status=row.status,
        agent=agent_snapshot(row.agent),
        environment_id=row.environment_id,
        title=row.title,
        metadata=row.metadata,
        created_at=rfc3339(row.created_at),
        updated_at=rfc3339(row.updated_at),
        archived_at=None,
    )
