"""The streaming app: what a reader gets, when, and what becomes of it in the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import anyio
import pytest

from chalicelib import wiring
from chalicelib.actors.follower import Out
from chalicelib.core import sse
from chalicelib.core.errors import Busy
from chalicelib.stream.app import build, owns
from chalicelib.wire import frames
from chalicelib.wire.ids import EventId, RuntimeId, SessionId
from chalicelib.wiring import Plane
from tests.knocking import WS_URL, Laptop, Person, World, answer, block, turn_of
from tests.stream.reading import Reader, Script, one_at_a_time, reading

MESSAGE = Out("event", "3.1", {"type": "agent.message", "id": "sevt_1", "content": [block("hi")]})
START = Out("delta_start", None, {"type": "event_start", "event": {"type": "agent.message", "id": "sevt_1"}})
DELTA = Out("delta", None, {"type": "event_delta", "event_id": "sevt_1", "delta": {"type": "content_delta"}})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    world = World()
    world.stores = one_at_a_time(world.stores)
    world.plane = Plane(world.stores, ws_url=WS_URL)
    wiring.use(world.plane)
    yield world
    wiring.reset()


@pytest.fixture
def ada(world: World) -> Person:
    return world.tenant()


@pytest.fixture
def laptop(ada: Person) -> Laptop:
    return ada.laptop()


@pytest.fixture
def session_id(ada: Person, laptop: Laptop) -> str:
    return str(ada.session(ada.agent(laptop.runtime_id)["id"])["id"])


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    anyio.run(test)


def path_of(session_id: str) -> str:
    return f"/v1/sessions/{session_id}/events/stream"


def opening(ada: Person, session_id: str, query: str = "", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"authorization": f"Bearer {ada.secret}", **named}
    return reading(build(lambda: ada.world.plane), path_of(session_id), query, headers=given)


def follow_script(monkeypatch: pytest.MonkeyPatch, ada: Person, script: Script) -> None:
    monkeypatch.setattr(ada.world.plane.reading, "follow", lambda *_args, **_wish: script)


def test_it_owns_the_stream_and_nothing_else() -> None:
    assert owns("GET", path_of("sesn_1"))
    for method, path in (("POST", path_of("sesn_1")), ("GET", "/v1/sessions/sesn_1/events"), ("GET", "/health")):
        assert not owns(method, path)


# ---- what a reader gets


def test_headers_and_a_comment_come_at_once_and_the_reader_is_attached(ada: Person, session_id: str) -> None:
    async def test() -> None:
        async with opening(ada, session_id) as reader:
            assert reader.status == 200
            assert reader.headers["content-type"].startswith("text/event-stream")
            assert reader.headers["request-id"].startswith("req_")
            assert await reader.frame() == {"": "open"}
            assert await reader.frame() == {"retry": "1000"}
            assert ada.world.stores.attachments.of_session(SessionId(session_id), ada.world.clock.now())
            answer(await in_thread(lambda: ada.say(session_id, "hello")))
            event = await reader.event()
            assert event["event"] == "user.message"
            assert json.loads(event["data"])["content"] == [block("hello")]
        assert not ada.world.stores.attachments.of_session(SessionId(session_id), ada.world.clock.now())

    run(test)


async def in_thread(call: Callable[[], Any]) -> Any:
    return await anyio.to_thread.run_sync(call)


@pytest.mark.parametrize("by", ["key", "token"])
def test_a_stream_ends_with_the_secret_that_opened_it(ada: Person, session_id: str, by: str) -> None:
    """Catches somebody who reads on for hours after their key was taken from them."""
    if by == "key":
        key = ada.key()
        secret, revoked = key.secret, f"/v1/api_keys/{key.key_id}"
    else:
        made = ada.post(f"/v1/sessions/{session_id}/tokens", {"name": "ci"})
        secret, revoked = made["token"], f"/v1/sessions/{session_id}/tokens/{made['id']}"
    app = build(lambda: ada.world.plane, ask_again_s=0.0)

    async def test() -> None:
        async with reading(app, path_of(session_id), headers={"authorization": f"Bearer {secret}"}) as reader:
            assert await reader.frame() == {"": "open"}
            answer(await in_thread(lambda: ada.ask("DELETE", revoked)))
            error = json.loads((await reader.event())["data"])
            assert (error["type"], error["error"]["code"]) == ("error", "unauthorized")

    run(test)


def test_only_whole_events_are_a_place_to_go_on_from(
    ada: Person, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow_script(monkeypatch, ada, Script([START, DELTA], [MESSAGE]))

    async def test() -> None:
        async with opening(ada, session_id, "event_deltas%5B%5D=agent.message") as reader:
            start, delta, message = [await reader.event() for _ in range(3)]
            assert (start["event"], delta["event"], message["event"]) == ("event_start", "event_delta", "agent.message")
            assert "id" not in start
            assert "id" not in delta
            assert message["id"] == "3.1"
            assert json.loads(message["data"]) == MESSAGE.body

    run(test)


@pytest.mark.parametrize(("query", "headers"), [("after=0", {}), ("after=9", {"last_event_id": "0"})])
def test_a_reader_goes_on_from_its_place(ada: Person, session_id: str, query: str, headers: dict[str, str]) -> None:
    answer(ada.say(session_id, "hello"))

    async def test() -> None:
        async with opening(ada, session_id, query, **headers) as reader:
            first, second = await reader.event(), await reader.event()
            assert [first["event"], second["event"]] == ["user.message", "session.status_rescheduled"]
        async with opening(ada, session_id, last_event_id=first["id"]) as reader:
            assert await reader.event() == second

    run(test)


def test_a_new_reader_gets_nothing_of_the_past(ada: Person, session_id: str) -> None:
    answer(ada.say(session_id, "before"))

    async def test() -> None:
        async with opening(ada, session_id) as reader:
            answer(await in_thread(lambda: ada.say(session_id, "after")))
            assert json.loads((await reader.event())["data"])["content"] == [block("after")]

    run(test)


def test_our_own_events_come_on_request(ada: Person, laptop: Laptop, session_id: str) -> None:
    laptop.connect()
    answer(ada.say(session_id, "hello"))

    async def test() -> None:
        async with opening(ada, session_id, "after=0&include=mooring") as reader:
            assert (await reader.event())["event"] == "mooring.session_created"

    run(test)


def test_text_is_seen_while_it_is_written(ada: Person, laptop: Laptop, session_id: str) -> None:
    laptop.connect()
    answer(ada.say(session_id, "hello"))
    turn_id = turn_of(ada.world.said_to(laptop.connection_id))

    def write(counter: int, offset: int, text: str) -> None:
        laptop.say(
            frames.SessionDelta(
                runtime_id=RuntimeId(laptop.runtime_id),
                session_id=SessionId(session_id),
                turn_id=turn_id,
                counter=counter,
                event_id=EventId(f"sevt_a{turn_id[5:]}"),
                event_type="agent.message",
                offset=offset,
                text=text,
            )
        )

    async def test() -> None:
        async with opening(ada, session_id, "event_deltas%5B%5D=agent.message") as reader:
            assert await reader.frame() == {"": "open"}
            said = await in_thread(lambda: ada.world.said_to(laptop.connection_id))
            assert said[-1]["type"] == "session.watch"
            assert said[-1]["window_ms"] == 100
            await in_thread(lambda: write(1, 0, "Hel"))
            start, first = await reader.event(), await reader.event()
            assert json.loads(start["data"])["event"] == {"type": "agent.message", "id": f"sevt_a{turn_id[5:]}"}
            await in_thread(lambda: write(2, 3, "lo"))
            second = await reader.event()
            texts = [json.loads(one["data"])["delta"]["content"]["text"] for one in (first, second)]
            assert texts == ["Hel", "lo"]
            await in_thread(lambda: laptop.answers(session_id, turn_id, "Hello"))
            whole = json.loads((await reader.event())["data"])
            assert (whole["id"], whole["content"]) == (f"sevt_a{turn_id[5:]}", [block("Hello")])

    run(test)


# ---- how it ends


def test_a_reader_that_leaves_is_detached_while_it_waits(
    ada: Person, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(idle_s=3600.0)
    follow_script(monkeypatch, ada, script)

    async def test() -> None:
        async with opening(ada, session_id) as reader:
            assert await reader.frame() == {"": "open"}
            assert not script.closed.is_set()
        assert script.closed.is_set()

    run(test)


def test_a_deleted_session_ends_its_streams(ada: Person, session_id: str) -> None:
    async def test() -> None:
        async with opening(ada, session_id) as reader:
            answer(await in_thread(lambda: ada.ask("DELETE", f"/v1/sessions/{session_id}")))
            assert (await reader.event())["event"] == "session.deleted"
            assert await reader.end() == ""

    run(test)


def test_a_quiet_stream_says_that_it_lives(ada: Person, session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.01)

    async def test() -> None:
        async with opening(ada, session_id) as reader:
            assert await reader.frame() == {"": "open"}
            assert await reader.frame() == {"retry": "1000"}
            assert await reader.frame() == {"": "still here"}

    run(test)


def test_what_breaks_midway_is_told_in_the_stream(
    ada: Person, session_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(by: Exception) -> tuple[Reader, dict[str, str]]:
        script = Script([MESSAGE], by)
        follow_script(monkeypatch, ada, script)
        async with opening(ada, session_id) as reader:
            assert (await reader.event())["event"] == "agent.message"
            told = await reader.event()
            await reader.end()
        assert script.closed.is_set()
        return reader, told

    async def test() -> None:
        reader, told = await broken(RuntimeError("secret detail"))
        error = json.loads(told["data"])
        assert told["event"] == error["type"] == "error"
        assert error["error"]["code"] == "internal_error"
        assert error["request_id"] == reader.headers["request-id"]
        assert "secret detail" not in told["data"]
        assert "secret detail" in caplog.text
        _, told = await broken(Busy("object_busy", "Try again.", retry_after_s=1))
        assert json.loads(told["data"])["error"]["code"] == "object_busy"

    run(test)


def test_a_hundred_readers_read_at_once(ada: Person, session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(100)
    scripts = [Script([MESSAGE]) for _ in range(100)]
    for script in scripts:
        script.on_poll = once(lambda: together.wait(10))
    left = list(scripts)
    monkeypatch.setattr(ada.world.plane.reading, "follow", lambda *_args, **_wish: left.pop())
    app = build(lambda: ada.world.plane)
    seen: list[str] = []

    async def read() -> None:
        async with reading(app, path_of(session_id), headers={"x-api-key": ada.secret}) as reader:
            seen.append((await reader.event())["event"])

    async def test() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(read)

    run(test)
    assert seen == ["agent.message"] * 100
    assert all(script.closed.is_set() for script in scripts)


def once(call: Callable[[], Any]) -> Callable[[], None]:
    calls = [call]
    return lambda: calls.pop()() if calls else None


# ---- who is turned away


def refusal(app: Any, path: str, query: str, method: str, headers: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
    found: list[Any] = []

    async def test() -> None:
        async with reading(app, path, query, method, headers) as reader:
            found.extend((reader.status, await reader.body(), reader.headers))

    run(test)
    return found[0], found[1], found[2]


@pytest.mark.parametrize(
    ("query", "who", "status", "code"),
    [
        ("", "nobody", 401, "unauthorized"),
        ("", "laptop", 403, "wrong_principal"),
        ("", "stranger", 404, "session_not_found"),
        ("after=x", "ada", 400, "bad_cursor"),
        ("include=x", "ada", 400, "bad_request"),
        ("event_deltas%5B%5D=x", "ada", 400, "bad_request"),
    ],
)
def test_a_refusal_comes_before_the_stream_in_the_one_shape(
    ada: Person, laptop: Laptop, session_id: str, query: str, who: str, status: int, code: str
) -> None:
    secrets = {"ada": ada.secret, "laptop": laptop.token, "stranger": ada.world.tenant().secret, "nobody": "x"}
    headers = {"authorization": f"Bearer {secrets[who]}"}
    got, body, sent = refusal(build(lambda: ada.world.plane), path_of(session_id), query, "GET", headers)
    assert (got, body["type"], body["error"]["code"]) == (status, "error", code)
    assert set(body["error"]) == {"type", "code", "message", "param"}
    assert sent["content-type"] == "application/json"
    assert sent["request-id"] == body["request_id"]
    assert not ada.world.stores.attachments.of_session(SessionId(session_id), ada.world.clock.now())


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("POST", path_of("sesn_1"), 405, "method_not_allowed"), ("GET", "/elsewhere", 404, "not_found")],
)
def test_starlettes_own_refusals_have_our_shape(ada: Person, method: str, path: str, status: int, code: str) -> None:
    got, body, _ = refusal(build(lambda: ada.world.plane), path, "", method, {})
    assert (got, body["error"]["code"]) == (status, code)


def test_a_bug_before_the_stream_is_logged_and_not_shown(
    ada: Person, session_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: Any, **_wish: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(ada.world.plane.reading, "follow", fail)
    headers = {"authorization": f"Bearer {ada.secret}"}
    got, body, _ = refusal(build(lambda: ada.world.plane), path_of(session_id), "", "GET", headers)
    assert (got, body["error"]["code"]) == (500, "internal_error")
    assert "secret detail" not in json.dumps(body)
    assert "secret detail" in caplog.text
