"""A daemon's home as a stopped daemon leaves it, with the secrets of the history's laptop and of its owner.

Four sessions are in its journal:

    half_run   a turn had been started when the daemon was killed; a batch is in flight, and what came after it waits
    resumed    a turn is on disk and was not begun; its agent has a conversation to go on with
    refused    a turn was cancelled before its prompt came; its end waits to be sent for the first time
    buried     disposed of
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final, Literal

import msgspec

from mooring.echo_agent.history import Exchange, History
from mooring.edge.creds import Credentials, Login, Paths, write_credentials, write_login
from mooring.edge.folder import Folders
from mooring.edge.journal import Journal
from mooring.providers.acp_session import Continuation
from mooring.wire import codec, frames
from mooring.wire.bundle import Bundle
from mooring.wire.events import AgentMessage, TextBlock, TurnEnded
from mooring.wire.ids import EventId, SessionId, TurnId

from .history import Lived

HALF_RUN: Final = SessionId("sesn_half_run")
RESUMED: Final = SessionId("sesn_resumed")
REFUSED: Final = SessionId("sesn_refused")
BURIED: Final = SessionId("sesn_buried")

ECHO_SESSION: Final = "echo_00000000000000e1"

_FAR_OFF: Final = 4_000_000_000.0
"""In 2096: tombstones are removed after some months, and this one is to be found for as long as there are tests."""

CONFIG: Final = """\
permission_policy = "always_ask"
max_sessions = 4
idle_close_minutes = 15
connection_minutes = 50
workspaces = ["~/src/shop", "/srv/shop"]
ca_file = "/etc/ssl/ours.pem"
proxy = "http://proxy.example:3128"
keep_awake = false
max_disk_mb = 20000
min_free_mb = 1000
permission_policies = { read = "always_allow", mcp__linear = "always_ask" }

[agents.codex-acp]
command = "/opt/codex/bin/codex-acp"
args = ["--verbose"]
env = { OPENAI_BASE_URL = "http://127.0.0.1:9999/v1" }
idle_limit_s = 300
hard_limit_s = 1800
"""


def furnish(home: Path, lived: Lived) -> None:
    """Puts everything into an empty home."""
    where = Paths(home)
    write_credentials(
        where,
        Credentials(
            server_url="https://plane.example",
            ws_url="wss://plane.example/api",
            runtime_id=lived.laptop.runtime_id,
            token=lived.laptop.token,
            machine_id="machine-1",
            created_at=1_800_000_000.0,
            expires_at=1_807_776_000.0,
        ),
    )
    write_login(where, Login(server_url="https://plane.example", api_key=lived.api_key))
    where.machine_id.write_text("machine-1\n", encoding="utf-8")
    where.config.write_text(CONFIG, encoding="utf-8")
    where.lock.touch()
    folder = Folders(where).make(RESUMED, "echo", msgspec.json.decode(lived.bundle, type=Bundle))
    History(ECHO_SESSION, folder, [Exchange("Remember me.", "You said: Remember me.")]).save()
    where.logs.mkdir()
    (where.logs / f"{RESUMED}.log").write_text("the agent's own words\n", encoding="utf-8")
    _write_journal(where.journal(lived.laptop.runtime_id))


def _write_journal(path: Path) -> None:
    count = itertools.count(1)
    journal = Journal(str(path), lambda: f"{next(count):032x}")
    continuation = Continuation("echo", ECHO_SESSION, "moor-echo-agent 0.1.0").dump()

    first, second, third = (TurnId(f"turn_{k}") for k in (1, 2, 3))
    _accept(journal, HALF_RUN, first, 1, "one")
    journal.start(HALF_RUN, first)
    journal.end(HALF_RUN, first, [_said("a", first), _ended(first)])
    journal.freeze(HALF_RUN, 0)
    _accept(journal, HALF_RUN, second, 2, "two")
    journal.start(HALF_RUN, second)
    journal.append(HALF_RUN, [_said("b", second), _said("c", second)])
    journal.acknowledge(HALF_RUN, 1, 5, "5a" * 32, 17)
    journal.append(HALF_RUN, [_said("d", second)])

    journal.remember(RESUMED, "echo", continuation)
    _accept(journal, RESUMED, first, 1, "/history")

    journal.refuse(REFUSED, third, 3, [_ended(third, "cancelled")])
    _accept(journal, BURIED, first, 1, "gone")
    journal.bury(BURIED, _FAR_OFF)
    journal.close()


def _accept(journal: Journal, session_id: SessionId, turn_id: TurnId, order: int, text: str) -> None:
    prompt = frames.SessionPrompt(
        session_id=session_id, turn_id=turn_id, order=order, agent_id="echo", content=(TextBlock(text),)
    )
    journal.accept(session_id, turn_id, order, codec.encode(prompt))


def _said(name: str, turn_id: TurnId) -> AgentMessage:
    return AgentMessage(id=EventId(f"sevt_{name}"), turn_id=turn_id, content=(TextBlock(f"Said {name}: ☕"),))


def _ended(turn_id: TurnId, outcome: Literal["completed", "cancelled"] = "completed") -> TurnEnded:
    return TurnEnded(id=EventId(f"sevt_end_{turn_id}"), turn_id=turn_id, outcome=outcome)
