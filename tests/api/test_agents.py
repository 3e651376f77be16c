"""Agents: what may be asked for, what is refused by which code, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.wire import frames
from chalicelib.wire.ids import OutboxId, RuntimeId
from tests.knocking import Laptop, Person, answer

TOOLSET = "agent_toolset_20260401"


def binding(runtime_id: str, **more: Any) -> dict[str, Any]:
    return {"runtime_id": runtime_id, "acp_agent_id": "echo", **more}


def test_an_agent_comes_back_as_the_sdks_want_it(ada: Person, laptop: Laptop) -> None:
    asked = {
        "name": "reviewer",
        "model": {"id": "claude-opus-5-5", "speed": "standard"},
        "system": "You review code.",
        "tools": [{"type": TOOLSET}, {"type": "custom", "name": "look", "description": "d", "input_schema": {}}],
        "mcp_servers": [{"type": "url", "name": "docs", "url": "https://mcp.example/x"}],
        "metadata": {"team": "core"},
        "multiagent": None,
        "execution_identity": {"type": "service_account"},
        "harness": "acp-proxy",
        "runtime_binding": binding(laptop.runtime_id, local_skill_blocklist=["deploy"]),
    }
    made = ada.post("/v1/agents", asked)
    bound = {"runtime_id": laptop.runtime_id, "acp_agent_id": "echo", "local_skill_blocklist": ["deploy"]}
    required = {"id", "type", "version", "name", "model", "tools", "mcp_servers", "skills", "metadata"}
    assert required | {"execution_identity", "created_at", "updated_at"} <= set(made)
    assert made["id"].startswith("agent_")
    assert (made["type"], made["version"]) == ("agent", 1)
    assert made["model"] == {"id": "claude-opus-5-5", "speed": "standard"}
    assert made["runtime_binding"] == made["_oma"]["runtime_binding"] == bound
    assert made["_oma"]["harness"] == "acp-proxy"
    policy = {"type": "always_ask"}
    filled = {"type": TOOLSET, "configs": [], "default_config": {"enabled": True, "permission_policy": policy}}
    assert made["tools"][0] == filled
    assert made["tools"][1] == asked["tools"][1]  # type: ignore[index]  # A list of mixed values.
    assert ada.get(f"/v1/agents/{made['id']}") == made
    assert ada.get(f"/v1/agents/{made['id']}?version=1&beta=true") == made


@pytest.mark.parametrize(
    ("alias", "canonical"),
    [
        ("claude-code-acp", "claude-acp"),
        ("claude-agent-acp", "claude-acp"),
        ("codex-cli", "codex-acp"),
        ("gemini-cli", "gemini"),
        ("opencode", "opencode"),
    ],
)
def test_an_acp_agent_is_known_by_its_canonical_id(ada: Person, laptop: Laptop, alias: str, canonical: str) -> None:
    made = ada.agent(laptop.runtime_id, runtime_binding=binding(laptop.runtime_id, acp_agent_id=alias))
    assert made["runtime_binding"]["acp_agent_id"] == canonical


def test_the_extension_may_stand_under_its_own_key_and_wins(ada: Person, laptop: Laptop) -> None:
    extension = {
        "harness": "acp-proxy",
        "runtime_binding": binding(laptop.runtime_id),
        "permission_policy": {"type": "always_allow"},
        "idle_limit_s": 0,
        "hard_limit_s": 60,
        "appendable_prompts": ["Be short."],
        "workspace": "/src/shop",
    }
    made = ada.post("/v1/agents", {"name": "a", "_oma": extension, "permission_policy": "always_ask"})
    assert made["_oma"] == {
        **extension,
        "runtime_binding": binding(laptop.runtime_id, local_skill_blocklist=[]),
    }


def allow(policy: str) -> dict[str, Any]:
    return {"enabled": True, "permission_policy": {"type": policy}}


@pytest.mark.parametrize(
    ("asked", "policy"),
    [
        ({}, "always_ask"),
        ({"permission_policy": "always_allow"}, "always_allow"),
        ({"tools": [{"type": TOOLSET, "default_config": allow("always_allow")}]}, "always_allow"),
        (
            {
                "tools": [
                    {
                        "type": TOOLSET,
                        "default_config": allow("always_allow"),
                        "configs": [{"name": "bash", **allow("always_ask")}],
                    },
                ]
            },
            "always_ask",
        ),
        (
            {
                "permission_policy": "always_ask",
                "tools": [{"type": TOOLSET, "default_config": allow("always_allow")}],
            },
            "always_ask",
        ),
        ({"tools": [{"type": TOOLSET, "default_config": None}]}, "always_ask"),
    ],
)
def test_the_policy_is_the_one_said_or_the_tools_strictest(ada: Person, asked: dict[str, Any], policy: str) -> None:
    assert ada.post("/v1/agents", {"name": "a", **asked})["_oma"]["permission_policy"] == {"type": policy}


AUTO = "tools[0].default_config.permission_policy"
BASH = "tools[0].configs[0].enabled"

BAD: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"name": None}, 400, "bad_request", "name"),
    ({"name": ""}, 400, "bad_request", "name"),
    ({"name": "x" * 257}, 400, "bad_request", "name"),
    ({"name": "a\0b"}, 400, "bad_text", "name"),
    ({"model": 3}, 400, "bad_request", "model"),
    ({"metadata": {"k": 1}}, 400, "bad_request", "metadata[...]"),
    ({"metadata": {str(n): "" for n in range(17)}}, 400, "too_much_metadata", "metadata"),
    ({"tools": [{"type": 1}]}, 400, "bad_tool", "tools[0].type"),
    ({"tools": [{"type": TOOLSET, "default_config": allow("auto")}]}, 400, "unsupported_policy", AUTO),
    ({"tools": [{"type": TOOLSET, "configs": [{"name": "bash", "enabled": False}]}]}, 400, "unsupported_field", BASH),
    ({"execution_identity": {"type": "aws_role", "role_arn": "x"}}, 400, "unsupported_field", "execution_identity"),
    ({"model": {"id": "m", "inference_geo": "eu"}}, 400, "unsupported_field", "model.inference_geo"),
    ({"model": {"id": "m", "effort": "little"}}, 400, "bad_request", "model.effort"),
    ({"permission_policy": "never"}, 400, "unsupported_policy", "permission_policy"),
    ({"harness": "cloud"}, 400, "unsupported_harness", "harness"),
    ({"multiagent": {"type": "coordinator"}}, 400, "unsupported_field", "multiagent"),
    ({"mcp_servers": [{"name": "a", "url": "https://x"}] * 2}, 400, "mcp_server_repeated", "mcp_servers[1].name"),
    ({"mcp_servers": [{"name": "a", "url": "ftp://x"}]}, 400, "bad_request", "mcp_servers[0].url"),
    (
        {"mcp_servers": [{"name": "a", "url": "https://x", "authorization_token": "s"}]},
        400,
        "bad_request",
        "mcp_servers[0].authorization_token",
    ),
    ({"_oma": {"harnes": "acp-proxy"}}, 400, "bad_request", "_oma.harnes"),
    ({"_oma": 1}, 400, "bad_request", "_oma"),
    ({"idle_limit_s": -1}, 400, "bad_request", "idle_limit_s"),
    ({"hard_limit_s": 10**9}, 400, "bad_request", "hard_limit_s"),
    ({"runtime_binding": {"runtime_id": "rt_1"}}, 400, "acp_agent_missing", "runtime_binding.acp_agent_id"),
    ({"runtime_binding": binding("rt_" + "0" * 24)}, 404, "runtime_not_found", "runtime_id"),
    ({"runtime_binding": binding("no runtime\n")}, 404, "runtime_not_found", "runtime_id"),
    ({"skills": [{"note": "x" * 140_000}]}, 413, "content_too_large", None),
]


@pytest.mark.parametrize(("changes", "status", "code", "param"), BAD)
def test_an_agent_that_can_not_be_is_refused(
    ada: Person, changes: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    refused = ada.ask("POST", "/v1/agents", {"name": "a", **changes})
    told = refused.json_body
    assert (refused.status_code, told["error"]["code"], told["error"]["param"]) == (status, code, param)
    assert set(told) == {"type", "error", "request_id"}
    assert set(told["error"]) == {"type", "code", "message", "param"}
    assert refused.headers["request-id"] == told["request_id"]
    assert ada.get("/v1/agents") == {"data": [], "next_page": None}


def test_another_tenants_runtime_answers_like_an_absent_one(ada: Person, laptop: Laptop) -> None:
    stranger = ada.world.tenant()
    foreign = stranger.ask("POST", "/v1/agents", {"name": "a", "runtime_binding": binding(laptop.runtime_id)})
    error = foreign.json_body["error"]
    assert (foreign.status_code, error["code"]) == (404, "runtime_not_found")
    absent = stranger.ask("POST", "/v1/agents", {"name": "a", "runtime_binding": binding("rt_" + "0" * 24)})
    assert absent.json_body["error"] == {
        **error,
        "message": error["message"].replace(laptop.runtime_id, "rt_" + "0" * 24),
    }


def test_another_tenants_agent_answers_like_an_absent_one(ada: Person) -> None:
    agent_id = ada.post("/v1/agents", {"name": "a"})["id"]
    stranger = ada.world.tenant()
    foreign = stranger.ask("GET", f"/v1/agents/{agent_id}").json_body["error"]
    absent = stranger.ask("GET", "/v1/agents/agent_0").json_body["error"]
    assert foreign["code"] == "agent_not_found"
    assert absent == {**foreign, "message": foreign["message"].replace(agent_id, "agent_0")}
    assert stranger.get("/v1/agents")["data"] == []


@pytest.mark.parametrize("path", ["agent_nope", "x", "agent_%00", "agent_" + "0" * 3000])
def test_an_id_that_can_not_be_answers_like_an_absent_one(ada: Person, path: str) -> None:
    refused = ada.ask("GET", f"/v1/agents/{path}")
    assert (refused.status_code, refused.json_body["error"]["code"]) == (404, "agent_not_found")


def test_a_version_that_is_not_there_is_not_found(ada: Person) -> None:
    agent_id = ada.post("/v1/agents", {"name": "a"})["id"]
    assert ada.ask("GET", f"/v1/agents/{agent_id}?version=2").status_code == 404
    assert ada.ask("GET", f"/v1/agents/{agent_id}?version=x").json_body["error"]["param"] == "version"


def test_agents_are_listed_newest_first_page_by_page(ada: Person) -> None:
    made = []
    for n in range(5):
        ada.world.clock.time += 1
        made.append(ada.post("/v1/agents", {"name": f"a{n}"})["id"])
    seen, page = [], ""
    while True:
        got = ada.get(f"/v1/agents?limit=2{page}")
        seen += [one["id"] for one in got["data"]]
        if got["next_page"] is None:
            break
        page = f"&page={got['next_page']}"
    assert seen == made[::-1]


def test_archived_agents_are_hidden_from_the_list_and_agents_are_found_by_time(ada: Person) -> None:
    made = []
    for n in range(4):
        ada.world.clock.time += 1
        made.append(ada.post("/v1/agents", {"name": f"a{n}"}))
    gone = ada.post(f"/v1/agents/{made[1]['id']}/archive", {})
    assert gone["archived_at"] is not None
    listed = ada.get("/v1/agents?limit=2")
    assert [one["name"] for one in listed["data"]] == ["a3", "a2"]
    assert [one["name"] for one in ada.get(f"/v1/agents?limit=2&page={listed['next_page']}")["data"]] == ["a0"]
    since, until = (made[n]["created_at"] for n in (1, 2))
    query = f"created_at%5Bgte%5D={since}&created_at%5Blte%5D={until}&include_archived=true"
    assert [one["name"] for one in ada.get(f"/v1/agents?{query}")["data"]] == ["a2", "a1"]


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("limit=0", "bad_request", "limit"),
        ("limit=101", "bad_request", "limit"),
        ("limit=ten", "bad_request", "limit"),
        ("created_at%5Bgte%5D=2026-01-01", "bad_request", "created_at[gte]"),
        ("created_at%5Bgt%5D=2026-01-01T00:00:00Z", "unsupported_filter", "created_at[gt]"),
        ("page=a%20b", "bad_page", "page"),
        ("page=" + "x" * 2000, "bad_request", "page"),
    ],
)
def test_a_list_refuses_what_it_would_ignore(ada: Person, query: str, code: str, param: str) -> None:
    refused = ada.ask("GET", f"/v1/agents?{query}")
    error = refused.json_body["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, code, param)


def test_an_update_keeps_what_it_does_not_name_and_every_version_can_be_had(ada: Person, laptop: Laptop) -> None:
    """Catches an update that loses fields, and versions that are not what they were."""
    made = ada.agent(
        laptop.runtime_id,
        model={"id": "opus", "effort": "high"},
        system="You review code.",
        description="Reviews.",
        metadata={"team": "core", "floor": "2"},
        mcp_servers=[{"type": "url", "name": "docs", "url": "https://mcp.example/x"}],
        tools=[{"type": TOOLSET, "default_config": allow("always_allow")}],
    )
    path = f"/v1/agents/{made['id']}"
    ada.world.clock.time += 5
    asked = {"version": 1, "system": "Well.", "metadata": {"team": None, "k": "v"}, "_oma": {"idle_limit_s": 5}}
    second = ada.post(path, asked)
    named = {"version", "system", "metadata", "_oma", "updated_at"}
    assert {name for name in made if made[name] != second[name]} == named
    assert (second["version"], second["system"], second["metadata"]) == (2, "Well.", {"floor": "2", "k": "v"})
    assert second["_oma"] == {**made["_oma"], "idle_limit_s": 5}
    assert made["model"] == {"id": "opus", "effort": {"type": "high"}}
    assert ada.post(path, {"version": 2, "system": "Well."}) == second
    cleared: dict[str, Any] = {
        "tools": [],
        "mcp_servers": None,
        "description": "",
        "runtime_binding": None,
        "model": "m",
    }
    third = ada.post(path, cleared)
    assert (third["tools"], third["mcp_servers"], third["description"]) == ([], [], None)
    assert (third["runtime_binding"], third["model"], third["version"]) == (None, {"id": "m"}, 3)
    assert ada.get(path) == third
    assert [ada.get(f"{path}?version={n}") for n in (1, 2, 3)] == [made, second, third]
    first = ada.get(f"{path}/versions?limit=2")
    assert first["data"] == [third, second]
    assert ada.get(f"{path}/versions?limit=2&page={first['next_page']}") == {"data": [made], "next_page": None}


def test_an_update_of_another_version_is_refused_for_good_and_says_which_is_the_newest(ada: Person) -> None:
    """Catches a refusal that SDKs try again by themselves."""
    agent_id = ada.post("/v1/agents", {"name": "a"})["id"]
    ada.post(f"/v1/agents/{agent_id}", {"version": 1, "name": "b"})
    refused = ada.ask("POST", f"/v1/agents/{agent_id}", {"version": 1, "name": "c"})
    assert (refused.status_code, refused.json_body["error"]["code"]) == (409, "agent_version_conflict")
    assert "version 2 now" in refused.json_body["error"]["message"]
    assert refused.headers["x-should-retry"] == "false"
    for version in (0, "1"):
        assert ada.ask("POST", f"/v1/agents/{agent_id}", {"version": version}).json_body["error"]["param"] == "version"


def test_an_archived_agent_makes_no_sessions_and_those_it_has_go_on(ada: Person, laptop: Laptop) -> None:
    agent = ada.agent(laptop.runtime_id)
    session = ada.session(agent["id"])
    archived = ada.post(f"/v1/agents/{agent['id']}/archive", {})
    assert {**archived, "archived_at": None} == agent
    assert answer(ada.ask("POST", f"/v1/agents/{agent['id']}/archive")) == archived
    for refused in (
        ada.ask("POST", "/v1/sessions", {"agent": agent["id"]}),
        ada.ask("POST", f"/v1/agents/{agent['id']}", {"name": "b"}),
    ):
        assert (refused.status_code, refused.json_body["error"]["code"]) == (409, "agent_archived")
    assert answer(ada.say(session["id"], "Still there?"))["data"]


def test_what_one_tenant_may_not_see_answers_like_an_absent_one_to_every_verb(ada: Person) -> None:
    agent_id = ada.post("/v1/agents", {"name": "a"})["id"]
    stranger = ada.world.tenant()
    for method, path in (("POST", "{}"), ("POST", "{}/archive"), ("GET", "{}/versions"), ("GET", "{}?version=1")):
        body = {"name": "b"} if path == "{}" else None
        told = [stranger.ask(method, f"/v1/agents/{path.format(one)}", body) for one in (agent_id, "agent_0")]
        assert {one.status_code for one in told} == {404}
        foreign, absent = (one.json_body["error"] for one in told)
        assert absent == {**foreign, "message": foreign["message"].replace(agent_id, "agent_0")}
    assert ada.get(f"/v1/agents/{agent_id}")["version"] == 1


def test_each_tool_is_answered_with_all_that_the_sdks_require(ada: Person) -> None:
    """Catches answers that a client which checks its types refuses to read."""
    tools: list[dict[str, Any]] = [
        {"type": TOOLSET, "default_config": allow("always_allow"), "configs": [{"name": "bash"}]},
        {"type": "mcp_toolset", "mcp_server_name": "docs", "configs": [{"name": "drop", **allow("always_ask")}]},
    ]
    made = ada.post("/v1/agents", {"name": "a", "tools": tools})
    assert made["_oma"]["permission_policy"] == {"type": "always_ask"}
    assert made["tools"] == [
        {**tools[0], "configs": [{"type": "bash", "name": "bash", **allow("always_allow")}]},
        {**tools[1], "default_config": allow("always_ask")},
    ]
    assert ada.post(f"/v1/agents/{made['id']}", {"tools": made["tools"]})["tools"] == made["tools"]


def test_a_binding_may_leave_the_acp_agent_to_the_model(ada: Person, laptop: Laptop) -> None:
    made = ada.post(
        "/v1/agents", {"name": "a", "model": "acp:codex-cli", "runtime_binding": {"runtime_id": laptop.runtime_id}}
    )
    assert made["runtime_binding"]["acp_agent_id"] == "codex-acp"


def session_agent(ada: Person, chosen: Any) -> Any:
    """The agent of a new session."""
    return ada.post("/v1/sessions", {"agent": chosen})["agent"]


def test_a_session_holds_its_version_and_its_own_changes(ada: Person, laptop: Laptop) -> None:
    """Catches a session that changes with its agent, or whose changes reach the agent."""
    agent = ada.agent(laptop.runtime_id, system="One.", tools=[{"type": TOOLSET}])
    ada.post(f"/v1/agents/{agent['id']}", {"system": "Two."})
    pinned = session_agent(ada, {"type": "agent", "id": agent["id"], "version": 1})
    assert (pinned["version"], pinned["system"]) == (1, "One.")
    newest = session_agent(ada, agent["id"])
    assert (newest["version"], newest["system"]) == (2, "Two.")
    overrides = {
        "system": "Own.",
        "model": {"id": "opus", "speed": "fast"},
        "tools": [{"type": TOOLSET, "default_config": allow("always_allow")}],
        "mcp_servers": [{"type": "url", "name": "docs", "url": "https://mcp.example/x"}],
        "skills": [],
    }
    chosen = {"type": "agent_with_overrides", "id": agent["id"], "version": 1, **overrides}
    own = session_agent(ada, chosen)
    assert {name: own[name] for name in ("system", "model", "mcp_servers", "version")} == {
        "system": "Own.",
        "model": {"id": "opus", "speed": "fast"},
        "mcp_servers": overrides["mcp_servers"],
        "version": 1,
    }
    assert own["_oma"]["permission_policy"] == {"type": "always_allow"}
    assert ada.get(f"/v1/agents/{agent['id']}?version=1") == agent


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"version": 3}, 404, "agent_not_found", "agent"),
        ({"type": "agent", "system": "Own."}, 400, "unsupported_field", "agent.type"),
        ({"tools": [{"type": TOOLSET, "default_config": allow("auto")}]}, 400, "unsupported_policy", AUTO),
        ({"type": "team"}, 400, "bad_request", "agent.type"),
    ],
)
def test_a_session_with_an_agent_that_can_not_be_is_refused(
    ada: Person, laptop: Laptop, changes: dict[str, Any], status: int, code: str, param: str
) -> None:
    agent = ada.agent(laptop.runtime_id)
    chosen = {"type": "agent_with_overrides", "id": agent["id"], **changes}
    refused = ada.ask("POST", "/v1/sessions", {"agent": chosen})
    error = refused.json_body["error"]
    assert (refused.status_code, error["code"], error["param"]) == (status, code, param)


def test_prompts_workspace_and_policies_reach_the_laptop_as_the_session_has_them(ada: Person, laptop: Laptop) -> None:
    agent = ada.agent(
        laptop.runtime_id,
        system="Be kind.",
        _oma={"appendable_prompts": ["Be short."], "workspace": "/src/shop"},
        tools=[{"type": TOOLSET, "configs": [{"name": "bash", **allow("always_allow")}]}],
    )
    session_id = ada.session(agent["id"])["id"]
    ada.post(f"/v1/agents/{agent['id']}", {"_oma": {"appendable_prompts": None, "workspace": None}})
    bundle = answer(laptop.ask("GET", f"/agents/runtime/sessions/{session_id}/bundle?agent_id=echo"))
    assert bundle["system_prompt"] == "Be kind.\n\nBe short."
    assert bundle["workspace"] == "/src/shop"
    assert (bundle["permission_policy"], bundle["permission_policies"]) == ("always_ask", {"bash": "always_allow"})


def test_what_a_later_hello_says_of_an_agent_is_shown_and_kept_to(ada: Person, laptop: Laptop) -> None:
    """Catches facts that are heard at a connection's begin alone, and a session with an agent that acts unasked."""
    laptop.connect()
    agent = ada.agent(laptop.runtime_id)
    found = frames.AgentReport(
        id="echo",
        name="Echo",
        version="2.0",
        login="yes",
        capabilities=frames.AgentCapabilities(load=True, auth_methods=("key",)),
        measured=frames.AgentMeasures(asks=False, mcp=True, at=5.0),
        never_asks=("read",),
    )
    hello = frames.Hello(
        runtime_id=RuntimeId(laptop.runtime_id), instance="i1", seq=2, outbox=OutboxId(laptop.outbox), agents=(found,)
    )
    (welcome,) = laptop.say(hello)
    assert (welcome["type"], welcome["epoch"]) == ("welcome", 1)
    (shown,) = ada.get("/v1/runtimes")["runtimes"][0]["agents"]
    assert shown == {
        "id": "echo",
        "version": "2.0",
        "name": "Echo",
        "login": "yes",
        "capabilities": {"load": True, "auth_methods": ["key"]},
        "measured": {"asks": False, "mcp": True, "at": 5.0},
        "never_asks": ["read"],
    }
    for path, body in (
        ("/v1/agents", {"name": "another", "runtime_binding": binding(laptop.runtime_id)}),
        ("/v1/sessions", {"agent": agent["id"]}),
    ):
        refused = ada.ask("POST", path, body)
        assert (refused.status_code, refused.json_body["error"]["code"]) == (400, "policy_not_honoured")
    lax = ada.agent(laptop.runtime_id, permission_policy="always_allow")
    assert ada.session(lax["id"])["id"]
    laptop.say(replace(hello, seq=3, agents=(frames.AgentReport(id="echo", problem="It crashed."),)))
    refused = ada.ask("POST", "/v1/sessions", {"agent": lax["id"]})
    assert (refused.status_code, refused.json_body["error"]["code"]) == (409, "acp_agent_unusable")
    assert "It crashed." in refused.json_body["error"]["message"]
