"""Agents: what may be asked for, what is refused by which code, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.knocking import Laptop, Person

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
    assert (made["type"], made["version"], made["model"]) == ("agent", 1, {"id": "claude-opus-5-5"})
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
                    {"type": TOOLSET, "default_config": allow("always_allow"), "configs": [allow("always_ask")]},
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


BAD: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"name": None}, 400, "bad_request", "name"),
    ({"name": ""}, 400, "bad_request", "name"),
    ({"name": "x" * 257}, 400, "bad_request", "name"),
    ({"name": "a\0b"}, 400, "bad_text", "name"),
    ({"model": 3}, 400, "bad_request", "model"),
    ({"metadata": {"k": 1}}, 400, "bad_request", "metadata[...]"),
    ({"metadata": {str(n): "" for n in range(17)}}, 400, "bad_request", "metadata"),
    ({"tools": [{"type": 1}]}, 400, "bad_request", "tools[0].type"),
    ({"tools": [{"type": TOOLSET, "default_config": allow("auto")}]}, 400, "unsupported_policy", "tools"),
    ({"permission_policy": "never"}, 400, "unsupported_policy", "permission_policy"),
    ({"harness": "cloud"}, 400, "unsupported_harness", "harness"),
    ({"multiagent": {"type": "coordinator"}}, 400, "unsupported_field", "multiagent"),
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
    ({"runtime_binding": {"runtime_id": "rt_1"}}, 400, "bad_request", "runtime_binding.acp_agent_id"),
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


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("limit=0", "bad_request", "limit"),
        ("limit=101", "bad_request", "limit"),
        ("limit=ten", "bad_request", "limit"),
        ("created_at%5Bgte%5D=2026-01-01", "unsupported_filter", "created_at[gte]"),
        ("page=" + "x" * 2000, "bad_request", "page"),
    ],
)
def test_a_list_refuses_what_it_would_ignore(ada: Person, query: str, code: str, param: str) -> None:
    refused = ada.ask("GET", f"/v1/agents?{query}")
    error = refused.json_body["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, code, param)
