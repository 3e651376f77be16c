"""The pages that need no key."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from chalice.local import LambdaContext

from app import app
from tests.house.tree import ROOT
from tests.knocking import World, answer

PAGES = ["/", "/connect", "/connect/device"]
PARTS = {
    "console.css": "text/css; charset=utf-8",
    "connect.js": "text/javascript; charset=utf-8",
    "plane.js": "text/javascript; charset=utf-8",
    "mooring.svg": "image/svg+xml",
}


def test_the_front_page_says_what_this_is_and_how_to_connect_a_laptop(world: World) -> None:
    page = world.ask("GET", "/")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for part in (b"<!doctype html>", b"Mooring", b"moor setup --server PLANE", b'href="./health"'):
        assert part in page.body


@pytest.mark.parametrize("path", [*PAGES, "/console/console.css", "/console/connect.js"])
def test_a_page_is_kept_by_nobody_framed_by_nobody_and_runs_its_own_scripts_only(world: World, path: str) -> None:
    headers = world.ask("GET", path).headers
    policy = dict(one.partition(" ")[::2] for one in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert {policy[f"{one}-src"] for one in ("script", "style", "img", "connect")} == {"'self'"}
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_brings_nothing_inline_and_all_that_it_names_is_there(world: World, path: str) -> None:
    """Catches what the policy would silently refuse, and a link that is wrong below one of the addresses."""
    page = world.ask("GET", path).body.decode()
    assert not re.search(r"<style|<script(?![^>]+src=)|\son\w+=|\sstyle=|\$", page)
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    root = ".." if path.endswith("/device") else "."
    assert named
    for one in named:
        assert one.startswith(f"{root}/"), one
        assert world.ask("GET", one.removeprefix(root)).status_code == 200, one


@pytest.mark.parametrize("name", PARTS)
def test_what_pages_are_made_of_comes_as_what_it_is(world: World, name: str) -> None:
    part = world.ask("GET", f"/console/{name}")
    assert (part.status_code, part.headers["Content-Type"]) == (200, PARTS[name])
    assert part.body == (ROOT / "chalicelib" / "console" / name).read_bytes()


@pytest.mark.parametrize("name", ["front.html", "connect.html", "nothing.js", "..%2Fwiring.py", "%2e%2e"])
def test_nothing_else_is_served(world: World, name: str) -> None:
    """Catches a page that is served with its placeholders, and a way out of the folder."""
    refused = world.ask("GET", f"/console/{name}")
    assert (refused.status_code, refused.json_body["error"]["code"]) == (404, "file_not_found")


def test_every_file_of_the_console_is_served(world: World) -> None:
    files = {path.name for path in (ROOT / "chalicelib" / "console").iterdir()}
    assert files == {*PARTS, "front.html", "connect.html"}


@pytest.mark.parametrize(("path", "root"), [("/api", "api"), ("/api/", "."), ("/", ".")])
def test_the_front_page_finds_its_style_below_a_stage(world: World, path: str, root: str) -> None:
    """Catches a bare page on API Gateway's own names, which may be opened with a slash or without one."""
    event: dict[str, Any] = json.loads(
        (ROOT / "tests" / "house" / "events" / "http_get_root.json").read_text(encoding="utf-8")
    )
    event["requestContext"]["path"] = path
    page = app(event, LambdaContext("f", 128))["body"]
    assert f'href="{root}/console/console.css"' in page


def test_a_monitor_hears_that_the_plane_answers(world: World) -> None:
    assert answer(world.ask("GET", "/health")) == {"status": "ok"}
