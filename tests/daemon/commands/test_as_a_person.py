"""What a person does with a key: share and remove laptops, define agents, look at sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mooring.edge import https
from mooring.edge.creds import Login, Paths, write_login
from tests.daemon.commands.command_line import moor
from tests.daemon.fake_plane import FakePlane, fault
from tests.daemon.machine import set_up

SHARED = {"id": "rt_1", "hostname": "lap", "shared": True}
MADE = {"id": "agent_7", "name": "Reviewer"}


@pytest.fixture(autouse=True)
def _logged_in(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "_BACKOFF_S", 0.0)
    set_up(home, plane)
    write_login(home, Login(server_url=plane.url, api_key="moor_key"))


def session(session_id: str, status: str, **more: Any) -> dict[str, Any]:
    agent = {"id": "agent_1", "name": "Helper"}
    times = {"created_at": "2026-11-21T08:00:00.000000Z", "updated_at": "2026-11-21T08:00:00.000000Z"}
    return {"id": session_id, "status": status, "agent": agent, "title": None, "archived_at": None, **times, **more}


def test_share_lets_the_team_use_this_laptop_or_another_one(
    plane: FakePlane, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a share that asks with the laptop's own token, or takes back what it should give."""
    plane.route("POST /v1/runtimes/rt_[12]", (200, SHARED))
    assert moor(capsys, "share", "--json")[:2] == (0, {"runtime": SHARED})
    assert moor(capsys, "share", "--off", "--runtime=rt_2")[0] == 0
    assert [(one.path, one.json) for one in plane.asked] == [
        ("/v1/runtimes/rt_1", {"shared": True}),
        ("/v1/runtimes/rt_2", {"shared": False}),
    ]
    assert {one.headers["authorization"] for one in plane.asked} == {"Bearer moor_key"}


def test_runtime_list_marks_this_laptop(plane: FakePlane, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"id": "rt_2", "hostname": "desk", "status": "offline", "agents": [], "shared": False}
    here = {**SHARED, "status": "asleep", "agents": [{"id": "echo"}, {"id": "gemini"}], "waiting": 2}
    plane.route("GET /v1/runtimes", (200, {"runtimes": [here, other]}))
    assert moor(capsys, "runtime", "list", "--json")[:2] == (0, {"runtimes": [here, other], "this": "rt_1"})
    rows = [line.split("\t") for line in moor(capsys, "runtime", "list")[1].splitlines()]
    assert rows[1][:5] == ["rt_1 *", "lap", "asleep (2 waiting)", "echo, gemini", "yes"]
    assert rows[2][:5] == ["rt_2", "desk", "offline", "", "no"]


def test_a_runtime_is_removed_only_when_it_is_meant(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    plane.route("DELETE /v1/runtimes/rt_1", (200, {"id": "rt_1"}))
    status, told, _ = moor(capsys, "runtime", "rm", "this", "--json")
    assert (status, told["error"]["code"], plane.asked) == (1, "not_confirmed", [])
    assert moor(capsys, "runtime", "rm", "this", "--yes", "--json")[:2] == (0, {"removed": "rt_1"})
    assert home.credentials.exists()
    plane.route("DELETE /v1/runtimes/rt_9", fault(404, "runtime_not_found"))
    status, told, _ = moor(capsys, "runtime", "rm", "rt_9", "--yes", "--json")
    assert (status, told["error"]["code"]) == (1, "runtime_not_found")


@pytest.mark.parametrize("joint", [" ", "="])
def test_an_agent_is_made_as_it_is_described(
    plane: FakePlane, capsys: pytest.CaptureFixture[str], tmp_path: Path, joint: str
) -> None:
    """Catches flags that are understood in one of the two ways only in which people write them."""
    plane.route("POST /v1/agents", (200, MADE))
    (tmp_path / "prompt.md").write_text("You review code.\n")
    flags = {
        "--runtime": "rt_2",
        "--acp-agent": "claude-acp",
        "--name": "Reviewer",
        "--model": "sonnet",
        "--system": f"@{tmp_path}/prompt.md",
        "--permission-policy": "always_ask",
        "--workspace": "/src/shop",
    }
    words = [word for flag, value in flags.items() for word in f"{flag}{joint}{value}".split(" ", 1)]
    assert moor(capsys, "agents", "create", *words, "--json")[:2] == (0, {"agent": MADE})
    assert plane.asked[0].json == {
        "name": "Reviewer",
        "model": "sonnet",
        "system": "You review code.\n",
        "_oma": {
            "runtime_binding": {"runtime_id": "rt_2", "acp_agent_id": "claude-acp"},
            "permission_policy": "always_ask",
            "workspace": "/src/shop",
        },
    }


def test_an_agent_of_this_laptop_finds_its_workspace_by_name(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plane.route("POST /v1/agents", (200, MADE))
    shop = tmp_path.resolve() / "shop"
    shop.mkdir()
    home.config.write_text(f'workspaces = ["{shop}"]')
    create = ("agents", "create", "--acp-agent", "echo", "--name", "E", "--workspace")
    assert moor(capsys, *create, "shop")[0] == 0
    bindings = [one.json["_oma"] for one in plane.asked]
    assert bindings == [{"runtime_binding": {"runtime_id": "rt_1", "acp_agent_id": "echo"}, "workspace": str(shop)}]
    assert f"moor workspaces allow {tmp_path.resolve()}" in moor(capsys, *create, str(tmp_path))[1]
    status, told, _ = moor(capsys, *create, "shopp", "--json")
    assert (status, told["error"]["code"]) == (1, "workspace_unknown")
    status, told, _ = moor(capsys, *create, "shop", "--system", f"@{tmp_path}/none", "--json")
    assert (status, told["error"]["code"]) == (1, "file_unreadable")


def test_sessions_are_listed_with_what_waits_in_them(plane: FakePlane, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a question for each idle session, of which a team has hundreds."""
    pages = {
        "-": {"data": [session("sesn_1", "running", title="Parser")], "next_page": "p2"},
        "p2": {"data": [session("sesn_2", "idle")], "next_page": "p3"},
    }
    plane.route("GET /v1/sessions", lambda asked: (200, pages[asked.query.get("page", ["-"])[0]]))
    waiting = [{"processed_at": None}, {"processed_at": None}, {"processed_at": "2026-11-21T08:00:00Z"}]
    plane.route("GET /v1/sessions/sesn_1/events", (200, {"data": waiting, "next_page": None}))
    plane.route("GET /v1/agents", (200, {"data": [{"id": "agent_1", "name": "Helper"}], "next_page": None}))
    flags = ("--agent", "Helper", "--status=running", "--limit", "2")
    status, told, _ = moor(capsys, "sessions", *flags, "--json")
    assert (status, [(one["id"], one["waiting"]) for one in told["sessions"]]) == (0, [("sesn_1", 2), ("sesn_2", 0)])
    asked = plane.requests("GET /v1/sessions")[0].query
    assert asked == {"agent_id": ["agent_1"], "statuses[]": ["running"], "limit": ["2"]}
    assert len(plane.requests("GET /v1/sessions.*")) == 3
    rows = [line.split("\t") for line in moor(capsys, "sessions", "--limit", "1")[1].splitlines()]
    assert [rows[1][index] for index in (0, 1, 2, 3, 5)] == ["sesn_1", "Helper", "running", "2", "Parser"]


def test_one_session_is_shown_archived_and_deleted(plane: FakePlane, capsys: pytest.CaptureFixture[str]) -> None:
    idle = session("sesn_1", "idle", title="Parser")
    plane.route("GET /v1/sessions/sesn_1", (200, idle))
    plane.route("POST /v1/sessions/sesn_1/archive", (200, {**idle, "status": "terminated"}))
    plane.route("DELETE /v1/sessions/sesn_1", (200, {"id": "sesn_1"}))
    assert moor(capsys, "sessions", "show", "sesn_1", "--json")[:2] == (0, {"session": {**idle, "waiting": 0}})
    assert "agent    Helper (agent_1)" in moor(capsys, "sessions", "show", "sesn_1")[1]
    assert moor(capsys, "sessions", "archive", "sesn_1")[0] == 0
    assert moor(capsys, "sessions", "rm", "sesn_1", "--json")[1]["error"]["code"] == "not_confirmed"
    assert plane.requests("DELETE .*") == []
    assert moor(capsys, "sessions", "rm", "sesn_1", "--yes", "--json")[:2] == (0, {"removed": "sesn_1"})


def test_lists_that_hold_nothing_say_what_to_do(plane: FakePlane, capsys: pytest.CaptureFixture[str]) -> None:
    plane.route("GET /v1/sessions", (200, {"data": [], "next_page": None}))
    plane.route("GET /v1/runtimes", (200, {"runtimes": []}))
    assert moor(capsys, "sessions")[:2] == (0, "There are no such sessions.\n")
    assert "moor setup" in moor(capsys, "runtime", "list")[1]
    assert moor(capsys, "sessions", "--limit", "0", "--json")[1]["error"]["code"] == "usage"
