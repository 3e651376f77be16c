"""`up` as its users start it: a process that says when it is ready, stops on SIGTERM and may be killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import websocket

from infra.local import up as up_command
from infra.local.__main__ import main
from infra.local.gateway import bind
from infra.local.moto_child import WHO_PATH
from tests.infra.test_moto import aws_at, make_table, wait_for_end
from tests.infra.test_sockets import close_frame

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 30.0

StartUp = Callable[..., "Up"]


class Up:
    """One `up` process, ready."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.infra.gateway_process", "--port", "0", "--ws-port", "0", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], TIMEOUT_S)[0], "not ready in time"
        self.first_line = self.process.stdout.readline()

    @property
    def ready(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.first_line)
        return said

    def aws_pid(self) -> int:
        with urllib.request.urlopen(self.ready["aws_endpoint_url"] + WHO_PATH, timeout=TIMEOUT_S) as answer:
            return int(json.loads(answer.read())["pid"])

    def wait(self) -> int:
        """Wait until it ends by itself; its exit status."""
        return self.process.wait(TIMEOUT_S)

    def finish(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Signal it; its exit status, what else it wrote, and its log."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        rest, errors = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, rest, errors


@pytest.fixture
def start_up() -> Iterator[StartUp]:
    running: list[Up] = []

    def start(*arguments: str) -> Up:
        running.append(Up(*arguments))
        return running[-1]

    yield start
    for up in running:
        up.finish()


def test_ready_line_is_all_of_standard_output_and_sigterm_stops_everything(start_up: StartUp) -> None:
    up = start_up("--admin-key", "moor_given")
    assert up.ready.keys() == {"event", "url", "ws_url", "aws_endpoint_url", "tenant_id", "api_key"}
    assert (up.ready["event"], up.ready["api_key"]) == ("ready", "moor_given")
    aws_pid = up.aws_pid()
    client = websocket.create_connection(up.ready["ws_url"], timeout=TIMEOUT_S)
    client.send('{"do": "echo", "text": "hello"}')
    assert client.recv() == "hello"
    up.process.send_signal(signal.SIGTERM)
    assert close_frame(client)[0] == 1001
    client.shutdown()  # type: ignore[no-untyped-call]
    status, rest, errors = up.finish()
    assert (status, rest) == (0, "")
    assert "printed by the app" in errors
    assert "Traceback" not in errors
    assert wait_for_end(aws_pid)


def test_killed_gateway_finds_its_data_its_server_and_its_key_again(start_up: StartUp, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    first = start_up("--data", data)
    db = aws_at("dynamodb", first.ready["aws_endpoint_url"])
    make_table(db)
    db.put_item(TableName="rooms", Item={"pk": {"S": "kept"}})
    aws_pid = first.aws_pid()
    first.finish(signal.SIGKILL)

    second = start_up("--data", data)
    assert second.aws_pid() == aws_pid
    assert second.ready["api_key"] == first.ready["api_key"]
    assert (tmp_path / "data" / "admin-key").stat().st_mode & 0o777 == 0o600
    assert aws_at("dynamodb", second.ready["aws_endpoint_url"]).get_item(TableName="rooms", Key={"pk": {"S": "kept"}})[
        "Item"
    ]

    refused = start_up("--data", data)
    assert (refused.first_line, refused.wait()) == ("", 3)
    _, _, errors = refused.finish()
    assert "is in use by another gateway" in errors

    assert second.finish()[0] == 0
    assert wait_for_end(aws_pid)


def test_killed_gateway_without_data_takes_its_server_along(start_up: StartUp) -> None:
    up = start_up()
    aws_pid = up.aws_pid()
    up.finish(signal.SIGKILL)
    assert wait_for_end(aws_pid)


def test_gateway_stops_when_its_aws_died(start_up: StartUp) -> None:
    up = start_up("--watch-aws-every", "0.1")
    os.kill(up.aws_pid(), signal.SIGKILL)
    assert up.wait() == 4


def test_given_endpoint_starts_no_server(start_up: StartUp) -> None:
    up = start_up("--dynamodb-endpoint", "http://127.0.0.1:9")
    assert up.ready["aws_endpoint_url"] == "http://127.0.0.1:9"
    assert up.finish()[0] == 0


def test_real_plane_is_made_of_tables_bucket_app_tenant_and_stream_in_that_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def bootstrap(admin_key: str | None) -> tuple[str, str]:
        made.append(f"tenant {admin_key}")
        return "tenant_1", "moor_1"

    def build() -> str:
        made.append("stream")
        return "the ASGI app"

    def module(name: str, **names: object) -> None:
        monkeypatch.setitem(sys.modules, name, cast(Any, SimpleNamespace(**names)))

    wired = SimpleNamespace(tenants=SimpleNamespace(bootstrap=bootstrap))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MOORING_BUCKET", "files")
    module("infra.tables", create_tables=lambda url: made.append(f"tables {url}"))
    module("infra.bucket", create_bucket=lambda name, url: made.append(f"bucket {name} {url}"))
    module("app", app="the Chalice app")
    module("chalicelib.wiring", plane=lambda: wired)
    module("chalicelib.stream.app", build=build, owns="the predicate")
    plane, tenant_id, api_key = up_command.load_plane("moor_given")
    there = "http://127.0.0.1:9"
    assert made == [f"tables {there}", f"bucket files {there}", "tenant moor_given", "stream"]
    assert vars(plane) == {"app": "the Chalice app", "stream": "the ASGI app", "owns": "the predicate"}
    assert (tenant_id, api_key) == ("tenant_1", "moor_1")


def test_taken_port_is_replaced_by_a_free_one() -> None:
    with bind(0) as taken:
        port = taken.getsockname()[1]
        with bind(port) as other:
            assert other.getsockname()[1] not in (0, port)


def test_unknown_command_is_refused_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upp"]) == 2
    assert "up " in capsys.readouterr().err
