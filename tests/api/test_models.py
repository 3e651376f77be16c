"""Models: one shape that the SDKs of both APIs read."""

from __future__ import annotations

import pytest

from tests.knocking import Laptop, Person


def test_models_are_answered_for_both_kinds_of_sdk(ada: Person, laptop: Laptop) -> None:
    laptop.connect()
    agent = ada.agent(laptop.runtime_id)
    listed = ada.get("/v1/models")
    created = int(ada.world.clock.time)
    assert listed["data"][0] == {
        "id": "acp:echo",
        "object": "model",
        "type": "model",
        "display_name": "echo",
        "lifecycle": "active",
        "owned_by": "mooring",
        "created": created,
        "created_at": agent["created_at"],
    }
    assert [one["id"] for one in listed["data"]] == ["acp:echo", agent["id"]]
    ends = {"object": "list", "has_more": False, "first_id": "acp:echo", "last_id": agent["id"]}
    assert {name: listed[name] for name in ends} == ends
    for one in listed["data"]:
        assert ada.get(f"/v1/models/{one['id']}") == one
        assert ada.get(f"/v1/models/{one['id'].replace(':', '%3A')}") == one


def test_models_come_in_pages(ada: Person) -> None:
    made: list[str] = []
    for n in range(3):
        ada.world.clock.time += 1
        made.insert(0, ada.post("/v1/agents", {"name": f"a{n}"})["id"])
    first = ada.get("/v1/models?limit=2&beta=true&lifecycle[]=active")
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (made[:2], True)
    second = ada.get(f"/v1/models?limit=2&after_id={first['last_id']}")
    assert ([one["id"] for one in second["data"]], second["has_more"]) == (made[2:], False)
    back = ada.get(f"/v1/models?limit=1&before_id={made[2]}")
    assert ([one["id"] for one in back["data"]], back["has_more"]) == ([made[1]], True)
    empty = ada.world.tenant().get("/v1/models")
    assert (empty["data"], empty["first_id"], empty["last_id"]) == ([], None, None)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/absent", 404, "model_not_found"),
        ("/acp:absent", 404, "model_not_found"),
        ("?after_id=absent", 404, "model_not_found"),
        ("?limit=0", 400, "bad_request"),
        ("?limit=1001", 400, "bad_request"),
        ("?lifecycle=retired", 400, "bad_request"),
        ("?page=x", 400, "unsupported_filter"),
    ],
)
def test_models_that_are_not_there_are_refused(ada: Person, path: str, status: int, code: str) -> None:
    refused = ada.ask("GET", f"/v1/models{path}")
    assert (refused.status_code, refused.json_body["error"]["code"]) == (status, code)


def test_another_tenants_agent_is_no_model(ada: Person) -> None:
    agent_id = ada.post("/v1/agents", {"name": "a"})["id"]
    assert ada.world.tenant().ask("GET", f"/v1/models/{agent_id}").status_code == 404
