"""Server-sent events: wishes, and frames as both SDKs and browsers read them."""

from __future__ import annotations

import pytest

from chalicelib.core import sse
from chalicelib.core.errors import BadRequest
from chalicelib.core.sse import Wish


@pytest.mark.parametrize(
    ("query", "last", "wish"),
    [
        ({}, None, Wish()),
        ({"after": ["0"]}, None, Wish("0")),
        ({"after": ["0"]}, "3.1", Wish("3.1")),
        ({"after": [""]}, "", Wish()),
        ({"include": ["mooring"]}, None, Wish(ours=True)),
        ({"include[]": ["mooring"]}, None, Wish(ours=True)),
        ({"event_deltas[]": ["agent.message"]}, None, Wish(deltas=("agent.message",))),
        ({"event_deltas": ["agent.message,agent.thinking"]}, None, Wish(deltas=("agent.message", "agent.thinking"))),
    ],
)
def test_a_wish_is_read_in_every_spelling(query: dict[str, list[str]], last: str | None, wish: Wish) -> None:
    assert sse.wish_of(query, last) == wish


@pytest.mark.parametrize(
    ("query", "last", "code"),
    [
        ({"after": ["x"]}, None, "bad_cursor"),
        ({}, "-1", "bad_cursor"),
        ({"include": ["other"]}, None, "bad_request"),
        ({"event_deltas": ["user.message"]}, None, "bad_request"),
    ],
)
def test_a_wish_that_can_not_be_is_refused(query: dict[str, list[str]], last: str | None, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        sse.wish_of(query, last)
    assert caught.value.code == code


def test_a_frame_has_its_event_line_and_a_place_only_when_given() -> None:
    body = {"type": "agent.message", "text": "a\nb"}
    assert sse.frame(body) == b'event: agent.message\ndata: {"type":"agent.message","text":"a\\nb"}\n\n'
    assert sse.frame(body, "3.1").startswith(b"id: 3.1\nevent: agent.message\n")


def test_what_is_no_event_is_no_event() -> None:
    assert sse.comment("open") == b": open\n\n"
    assert sse.retry(250) == b"retry: 250\n\n"
    assert sse.place("7") == b"id: 7\n\n"
