"""Environments as they are answered."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from ...core.catalog import Environment
from ...core.render import rfc3339


class ConfigAnswer(Struct, frozen=True):
    """What kind of place it is: a laptop."""

    type: Literal["self_hosted"] = "self_hosted"


class EnvironmentExtensionAnswer(Struct, frozen=True):
    """``_oma``: the laptop that an environment is tied to, or null."""

    runtime_id: str | None


class EnvironmentAnswer(Struct, frozen=True, kw_only=True):
    """An environment."""

    type: Literal["environment"] = "environment"
    id: str
    name: str
    description: str | None
    config: ConfigAnswer = ConfigAnswer()
    metadata: dict[str, str]
    scope: Literal["organization"] = "organization"
    created_at: str
    updated_at: str
    archived_at: str | None
    extension: EnvironmentExtensionAnswer = field(name="_oma")


class EnvironmentDeleted(Struct, frozen=True):
    """An environment that is gone."""

    id: str
    type: Literal["environment_deleted"] = "environment_deleted"


def environment_answer(one: Environment) -> EnvironmentAnswer:
    """An environment as it is answered."""
    return EnvironmentAnswer(
        id=one.environment_id,
        name=one.name,
        description=one.description,
        metadata=one.metadata,
        created_at=rfc3339(one.created_at),
        updated_at=rfc3339(one.updated_at),
        archived_at=None if one.archived_at is None else rfc3339(one.archived_at),
        extension=EnvironmentExtensionAnswer(one.runtime_id),
    )
