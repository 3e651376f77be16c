"""Bad input over the real sockets and HTTP: a stable refusal each, and nothing half done."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import Template
from threading import Barrier
from typing import Any

import pytest
import websocket

from infra.local.stage import API, bind_agent

from .bad_input import ASKS, CODE_STATE, REFUSED_AT_THE_DOOR, SAYS, Ask, Say, Who, exchange, message
from .ground import Ground, House, Session
from .remembered import Tables
from .waiting import PATIENCE_S, eventually
from .watching import Wire, of_type

pytestmark = pytest.mark.xdist_group("journeys of crashes and strangers")

ROOT = Path(__file__).parents[2]
RACERS = 20
MAX_WAITING = 50


class Scene:
    """Two tenants. The first has a laptop that never came (``asleep``), and one that this test plays (``ghost``)."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.tables = Tables(str(house.plane.ready["aws_endpoint_url"]))
        self.asleep, self.ghost = house.laptop("asleep"), house.laptop("ghost")
        self.secrets = self._strangers()
        self.foreign = API(house.plane.url, self.secrets["foreign_key"])
        self.names = {**self.secrets, "asleep": self.asleep.runtime_id, "ghost": self.ghost.runtime_id}
        self.names |= {"code": self.code(house.api), "used_code": self.code(house.api)}
        self.names["session"] = self._session(house.api, self.asleep.runtime_id)
        self.names["other_session"] = self._session(house.api, self.ghost.runtime_id)
        self.names["ghost_session"] = self.names["other_session"]
        self._foreigners()
        path = f"/v1/sessions/{self.names['session']}/events"
        posted = house.api.ok("POST", path, message(), **{"idempotency-key": "used-before"})
        self.names["event"] = posted["data"][0]["id"]
        house.api.ok("POST", "/agents/runtime/exchange", exchange(self.names["used_code"]))
        self.wires = {one: Wire(house.ws_url, self.secret(one)) for one in ("key", "asleep", "ghost")}
        hello = {"runtime_id": self.ghost.runtime_id, "instance": "ghost", "seq": 1, "outbox": "outbox-of-a-ghost"}
        self.wires["ghost"].say("hello", **hello)
        self.wires["ghost"].until(of_type("welcome"), "welcome")

    def secret(self, who: Who) -> str:
        """What somebody shows."""
        match who:
            case "key":
                return self.house.api.key
            case "asleep" | "ghost":
                return self.ghost.token if who == "ghost" else self.asleep.token
            case "unknown_key":
                return f"moor_{'0' * 48}"
            case "unknown_token":
                return f"sk_machine_{'0' * 60}"
            case "nobody":
                return ""
            case _:
                return self.secrets[who]

    def filled(self, text: str) -> str:
        """A text with the names of the scene put in."""
        return Template(text).substitute(self.names)

    def code(self, api: API) -> str:
        """A fresh connect code."""
        return str(api.ok("POST", "/v1/runtimes/connect-runtime", {"state": CODE_STATE})["code"])

    def close(self) -> None:
        """Leaves."""
        for wire in self.wires.values():
            wire.close()
        self.foreign.pool.clear()
        self.tables.close()

    def _strangers(self) -> dict[str, str]:
        command = [sys.executable, "-m", "tests.journeys.strangers"]
        arguments = [self.asleep.runtime_id, self.house.tenant_id, CODE_STATE]
        done = subprocess.run(
            [*command, *arguments], cwd=ROOT, env=self.house.plane_env, capture_output=True, check=True
        )
        made: dict[str, str] = json.loads(done.stdout)
        return made

    def _foreigners(self) -> None:
        enrolled = self.foreign.ok("POST", "/agents/runtime/exchange", exchange(self.code(self.foreign)))
        self.names["foreign_runtime"] = enrolled["runtime_id"]
        self.names["foreign_session"] = self._session(self.foreign, enrolled["runtime_id"])
        path = f"/v1/sessions/{self.names['foreign_session']}/events"
        self.names["foreign_event"] = self.foreign.ok("POST", path, message())["data"][0]["id"]
        self.names["foreign_agent"] = self.foreign.ok("GET", "/v1/agents")["data"][0]["id"]

    def _session(self, api: API, runtime_id: str) -> str:
        agent = bind_agent(api, runtime_id, "echo", name=f"echo on {runtime_id}")
        return str(api.ok("POST", "/v1/sessions", {"agent": agent["id"]})["id"])


@pytest.fixture(scope="module")
def scene(ground: Ground) -> Iterator[Scene]:
    house = House(ground, "strangers")
    made = Scene(house)
    yield made
    made.close()
    house.stop()


@pytest.fixture
def nothing_is_written(scene: Scene) -> Iterator[None]:
    """What the plane remembers is the same before and after."""
    before = scene.tables.rows()
    yield
    assert scene.tables.rows() == before


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.name)
def test_a_bad_request_is_refused_and_leaves_everything_as_it_was(
    scene: Scene, nothing_is_written: None, ask: Ask
) -> None:
    """Catches a refusal without its code, one that tells more than it should, and a request that was done by half."""
    body = ask.body if isinstance(ask.body, str) else json.dumps(ask.body)
    api = scene.house.api
    answer = api.pool.request(
        ask.method,
        api.url + scene.filled(ask.path),
        body=scene.filled(body).encode() if ask.body is not None else None,
        headers={"authorization": f"Bearer {scene.secret(ask.who)}", "content-type": "application/json", **ask.headers},
    )
    told = json.loads(answer.data)
    assert (answer.status, told["error"]["code"]) == (ask.status, ask.code)
    assert told["request_id"] == answer.headers["request-id"]
    assert "Traceback" not in answer.data.decode()


def test_what_is_foreign_answers_exactly_as_what_is_absent(scene: Scene) -> None:
    """Catches an answer by which another tenant's ids can be told from ids that nobody has."""
    api = scene.house.api
    for method, rest in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        told = []
        for session_id in (scene.names["foreign_session"], "sesn_unknown"):
            status, body = api.call(method, f"/v1/sessions/{session_id}{rest}")
            told.append((status, json.dumps(body["error"]).replace(session_id, "…")))
        assert told[0] == told[1]


@pytest.mark.parametrize("say", SAYS, ids=lambda say: say.name)
def test_a_bad_frame_is_refused_and_leaves_everything_as_it_was(
    scene: Scene, nothing_is_written: None, say: Say
) -> None:
    """Catches a frame that ends its connection, is believed although it is not its sender's to say, or is ignored."""
    wire = scene.wires[say.who]
    start = len(wire.frames)
    wire.send(scene.filled(say.text))
    told = wire.until(of_type("error"), "a refusal", start)
    assert told["code"] == say.code
    assert told["message"]
    wire.say(f"next-{start}")
    wire.until(of_type("error", code="unknown_frame", of=f"next-{start}"), "an answer to the next frame", start)


@pytest.mark.parametrize("who", REFUSED_AT_THE_DOOR)
def test_a_socket_is_refused_by_its_status_to_who_is_not_known(scene: Scene, who: Who) -> None:
    """Catches a socket that is opened first and checked later."""
    header = [f"Authorization: Bearer {secret}"] if (secret := scene.secret(who)) else []
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        websocket.create_connection(scene.house.ws_url, header=header, timeout=PATIENCE_S)
    assert caught.value.status_code == 401


@pytest.mark.parametrize(
    ("what", "close_code"),
    [("a frame of 33 KB", 1009), ("a message of 129 KB", 1009), ("a binary message", 1003)],
)
def test_what_the_gateway_does_not_carry_closes_the_socket(
    scene: Scene, nothing_is_written: None, what: str, close_code: int
) -> None:
    """Catches a local gateway that carries what AWS would not."""
    wire = scene.house.wire()
    attach = json.dumps({"type": "attach", "session_id": scene.names["session"], "more": ""})
    match what:
        case "a frame of 33 KB":
            wire.send(attach.replace('""', f'"{"x" * 33 * 1024}"'))
        case "a message of 129 KB":
            wire.send_in_pieces(attach.replace('""', f'"{"x" * 129 * 1024}"'), 16 * 1024)
        case _:
            wire.send_bytes(attach.encode())
    assert wire.until_closed() == close_code
    assert wire.frames == []
    wire.close()


def test_a_message_that_just_fits_is_carried(scene: Scene) -> None:
    """Catches limits that are too tight, and tables that would look untouched whatever is written."""
    before = scene.tables.rows()
    wire = scene.house.wire()
    attach = json.dumps({"type": "attach", "session_id": scene.names["session"], "more": "x" * 120 * 1024})
    wire.send_in_pieces(attach, 30 * 1024)
    wire.until(of_type("attached", session_id=scene.names["session"]), "attached")
    assert scene.tables.rows() != before
    wire.say("detach", session_id=scene.names["session"])
    eventually("detached", lambda: scene.tables.rows() == before)
    wire.close()


def test_a_full_queue_is_refused_with_the_time_to_come_back(scene: Scene) -> None:
    """Catches a queue without an end, and a refusal that programs can't wait for."""
    api = scene.house.api
    with scene.asleep.session() as session:
        sent = [session.say(f"Message {number}.") for number in range(MAX_WAITING)]
        before = session.pages()
        answer = api.pool.request(
            "POST",
            f"{api.url}/v1/sessions/{session.id}/events",
            body=json.dumps(message("One too many.")).encode(),
            headers={"authorization": f"Bearer {api.key}", "content-type": "application/json"},
        )
        assert (answer.status, json.loads(answer.data)["error"]["code"]) == (429, "queue_full")
        assert int(answer.headers["retry-after"]) > 0
        assert session.pages() == before
        assert [event["id"] for event in before if event["type"] == "user.message"] == sent


def test_of_many_that_race_for_one_connect_code_exactly_one_gets_a_token(scene: Scene) -> None:
    """Catches a code that is read first and marked as used later."""
    house = scene.house
    code, together = scene.code(house.api), Barrier(RACERS)

    def race(number: int) -> tuple[int, Any]:
        api = API(house.plane.url, "")
        body = {**exchange(code), "machine_id": f"racer-{number}"}
        together.wait(PATIENCE_S)
        found = api.call("POST", "/agents/runtime/exchange", body)
        api.pool.clear()
        return found

    before = len(house.api.ok("GET", "/v1/runtimes")["runtimes"])
    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(race, range(RACERS)))
    assert sorted(status for status, _ in answers) == [200] + [400] * (RACERS - 1)
    assert {body["error"]["code"] for status, body in answers if status == 400} == {"code_used"}
    assert len(house.api.ok("GET", "/v1/runtimes")["runtimes"]) == before + 1


def test_a_wrong_guess_does_not_use_a_connect_code_up(scene: Scene) -> None:
    """Catches a stranger who knows nothing and shuts a laptop out."""
    house = scene.house
    code = scene.code(house.api)
    path = "/agents/runtime/exchange"
    assert house.api.call("POST", path, exchange(code, "another state"))[0] == 400
    assert house.api.call("POST", path, {**exchange(code), "code_verifier": "v" * 43})[0] == 200


def test_after_all_of_it_a_laptop_is_served_as_before(scene: Scene) -> None:
    """Catches a plane that refuses well and then serves nobody."""
    scene.wires["asleep"].close()
    scene.asleep.start()
    session = Session(scene.house, scene.names["session"])
    with session:
        session.reader.until_settled(scene.names["event"])
        assert session.said() == ["You said: Hello."]
