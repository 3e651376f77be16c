"""The plane as the machine asks it: what is sent, what is tried again, how a refusal is told."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable

import pytest

from mooring.edge import https
from mooring.edge.https import PlaneError, is_final, is_retryable
from mooring.edge.plane import Machine, Plane, ask_for_connect_code, ask_for_device_codes, exchange
from mooring.errors import EXIT_REFUSED, MoorError
from mooring.wire.bundle import Bundle, BundleFile
from mooring.wire.events import FileSource, TextBlock
from mooring.wire.ids import EventId, FileId, SessionId, TurnId
from tests.daemon.fake_plane import Answer, Asked, FakePlane, fault

TOKEN = "sk_machine_secret"
MACHINE = Machine(machine_id="m-1", hostname="mbp", os="darwin/arm64", version="1")
S, T = SessionId("sesn_1"), TurnId("turn_1")
BYTES = b"\x89PNG\x00\xff"
SOURCE = FileSource(
    file_id=FileId("file_1"), media_type="image/png", size_bytes=len(BYTES), sha256=hashlib.sha256(BYTES).hexdigest()
)
FILE_PATH = "/agents/runtime/sessions/sesn_1/turns/turn_1/files/file_1"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "_BACKOFF_S", 0.0)


def failing(times: int, status: int, then: Answer) -> Callable[[Asked], Answer]:
    """Refuses some times before it answers."""
    left = [fault(status, "busy")] * times
    return lambda _: left.pop() if left else then


def test_an_exchange_gives_the_runtime_and_its_token(plane: FakePlane) -> None:
    plane.route("POST /agents/runtime/exchange", (200, {"runtime_id": "rt_1", "token": TOKEN, "ws_url": "ws://x"}))
    enrolled = exchange(plane.url, "code", "state", MACHINE, code_verifier="v")
    assert (enrolled.runtime_id, enrolled.token, enrolled.ws_url) == ("rt_1", TOKEN, "ws://x")
    assert TOKEN not in repr(enrolled)
    assert plane.asked[0].json == {
        "code": "code",
        "state": "state",
        "machine_id": "m-1",
        "hostname": "mbp",
        "os": "darwin/arm64",
        "version": "1",
        "code_verifier": "v",
    }
    assert "authorization" not in plane.asked[0].headers


def test_a_code_is_never_sent_twice_once_it_was_heard(plane: FakePlane) -> None:
    plane.route("POST /agents/runtime/exchange", fault(503, "enrolment_unfinished"))
    with pytest.raises(PlaneError, match="enrolment_unfinished"):
        exchange(plane.url, "code", "state", MACHINE)
    assert len(plane.asked) == 1


def test_a_device_gets_codes_and_by_them_a_connect_code(plane: FakePlane) -> None:
    codes = {"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": "http://x/device", "expires_in": 600}
    plane.route("POST /agents/runtime/device", (200, codes))
    plane.route("POST /agents/runtime/device/token", (200, {"code": "c0de"}))
    got = ask_for_device_codes(plane.url, "state", "challenge", MACHINE)
    assert (got.user_code, got.interval, got.verification_uri_complete) == ("WDJB-MJHT", 5.0, "")
    assert ask_for_connect_code(plane.url, got.device_code) == "c0de"
    assert [one.json for one in plane.asked] == [
        {"state": "state", "code_challenge": "challenge", "hostname": "mbp", "os": "darwin/arm64"},
        {"device_code": "d"},
    ]
    assert "device_code" not in repr(got)


def test_a_token_is_renewed_and_revoked_by_itself(plane: FakePlane) -> None:
    """Catches requests that go on with the secret of the start after another one has taken its place."""
    plane.route("POST /agents/runtime/token", (200, {"token": "sk_machine_new", "expires_at": 9}))
    plane.route("DELETE /agents/runtime/token", (200, {}))
    tokens = [TOKEN]
    asking = Plane(plane.url, lambda: tokens[-1])
    made = asking.renew_token()
    assert (made.token, made.expires_at) == ("sk_machine_new", 9)
    assert "sk_machine" not in repr(made)
    tokens.append(made.token)
    asking.revoke_token()
    asking.close()
    assert [one.headers["authorization"] for one in plane.asked] == [f"Bearer {TOKEN}", "Bearer sk_machine_new"]


@pytest.mark.parametrize(("status", "is_online"), [("online", True), ("offline", False)])
def test_the_plane_says_whether_a_daemon_is_there(plane: FakePlane, status: str, is_online: bool) -> None:
    plane.route("GET /agents/runtime/me", (200, {"runtime_id": "rt_1", "runtime": {"id": "rt_1", "status": status}}))
    asking = Plane(plane.url, TOKEN)
    assert asking.is_online() is is_online
    asking.close()


def test_what_is_only_read_is_asked_again(plane: FakePlane) -> None:
    answer = {"files": [{"path": "AGENTS.md", "content": "x"}], "newer_field": 1}
    plane.route("GET /agents/runtime/sessions/sesn_1/bundle", failing(2, 503, (200, answer)))
    found = Plane(plane.url, TOKEN).bundle(S, "echo")
    assert found == Bundle(files=(BundleFile(path="AGENTS.md", content="x"),))
    assert len(plane.asked) == 3
    assert plane.asked[0].query == {"agent_id": ["echo"]}
    assert plane.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_refusal_is_told_with_the_planes_code_and_is_not_asked_again(plane: FakePlane) -> None:
    plane.route("GET .*", fault(404, "session_not_found", "There is no session."))
    with pytest.raises(PlaneError) as caught:
        Plane(plane.url, TOKEN).bundle(S, "echo")
    error = caught.value
    assert (error.code, error.message, error.status) == ("session_not_found", "There is no session.", 404)
    assert error.request_id == "req_1"
    assert len(plane.asked) == 1


def test_a_refused_token_is_final(plane: FakePlane) -> None:
    plane.route("GET .*", fault(401, "unauthorized"))
    with pytest.raises(PlaneError) as caught:
        Plane(plane.url, TOKEN).me()
    assert caught.value.exit_code == EXIT_REFUSED
    assert is_final(caught.value)


def test_a_turns_content_and_an_upload(plane: FakePlane) -> None:
    plane.route(
        "GET /agents/runtime/sessions/sesn_1/turns/turn_1", (200, {"content": [{"type": "text", "text": "hi"}]})
    )
    plane.route("PUT /agents/runtime/sessions/sesn_1/events/sevt_1", (200, {"id": "sevt_1"}))
    asking = Plane(plane.url, TOKEN)
    assert asking.turn(S, T) == (TextBlock("hi"),)
    asking.upload(S, EventId("sevt_1"), b'{"large":1}')
    assert plane.asked[1].body == b'{"large":1}'
    asking.close()


def test_a_file_comes_from_the_plane_as_it_was_sent(plane: FakePlane) -> None:
    """Catches bytes that are asked for as JSON, and bytes that are believed unseen."""
    plane.route(f"GET {FILE_PATH}", (200, BYTES))
    asking = Plane(plane.url, TOKEN)
    assert asking.file(S, T, SOURCE) == BYTES
    assert plane.asked[0].headers["accept"] == "application/octet-stream"
    plane.route(f"GET {FILE_PATH}", (200, BYTES + b"!"))
    with pytest.raises(MoorError, match="^file_damaged: "):
        asking.file(S, T, SOURCE)
    asking.close()


def test_a_large_file_comes_from_the_store_which_is_not_told_the_token(plane: FakePlane) -> None:
    """Catches a secret that goes where the plane sends, and a hiccup of the store that fails a turn."""
    plane.route(f"GET {FILE_PATH}", (307, b"", {"location": f"{plane.url}/bucket/a?X-Amz-Signature=s"}))
    plane.route("GET /bucket/a", failing(2, 503, (200, BYTES)))
    assert Plane(plane.url, TOKEN).file(S, T, SOURCE) == BYTES
    assert [one.path for one in plane.asked] == [FILE_PATH, *["/bucket/a"] * 3]
    assert plane.asked[-1].query == {"X-Amz-Signature": ["s"]}
    assert TOKEN not in str([one.headers for one in plane.asked[1:]])


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("{url}/gone", "file_unavailable"),
        ("{url}/moved", "file_unavailable"),
        ("http://127.0.0.1:9/x", "plane_unreachable"),
        ("http://192.0.2.1/unencrypted", "bad_answer"),
        ("ftp://127.0.0.1/x", "bad_answer"),
        ("", "bad_answer"),
    ],
)
def test_an_address_that_gives_no_file_fails_and_is_not_repeated(plane: FakePlane, location: str, code: str) -> None:
    """Catches an address, which is as good as a secret, in an error; and a way to have files sent unencrypted."""
    plane.route(f"GET {FILE_PATH}", (307, b"", {"location": location.format(url=plane.url) + "?X-Amz-Signature=s"}))
    plane.route("GET /gone", (403, b"<Error/>"))
    plane.route("GET /moved", (302, b"", {"location": plane.url}))
    with pytest.raises(MoorError, match=f"^{code}: ") as caught:
        Plane(plane.url, TOKEN, attempts=2).file(S, T, SOURCE)
    assert "Signature" not in str(caught.value)


@pytest.mark.parametrize("answer", [(200, b"<html>"), (200, {"files": 1})])
def test_an_answer_that_is_none_is_named(plane: FakePlane, answer: Answer) -> None:
    plane.route("GET .*", answer)
    with pytest.raises(MoorError, match="bad_answer"):
        Plane(plane.url, TOKEN).bundle(S, "echo")


@pytest.mark.parametrize(("status", "code"), [(502, "plane_error"), (403, "forbidden"), (302, "plane_error")])
def test_a_refusal_in_no_shape_still_has_a_code(plane: FakePlane, status: int, code: str) -> None:
    plane.route("GET .*", (status, b"nginx"))
    with pytest.raises(PlaneError) as caught:
        Plane(plane.url, TOKEN, attempts=1).me()
    assert (caught.value.code, caught.value.status) == (code, status)


def test_nobody_there_is_told_without_a_secret() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(MoorError, match=f"plane_unreachable: {url} does not answer") as caught:
            Plane(url, TOKEN, attempts=2).me()
    assert TOKEN not in str(caught.value)
    assert not is_final(caught.value)
    assert TOKEN not in repr(Plane(url, TOKEN))


@pytest.mark.parametrize(
    ("method", "status", "has_key", "again"),
    [
        ("GET", 503, False, True),
        ("PUT", 429, False, True),
        ("POST", 503, False, False),
        ("POST", 503, True, True),
        ("GET", 401, False, False),
        ("GET", 403, False, False),
        ("POST", 409, True, False),
    ],
)
def test_what_may_be_sent_again(method: str, status: int, has_key: bool, again: bool) -> None:
    assert is_retryable(method, status, has_key=has_key) is again


def test_a_proxy_of_the_environment_is_used_and_told_its_login(
    plane: FakePlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", plane.url.replace("//", "//user:pass@"))
    monkeypatch.setenv("no_proxy", "")
    plane.route("GET .*", (200, {"runtime": {}}))
    assert Plane("http://plane.example", TOKEN).me() == {"runtime": {}}
    assert plane.asked[0].headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"
    assert plane.asked[0].headers["host"] == "plane.example"
