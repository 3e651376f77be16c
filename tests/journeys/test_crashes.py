"""The agent, the wrapper before it or the daemon is killed at each step of a turn, or the agent misbehaves in it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from infra.local.stage import bind_agent

from . import wrapped_agent
from .ground import House, Laptop, Session
from .leftovers import PROC, working_in
from .waiting import eventually
from .watching import Event, of_type, text_of

pytestmark = [
    pytest.mark.xdist_group("journeys of killed processes"),
    pytest.mark.skipif(not PROC.is_dir(), reason="Without /proc nobody tells which process works in a folder."),
]

MAX_MB = 300
"""What a daemon may need for its longest line, in memory several times over."""

TERMINAL = {"completed", "failed", "cancelled", "expired", "unknown"}
LAST_WORDS = "It last said: The scripted agent is here."
OBITUARIES = {
    "agent": f"The agent ended by itself with status {128 + signal.SIGKILL}. {LAST_WORDS}",
    "wrapper": f"The agent was ended by signal {signal.SIGKILL}. {LAST_WORDS}",
}

STEPS = ("spawned", "opening", "quiet", "speaking", "calling", "asking", "done", "unreported", "idle")
"""Those at which the agent stands still, a turn whose end the daemon knows and the plane does not, and no turn."""

SEEN: dict[str, Callable[[Session], object]] = {
    "speaking": lambda session: session.until_speaking("speaking"),
    "calling": lambda session: session.reader.until(of_type("agent.tool_use"), "the call"),
    "asking": lambda session: session.reader.until(asks, "the question"),
    "done": lambda session: session.until_speaking("done"),
}
"""What the plane has been told when a step is reached."""


def asks(event: Event) -> bool:
    return bool(event["type"] == "session.status_idle" and event["stop_reason"]["type"] == "requires_action")


class Fragile:
    """A laptop whose agents stand still where they are told to, and what is killed on it."""

    def __init__(self, laptop: Laptop) -> None:
        self.laptop, self._hold = laptop, laptop.home / "hold"
        self._agents: dict[str, str] = {}
        command = f"command = {json.dumps(sys.executable)}\nargs = {json.dumps(['-S', wrapped_agent.__file__])}"
        hold = f"HOLD = {json.dumps(str(self._hold))}"
        # It answers whoever only asks what it can do: one that does not is never bound.
        broken = (
            "import json, os, sys\n"
            "if os.getcwd().endswith('/work'):\n"
            "    asked = json.loads(sys.stdin.readline())\n"
            "    said = {'jsonrpc': '2.0', 'id': asked['id'], 'result': {'protocolVersion': 1}}\n"
            "    print(json.dumps(said), flush=True)\n"
            "    sys.exit(sys.stdin.read() and 0)\n"
            "open('starts', 'a').write('1\\n')\n"
            "raise SystemExit('no licence')\n"
        )
        (laptop.home / "config.toml").write_text(
            f"[agents.wrapped]\n{command}\nenv = {{ {hold} }}\n"
            f'[agents.deaf]\n{command}\nenv = {{ {hold}, DEAF = "1" }}\n'
            f"[agents.broken]\ncommand = {json.dumps(sys.executable)}\nargs = {json.dumps(['-c', broken])}\n"
        )
        laptop.start()

    @contextlib.contextmanager
    def visit(self, acp_agent_id: str) -> Iterator[Session]:
        """A new session with one of its agents, of which nobody is left in the end."""
        api = self.laptop.house.api
        if acp_agent_id not in self._agents:
            name = f"{acp_agent_id} on {self.laptop.home.name}"
            made = bind_agent(api, self.laptop.runtime_id, acp_agent_id, name=name, permission_policy="always_ask")
            self._agents[acp_agent_id] = made["id"]
        made = api.ok("POST", "/v1/sessions", {"agent": self._agents[acp_agent_id]})
        with Session(self.laptop.house, made["id"]) as session:
            try:
                yield session
            finally:
                session.house.plane.process.send_signal(signal.SIGCONT)
                for pid in self.at_work(session):
                    os.kill(pid, signal.SIGKILL)

    def starts(self, session: Session) -> list[list[int]]:
        """The pids of agent and wrapper at each start of a session's agent."""
        lines = (self.laptop.folder(session.id) / "starts").read_text().splitlines()
        return [[int(pid) for pid in line.split()] for line in lines]

    def reach(self, session: Session, step: str) -> str:
        """Has a turn come to a step and stand still there. Returns the message's id."""
        if step == "idle":
            message_id = session.say("Hello.")
            session.reader.until_settled(message_id)
        elif step == "unreported":
            message_id = session.say("held")
            session.until_speaking("holding")
            session.house.plane.process.send_signal(signal.SIGSTOP)
            (self.laptop.folder(session.id) / "release").touch()
            ended = re.compile(f"session={session.id} .* ended: completed")
            eventually("the turn ends", lambda: ended.search(self.log))
        else:
            self._hold.write_text(step)
            message_id = session.say(step)
            at = self.laptop.folder(session.id) / "at"
            eventually(f"the agent is at {step}", lambda: at.exists() and at.read_text() == step)
            self._hold.unlink()
            if seen := SEEN.get(step):
                seen(session)
        return message_id

    def kill(self, session: Session, victim: str) -> None:
        """Kills somebody. A daemon comes back, and its plane too if it was stopped."""
        agent, wrapper = self.starts(session)[-1]
        match victim:
            case "agent":
                os.kill(agent, signal.SIGKILL)
            case "wrapper":
                os.kill(wrapper, signal.SIGKILL)
            case "daemon":
                self.laptop.kill()
        session.house.plane.process.send_signal(signal.SIGCONT)
        if victim == "daemon":
            self.laptop.start()

    def until_seen_alive(self, wrapper: int) -> None:
        """Waits until the daemon has noted once more that a child lives."""
        record = self.laptop.home / "children" / f"{wrapper}.json"
        before = record.read_bytes()
        eventually("the child is seen alive once more", lambda: record.read_bytes() != before)

    def kill_both(self, wrapper: int) -> None:
        """Kills a wrapper and the daemon, which is dead before it can see that."""
        assert self.laptop.daemon is not None
        self.laptop.daemon.process.send_signal(signal.SIGSTOP)
        os.kill(wrapper, signal.SIGKILL)
        self.laptop.kill()

    def at_work(self, session: Session) -> list[int]:
        """The processes in a session's folder."""
        return working_in(self.laptop.folder(session.id))

    @property
    def peak_mb(self) -> float:
        """The most memory that the daemon has had."""
        assert self.laptop.daemon is not None
        status = (PROC / str(self.laptop.daemon.process.pid) / "status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    @property
    def log(self) -> str:
        """What the daemons have logged."""
        return (self.laptop.home / "daemon.log").read_text()


@pytest.fixture(scope="module")
def fragile(house: House) -> Iterator[Fragile]:
    """A laptop of these journeys' own."""
    laptop = house.laptop("crashes")
    made = Fragile(laptop)
    yield made
    laptop.stop()


@pytest.fixture
def session(fragile: Fragile, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session of the agent that the test's parameter names, "wrapped" by default."""
    with fragile.visit(getattr(request, "param", "wrapped")) as made:
        yield made


def assert_ended_once(session: Session, message_id: str, status: str) -> None:
    """The message has one terminal receipt, its last, and each turn one end."""
    receipts = session.receipts(message_id)
    assert [one for one in receipts if one in TERMINAL] == receipts[-1:] == [status]
    started = [event["turn_id"] for event in session.reader.events if event["type"] == "mooring.turn_started"]
    ended = [event["turn_id"] for event in session.reader.events if event["type"] == "mooring.turn_ended"]
    assert ended == started


def reason(session: Session, count: int = 1) -> str:
    """Why a turn ended as it did, as a person sees it: what the ``count``th error says."""
    told = session.reader.until(of_type("session.error"), "an error that says so", count)
    return str(told["error"]["message"])


def answer(session: Session) -> int:
    """Answers the question that was asked last. Returns the status of that."""
    (asked,) = session.reader.until(asks, "the question")["stop_reason"]["event_ids"]
    event = {"type": "user.tool_confirmation", "tool_use_id": asked, "result": "allow"}
    return session.api.call("POST", f"/v1/sessions/{session.id}/events", {"events": [event]})[0]


@pytest.mark.parametrize("victim", ["agent", "wrapper", "daemon"])
@pytest.mark.parametrize("step", STEPS)
def test_whoever_is_killed_at_whatever_step_the_turn_ends_once_and_truly_and_the_next_one_works(
    fragile: Fragile, session: Session, step: str, victim: str
) -> None:
    """Catches a turn that hangs or ends twice or as something else, a process left behind, and one started too many."""
    message_id = fragile.reach(session, step)
    fragile.kill(session, victim)
    if step in ("idle", "unreported"):
        status = "completed"
        eventually("nobody is left", lambda: not fragile.at_work(session))
    else:
        status = "unknown" if victim == "daemon" else "failed"
    session.reader.until_settled(message_id, status)
    assert fragile.at_work(session) == [], "nobody is left when the end is told"
    if status == "failed":
        assert reason(session) == OBITUARIES[victim]
    if status == "unknown":
        assert "The daemon stopped while this turn was running" in reason(session)
    if step == "asking":
        assert answer(session) == 409, "the question is settled with its turn"
    assert session.ask("Once more.")[-1:] == ["Once more."]
    assert len(fragile.starts(session)) == 2
    assert_ended_once(session, message_id, status)


def test_agents_that_heed_nothing_are_gone_before_the_next_daemon_is_there(fragile: Fragile) -> None:
    """Catches two agents in one folder, and a sweep that only knows processes that it started: one wrapper is dead."""
    steps = {"spawned": "unknown", "speaking": "unknown", "idle": "completed"}
    with contextlib.ExitStack() as leaving:
        sessions = {step: leaving.enter_context(fragile.visit("deaf")) for step in steps}
        messages = {step: fragile.reach(session, step) for step, session in sessions.items()}
        wrappers = {step: fragile.starts(session)[-1][1] for step, session in sessions.items()}
        fragile.until_seen_alive(wrappers["speaking"])
        fragile.kill_both(wrappers["speaking"])
        assert all(fragile.at_work(session) for session in sessions.values()), "they do not even notice"
        fragile.laptop.start()
        for step, session in sessions.items():
            assert session.ask("Once more.")[-1:] == ["Once more."]
            assert sorted(fragile.at_work(session)) == sorted(fragile.starts(session)[-1])
            assert f"child={wrappers[step]} outlived the daemon that started it" in fragile.log
            assert_ended_once(session, messages[step], steps[step])


@pytest.mark.parametrize("session", ["deaf"], indirect=True)
def test_an_agent_that_lost_its_wrapper_and_heeds_nothing_is_killed_with_its_turn(
    fragile: Fragile, session: Session
) -> None:
    """Catches a turn that waits for an output that a grandchild holds open, and the grandchild itself."""
    message_id = fragile.reach(session, "speaking")
    fragile.kill(session, "wrapper")
    session.reader.until_settled(message_id, "failed")
    assert fragile.at_work(session) == []
    assert reason(session) == OBITUARIES["wrapper"]


@pytest.mark.parametrize("session", ["broken"], indirect=True)
def test_an_agent_that_dies_at_every_start_is_started_once_a_turn(fragile: Fragile, session: Session) -> None:
    """Catches a daemon that starts a broken agent again and again."""
    for count in (1, 2):
        message_id = session.say("Hello.")
        session.reader.until_settled(message_id, "failed")
        assert reason(session, count) == "The agent ended by itself with status 1. It last said: no licence"
        assert len(fragile.starts(session)) == count


def test_an_agent_that_writes_what_it_should_not_ends_no_turn_but_the_one_that_can_not_go_on(
    fragile: Fragile, session: Session
) -> None:
    """Catches a turn that hangs or fails for what can be passed over, what is lost or turned round, and a full laptop.

    A line may be long: whole files cross in one. One that does not end must.
    """
    assert session.ask("odd") == ["before after"]
    assert session.ask("noise 1000000") == ["written"]
    logs = (fragile.laptop.home / "logs").glob(f"{session.id}.log*")
    assert sum(log.stat().st_size for log in logs) <= 1024 * 1024
    assert session.ask("chunks 50000") == ["".join(f"{number} " for number in range(50_000))]
    assert session.ask("line 20000000") == []
    (result,) = [text_of(event) for event in session.reader.events if event["type"] == "agent.tool_result"]
    assert result.startswith("xxx")
    assert result.endswith("[shortened here by the daemon: it was longer than an event may be]")
    assert len(fragile.starts(session)) == 1, "one child has borne it all"

    message_id = session.say("endless")
    session.reader.until_settled(message_id, "failed")
    assert fragile.at_work(session) == []
    assert reason(session).startswith(
        f"The agent wrote a line of more than {64 * 1024 * 1024} bytes. It last said: eee"
    )
    assert session.ask("Once more.") == ["Once more."]
    assert_ended_once(session, message_id, "failed")
    assert fragile.peak_mb < MAX_MB
