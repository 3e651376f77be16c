"""The pages that need no key."""

from __future__ import annotations

from tests.knocking import World, answer


def test_the_front_page_says_what_this_is_and_how_to_connect_a_laptop(world: World) -> None:
    page = world.ask("GET", "/")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for part in (b"<!doctype html>", b"Mooring", b"moor setup", b'href="health"'):
        assert part in page.body


def test_a_monitor_hears_that_the_plane_answers(world: World) -> None:
    assert answer(world.ask("GET", "/health")) == {"status": "ok"}
