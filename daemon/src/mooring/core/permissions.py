"""Permissions: which of an agent's calls are put to a person, as the plane and the laptop's owner have it.

Each of the two says a policy for whatever it does not name, and may say one for single tools: ``bash``, ``edit``,
``glob``, ``grep``, ``read``, ``web_fetch``, ``web_search``, ``write``, ``mcp__<server>`` for all tools of a server, and
``mcp__<server>__<tool>`` for one. A call is answered without a person only where both allow it: so neither can loosen
what the other has tightened.

Which tool a call is of can't always be told. It may be one of several: then all of them must be allowed. Or nothing is
known of it: then everything that either side has said must be, since the call may be the one that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Literal

from msgspec import Struct

Policy = Literal["always_ask", "always_allow"]

_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")


class Policies(Struct, frozen=True):
    """What one side says: ``default`` for all but the tools in ``by_tool``."""

    default: Policy
    by_tool: dict[str, Policy] = {}

    def of(self, tools: Collection[str]) -> Policy:
        """The policy for a call of one of these tools; empty = it can't be told."""
        if not tools:
            return _strictest([self.default, *self.by_tool.values()])
        return _strictest([policy for tool in tools for policy in self._said_of(plain(tool))])

    def _said_of(self, tool: str) -> list[Policy]:
        said = [(plain(name), policy) for name, policy in self.by_tool.items()]
        own = [policy for name, policy in said if name == tool]
        # A name may be split into server and tool in more than one place.
        servers = [policy for name, policy in said if name.startswith("mcp__") and tool.startswith(f"{name}__")]
        return own or servers or [self.default]


class Permissions(Struct, frozen=True):
    """What holds for a session: what each side says."""

    sides: tuple[Policies, ...] = (Policies("always_ask"),)

    @property
    def strictest(self) -> Policy:
        """``always_allow`` only if no call at all can need an answer: the mode that an agent must be in."""
        return self.of(())

    @property
    def named(self) -> frozenset[str]:
        """The tools that one side names as to be asked about, whatever an agent may think of them."""
        return frozenset(tool for side in self.sides for tool, policy in side.by_tool.items() if policy == "always_ask")

    def of(self, tools: Collection[str]) -> Policy:
        """The policy for a call of one of these tools; empty = it can't be told."""
        return _strictest([side.of(tools) for side in self.sides])


def plain(name: str) -> str:
    """A tool's or a server's name as all agents write it: other signs than letters, digits, _ and - become _."""
    return _ODD.sub("_", name)


def _strictest(policies: Collection[Policy]) -> Policy:
    return "always_ask" if "always_ask" in policies else "always_allow"
