"""Environments: what may be asked for, what comes back, and which laptop a session's environment means."""

from __future__ import annotations

from typing import Any

import pytest

from tests.knocking import Laptop, Person, answer

HOSTED = {"type": "self_hosted"}


def of(laptop: Laptop) -> str:
    """The id of the environment that means a laptop."""
    return "env_" + laptop.runtime_id.removeprefix("rt_")


def refusal(response: Any) -> tuple[int, str, str | None]:
    error = response.json_body["error"]
    return response.status_code, error["code"], error["param"]


def test_an_environment_comes_back_as_the_sdks_want_it(ada: Person) -> None:
    asked = {"name": "desk", "config": HOSTED, "description": "By the window.", "metadata": {"floor": "2"}}
    made = ada.post("/v1/environments", {**asked, "scope": "organization"})
    assert made["id"].startswith("env_")
    assert made == {
        **asked,
        "type": "environment",
        "id": made["id"],
        "scope": "organization",
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "archived_at": None,
        "_oma": {"runtime_id": None},
    }
    assert ada.get(f"/v1/environments/{made['id']}?beta=true") == made
    ada.world.clock.time += 5
    changed = ada.post(f"/v1/environments/{made['id']}", {"name": "sill", "description": None, "metadata": {"k": "v"}})
    assert (changed["name"], changed["description"], changed["metadata"]) == ("sill", None, {"floor": "2", "k": "v"})
    assert changed["updated_at"] > made["updated_at"]
    archived = answer(ada.ask("POST", f"/v1/environments/{made['id']}/archive"))
    assert archived["archived_at"] is not None
    deleted = answer(ada.ask("DELETE", f"/v1/environments/{made['id']}"))
    assert deleted == {"id": made["id"], "type": "environment_deleted"}
    assert refusal(ada.ask("GET", f"/v1/environments/{made['id']}"))[:2] == (404, "environment_not_found")


def test_the_local_one_and_the_laptops_are_listed_before_ones_own(ada: Person, laptop: Laptop) -> None:
    made = ada.post("/v1/environments", {"name": "desk"})
    gone = ada.post("/v1/environments", {"name": "old"})
    answer(ada.ask("POST", f"/v1/environments/{gone['id']}/archive"))
    listed = ada.get("/v1/environments")
    assert [one["id"] for one in listed["data"]] == ["env-local-runtime", of(laptop), made["id"]]
    assert listed["next_page"] is None
    assert listed["data"][1] == ada.get(f"/v1/environments/{of(laptop)}")
    assert (listed["data"][1]["name"], listed["data"][1]["_oma"]) == ("mbp", {"runtime_id": laptop.runtime_id})
    assert len(ada.get("/v1/environments?include_archived=true")["data"]) == 4
    page = ada.get("/v1/environments?limit=2")["next_page"]
    assert [one["id"] for one in ada.get(f"/v1/environments?limit=2&page={page}")["data"]] == [made["id"]]


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"name": None}, "bad_request", "name"),
        ({"name": ""}, "bad_request", "name"),
        ({"config": {"type": "cloud"}}, "unsupported_field", "config.type"),
        ({"config": {"networking": {}}}, "unsupported_field", "config.type"),
        ({"config": {**HOSTED, "packages": {"pip": ["x"]}}}, "unsupported_field", "config.packages"),
        ({"config": 1}, "bad_request", "config"),
        ({"scope": "account"}, "unsupported_field", "scope"),
        ({"scope": "world"}, "bad_request", "scope"),
        ({"metadata": {str(n): "" for n in range(17)}}, "too_much_metadata", "metadata"),
        ({"_oma": {"runtime": "rt_1"}}, "bad_request", "_oma.runtime"),
        ({"_oma": {"runtime_id": 1}}, "bad_request", "_oma.runtime_id"),
    ],
)
def test_an_environment_that_can_not_be_is_refused(ada: Person, changes: dict[str, Any], code: str, param: str) -> None:
    made = ada.post("/v1/environments", {"name": "desk"})
    for path in ("/v1/environments", f"/v1/environments/{made['id']}"):
        assert refusal(ada.ask("POST", path, {"name": "a", **changes})) == (400, code, param)
    assert len(ada.get("/v1/environments")["data"]) == 2


def test_an_environment_is_tied_to_a_laptop_of_its_tenant_only(ada: Person, laptop: Laptop) -> None:
    tied = ada.post("/v1/environments", {"name": "desk", "runtime_id": "x", "_oma": {"runtime_id": laptop.runtime_id}})
    assert tied["_oma"] == {"runtime_id": laptop.runtime_id}
    freed = ada.post(f"/v1/environments/{tied['id']}", {"_oma": {"runtime_id": None}})
    assert freed["_oma"] == {"runtime_id": None}
    stranger = ada.world.tenant()
    told = [
        stranger.ask("POST", "/v1/environments", {"name": "desk", "runtime_id": one})
        for one in (laptop.runtime_id, "rt_" + "0" * 24)
    ]
    assert [refusal(one) for one in told] == [(404, "runtime_not_found", "runtime_id")] * 2


def test_what_another_tenant_has_answers_like_what_nobody_has(ada: Person, laptop: Laptop) -> None:
    made = ada.post("/v1/environments", {"name": "desk"})
    stranger = ada.world.tenant()
    agent = stranger.post("/v1/agents", {"name": "a", "model": "acp:echo"})
    for one in (made["id"], of(laptop), "env_0", "x", "env_" + "0" * 300):
        for method, path, body in (
            ("GET", "", None),
            ("POST", "", {"name": "b"}),
            ("POST", "/archive", None),
            ("DELETE", "", None),
        ):
            refused = stranger.ask(method, f"/v1/environments/{one}{path}", body)
            assert refusal(refused) == (404, "environment_not_found", "environment_id")
            assert refused.json_body["error"]["message"] == f"There is no environment {one[:80]}."
        if len(one) < 128:
            made_in = stranger.ask("POST", "/v1/sessions", {"agent": agent["id"], "environment_id": one})
            assert refusal(made_in) == (404, "environment_not_found", "environment_id")


@pytest.mark.parametrize("kind", ["local", "laptop"])
def test_what_nobody_made_can_not_be_changed(ada: Person, laptop: Laptop, kind: str) -> None:
    path = f"/v1/environments/{of(laptop) if kind == 'laptop' else 'env-local-runtime'}"
    for method, verb, body in (("POST", "", {"name": "b"}), ("POST", "/archive", None), ("DELETE", "", None)):
        assert refusal(ada.ask(method, path + verb, body)) == (400, "environment_fixed", "environment_id")


def test_a_session_runs_on_the_laptop_that_its_environment_means(ada: Person, laptop: Laptop) -> None:
    """Catches a session on its agent's laptop although its environment names another one."""
    other = ada.laptop("machine-2")
    agent = ada.agent(laptop.runtime_id)
    tied = ada.post("/v1/environments", {"name": "desk", "runtime_id": other.runtime_id})
    free = ada.post("/v1/environments", {"name": "any"})
    means = {tied["id"]: other, of(other): other, free["id"]: laptop, "env-local-runtime": laptop, of(laptop): laptop}
    for environment_id, runtime in means.items():
        made = ada.session(agent["id"], environment_id=environment_id)
        assert made["environment_id"] == environment_id
        assert made["agent"]["runtime_binding"]["runtime_id"] == runtime.runtime_id
        path = f"/agents/runtime/sessions/{made['id']}/bundle?agent_id=echo"
        others = {one.runtime_id: one for one in (laptop, other)}
        others.pop(runtime.runtime_id)
        assert runtime.ask("GET", path).status_code == 200
        assert [one.ask("GET", path).status_code for one in others.values()] == [404]


def test_an_environment_and_a_model_are_all_that_an_unmodified_sdk_need_say(ada: Person, laptop: Laptop) -> None:
    agent = ada.post("/v1/agents", {"name": "a", "model": "acp:echo"})
    made = ada.session(agent["id"], environment_id=of(laptop))
    bound = {"runtime_id": laptop.runtime_id, "acp_agent_id": "echo", "local_skill_blocklist": []}
    assert made["agent"]["runtime_binding"] == bound
    for environment_id, model in (("env-local-runtime", "acp:echo"), (of(laptop), "opus")):
        one = ada.post("/v1/agents", {"name": "a", "model": model})
        refused = ada.ask("POST", "/v1/sessions", {"agent": one["id"], "environment_id": environment_id})
        assert refusal(refused) == (400, "agent_not_bound", "agent")


def test_an_archived_environment_takes_no_session_and_a_deleted_one_leaves_those_it_has(
    ada: Person, laptop: Laptop
) -> None:
    agent = ada.agent(laptop.runtime_id)
    made = ada.post("/v1/environments", {"name": "desk", "runtime_id": laptop.runtime_id})
    session = ada.session(agent["id"], environment_id=made["id"])
    answer(ada.ask("POST", f"/v1/environments/{made['id']}/archive"))
    refused = ada.ask("POST", "/v1/sessions", {"agent": agent["id"], "environment_id": made["id"]})
    assert refusal(refused) == (409, "environment_archived", "environment_id")
    answer(ada.ask("DELETE", f"/v1/environments/{made['id']}"))
    assert ada.get(f"/v1/sessions/{session['id']}")["environment_id"] == made["id"]
    assert answer(ada.say(session["id"], "Still there?"))["data"]
