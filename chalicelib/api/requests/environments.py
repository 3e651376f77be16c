"""Requests about environments."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from ...actors.environments import EnvironmentChange
from ...core.errors import BadRequest
from ...core.selection import Selection
from .fields import ListQuery, MetadataPatch, Name, Note, Word


class EnvironmentExtension(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``_oma``: what Mooring adds to an environment. An unknown key is refused."""

    runtime_id: Word | None | UnsetType = UNSET


class _Fields(Struct, frozen=True, kw_only=True):
    """What an environment may be asked to be. ``runtime_id`` ties it to a laptop; under ``_oma`` it wins."""

    config: dict[str, Any] | None = None
    description: Note | None | UnsetType = UNSET
    metadata: MetadataPatch | None | UnsetType = UNSET
    scope: Literal["organization", "account"] | None = None
    runtime_id: Word | None | UnsetType = UNSET
    extension: EnvironmentExtension | None = field(name="_oma", default=None)

    def _change(self, name: str | UnsetType) -> EnvironmentChange:
        _refuse_what_is_not_a_laptop(self.config or {"type": "self_hosted"})
        if self.scope == "account":
            why = "An environment is its whole tenant's; the scope 'account' is not supported."
            raise BadRequest("unsupported_field", why, field="scope")
        inner = self.extension.runtime_id if self.extension else UNSET
        return EnvironmentChange(
            name=name,
            description=self.description,
            metadata=self.metadata,
            runtime_id=self.runtime_id if inner is UNSET else inner,
        )


class CreateEnvironment(_Fields, frozen=True, kw_only=True):
    """``POST /v1/environments``."""

    name: Name

    def wanted(self) -> EnvironmentChange:
        """The environment that is asked for. Raises BadRequest ``unsupported_field``."""
        return self._change(self.name)


class UpdateEnvironment(_Fields, frozen=True, kw_only=True):
    """``POST /v1/environments/{id}``: what is left out stays; null and "" clear, but for the name."""

    name: Name | UnsetType = UNSET

    def wanted(self) -> EnvironmentChange:
        """The change that is asked for. Raises BadRequest ``unsupported_field``."""
        return self._change(self.name)


class EnvironmentsQuery(ListQuery, frozen=True, kw_only=True):
    """``GET /v1/environments``."""

    def wanted(self) -> Selection:
        """Which environments are asked for."""
        return Selection(include_archived=self.include_archived)


def _refuse_what_is_not_a_laptop(config: dict[str, Any]) -> None:
    kind = config.get("type")
    if kind != "self_hosted":
        why = "Agents run on laptops only: the config's type is 'self_hosted'."
        raise BadRequest("unsupported_field", why, field="config.type")
    for name, value in config.items():
        if name != "type" and value:
            raise BadRequest("unsupported_field", f"{name[:64]} is not supported.", field=f"config.{name[:64]}")
