"""``config.toml``: what the laptop's owner allows. Read at the daemon's start, the workspaces at each session's.

It is the owner's: `moor workspaces` changes that one list in it, and nothing else ever does.

An example of everything that it may hold::

    permission_policy = "always_ask"   # a ceiling: the plane can tighten it, never loosen it
    permission_policies = { read = "always_allow", bash = "always_ask" }   # the same for single tools
    max_sessions = 4                   # agents at once; a further session waits for a free place
    idle_close_minutes = 15            # an agent that nobody speaks to is closed, and resumed when spoken to
    keep_awake = false                 # let the laptop fall asleep by itself during a turn too
    max_disk_mb = 20000                # of all sessions' folders together; beyond it no session gets a new one
    min_free_mb = 1000                 # no session gets a new folder on a disk with less than this free
    connection_minutes = 50            # the connection is replaced before this age, where a proxy cuts older ones
    workspaces = ["~/src/shop"]        # folders of yours in which agents may work, with all that is below them
    proxy = "http://proxy.corp:3128"   # the way to the plane, and that of agents, unless the environment says another
    ca_file = "~/company.pem"          # certificates to trust in place of the system's, by the daemon and by agents

    [agents.codex-acp]                 # how to start one agent, where its own way is not wanted
    command = "/opt/codex/bin/codex-acp"
    args = ["--verbose"]
    env = { OPENAI_BASE_URL = "http://127.0.0.1:9999/v1" }
    idle_limit_s = 300                 # of a turn, in seconds; the stricter of this one and the plane's counts
    hard_limit_s = 1800
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from ..core.permissions import Policy
from ..errors import MoorError
from ..wire.limits import ROTATE_MAX_S

_Positive = Annotated[float, Meta(gt=0)]
_Folder = Annotated[str, Meta(pattern=r"^(?:/|~(?:/|$)|[A-Za-z]:[\\/])")]
_Proxy = Annotated[str, Meta(pattern=r"^(?:https?://)?[^\s/]+/?$")]
_Tool = Annotated[
    str, Meta(pattern=r"^(?:bash|edit|glob|grep|read|web_fetch|web_search|write|mcp__.+)$")
]  # A name that is none would tighten nothing, and nobody would notice.
_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


class AgentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one agent is started; None or empty leaves the agent's own way. Limits are seconds of one turn."""

    command: str | None = None
    args: tuple[str, ...] | None = None
    env: dict[str, str] = field(default_factory=dict)
    idle_limit_s: _Positive | None = None
    hard_limit_s: _Positive | None = None

    def __repr__(self) -> str:
        return f"AgentConfig(command={self.command!r})"  # Its environment may hold keys.


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file; a file that is not there allows what the plane asks."""

    permission_policy: Policy = "always_allow"
    max_sessions: Annotated[int, Meta(ge=1)] = 8
    idle_close_minutes: _Positive = 15.0
    connection_minutes: Annotated[float, Meta(gt=0, le=ROTATE_MAX_S / 60)] = ROTATE_MAX_S / 60
    agents: dict[str, AgentConfig] = field(default_factory=dict)
    workspaces: tuple[_Folder, ...] = ()
    permission_policies: dict[_Tool, Policy] = field(default_factory=dict)
    ca_file: _Folder | None = None
    proxy: _Proxy | None = None
    keep_awake: bool = True
    max_disk_mb: _Positive | None = None
    min_free_mb: Annotated[float, Meta(ge=0)] = 500.0

    def __repr__(self) -> str:
        return "Config()"  # A proxy's address may hold a password.


def read_config(path: Path) -> Config:
    """The laptop owner's settings.

    Raises:
        MoorError: ``bad_config``, naming the line.
    """
    try:
        text = path.read_bytes().decode()
        found = tomllib.loads(text)
    except FileNotFoundError:
        return Config()
    except (tomllib.TOMLDecodeError, UnicodeError, OSError) as exc:
        raise MoorError("bad_config", f"{path} can't be read: {exc}.") from exc
    try:
        return msgspec.convert(found, Config)
    except msgspec.ValidationError as exc:
        where, what = _place(str(exc))
        line = _line_of(text, where)
        at = f", line {line}" if line else ""
        raise MoorError("bad_config", f"{path}{at}: {what} (at {'.'.join(where) or 'the top'}).") from exc


def _place(sentence: str) -> tuple[list[str], str]:
    """The codec's sentence as the keys that lead to the fault, and the fault."""
    found = _PLACE.search(sentence)
    what = sentence[: found.start()] if found else sentence
    keys = [key for key in re.split(r"[.\[\]]+", found.group(1)) if key and key != "..."] if found else []
    unknown = _UNKNOWN.search(what)
    return ([*keys, unknown.group(1)] if unknown else keys), what


def _line_of(text: str, keys: list[str]) -> int | None:
    """The line on which the last of ``keys`` stands, in its table where that has a header of its own."""
    names = [key for key in keys if not key.isdecimal()]
    if not names:
        return None
    in_place = len(names) == 1
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line)
        if header and header.group(1) == names[-1]:
            return number
        if header:
            in_place = all(name in header.group(1) for name in names[1:-1])
        key = re.match(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*[=.]""", line)
        if in_place and key and key.group(1) == names[-1]:
            return number
    return None
