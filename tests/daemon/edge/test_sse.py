"""Server-sent events, whatever the cuts."""

from __future__ import annotations

import pytest

from mooring.edge.sse import EventParser, ServerSent

STREAM = (
    b": hi\n\nretry: 5\n\nid: 1.1\nevent: a\ndata: x\ndata: y\n\nevent: b\r\ndata:\xc3\xa9\r\n\r\nid: 2.1\n\ndata: z"
)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_the_same_in_any_cut(size: int) -> None:
    parser = EventParser()
    found = [one for start in range(0, len(STREAM), size) for one in parser.feed(STREAM[start : start + size])]
    assert found == [ServerSent("a", "x\ny", "1.1"), ServerSent("b", "é", "1.1")]
    assert parser.last_id == "2.1"


def test_an_event_without_a_name_is_a_message_and_one_without_data_is_none() -> None:
    assert list(EventParser().feed(b"data: 1\n\nevent: x\n\n")) == [ServerSent("message", "1", "")]


def test_an_id_with_a_nul_is_not_taken() -> None:
    parser = EventParser()
    assert list(parser.feed(b"id: a\0b\n\n")) == []
    assert parser.last_id == ""
