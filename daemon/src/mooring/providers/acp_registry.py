"""The ACP registry: the agents that its keepers list, and how each one is distributed.

What is known without asking anybody is a snapshot that comes with the daemon; the registry's own answer has the same
form. Neither is trusted with more than names: a program is only started once it was found on this laptop.
Source: FORMAT.md of github.com/agentclientprotocol/registry.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Final, Literal

import msgspec
from msgspec import Struct, field

from ..errors import MoorError

LIVE_ADDRESS: Final = "https://cdn.agentclientprotocol.com/registry/v1/latest/registry.json"

Kind = Literal["npx", "uvx", "binary", "unknown"]


class Package(Struct, frozen=True):
    """A package of npm's or PyPI's with its version, and the arguments and variables with which it speaks ACP."""

    package: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


class Binary(Struct, frozen=True):
    """A program for one platform."""

    cmd: str
    args: tuple[str, ...] = ()


class Distribution(Struct, frozen=True):
    """The ways in which an agent can be had; ``binary`` is by platform."""

    npx: Package | None = None
    uvx: Package | None = None
    binary: dict[str, Binary] = field(default_factory=dict)


class Entry(Struct, frozen=True, kw_only=True):
    """An agent of the registry."""

    id: str
    name: str
    version: str
    distribution: Distribution

    @property
    def kind(self) -> Kind:
        """How it is distributed; where there are several ways, the one that needs the least of the laptop's owner."""
        for kind in ("npx", "uvx", "binary"):
            if getattr(self.distribution, kind):
                return kind
        return "unknown"

    @property
    def program(self) -> tuple[str, ...] | None:
        """The program and its arguments, where the registry names a program and not a package."""
        for one in self.distribution.binary.values():
            return (PurePosixPath(one.cmd).name, *one.args)
        return None


class Registry(Struct, frozen=True, kw_only=True):
    """What the registry lists. ``as_of`` is a date, ``source`` where it was read; both empty in its own answer."""

    agents: tuple[Entry, ...]
    as_of: str = ""
    source: str = ""

    def entry(self, agent_id: str) -> Entry | None:
        """The agent with this id, or None."""
        return next((one for one in self.agents if one.id == agent_id), None)


@cache
def snapshot() -> Registry:
    """The registry as of the day that its ``as_of`` names."""
    raw = resources.files(__package__).joinpath("registry_snapshot.json").read_bytes()
    return msgspec.json.decode(raw, type=Registry)


def read_registry(raw: bytes) -> Registry:
    """A registry as its address, or a file of ours, has it. An entry that can't be read is left out.

    Raises:
        MoorError: ``bad_registry``.
    """
    try:
        found = msgspec.json.decode(raw, type=_Loose)
    except msgspec.MsgspecError as exc:
        raise MoorError("bad_registry", "The ACP registry's answer is not what it should be.") from exc
    return Registry(agents=tuple(_entries(found.agents)), as_of=found.as_of, source=found.source)


class _Loose(Struct, frozen=True):
    agents: tuple[msgspec.Raw, ...]
    as_of: str = ""
    source: str = ""


def _entries(raw: tuple[msgspec.Raw, ...]) -> list[Entry]:
    found = []
    for one in raw:
        try:
            found.append(msgspec.json.decode(one, type=Entry))
        except msgspec.MsgspecError:
            continue  # A newer registry may have entries of a form that nobody knew here.
    return found
