"""`chalice local`: Chalice's own command serves the API of a plane whose sockets another process holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.stage import API

from .ground import House, Laptop, free_port
from .waiting import eventually

pytestmark = pytest.mark.xdist_group("journeys")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def chalice_api(house: House) -> Iterator[API]:
    """The same plane through `chalice local`. Its stage has no table prefix of its own, as the gateway's has none."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("chalice")), "local", "--no-autoreload"]
    command += ["--port", str(port)]
    with (house.folder / "chalice.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=house.plane_env, stdout=log, stderr=log)
    try:
        eventually("chalice local serves", lambda: f":{port}" in (house.folder / "chalice.log").read_text())
        made = replace(house.api, url=f"http://127.0.0.1:{port}")
        yield made
    finally:
        process.terminate()
        process.wait()


def test_a_message_posted_to_chalice_local_reaches_the_daemon_at_the_gateway(laptop: Laptop, chalice_api: API) -> None:
    """Catches state kept in a process: two processes over the same tables must be one plane."""
    with laptop.session() as session:
        path = f"/v1/sessions/{session.id}/events"
        message = {"type": "user.message", "content": "Hello."}
        (posted,) = chalice_api.ok("POST", path, {"events": [message]})["data"]
        session.reader.until_settled(posted["id"])
        assert session.said() == ["You said: Hello."]
        page = chalice_api.ok("GET", f"{path}/stream?after=0&include=mooring")
        assert page.startswith("retry: ")
        cursors = [line.removeprefix("id: ") for line in page.splitlines() if line.startswith("id: ")]
        seen = [cursor for cursor, _ in session.reader.whole]
        assert [one for one in cursors if "." in one][: len(seen)] == seen
