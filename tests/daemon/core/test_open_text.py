"""Open text only grows."""

from __future__ import annotations

from mooring.core.open_text import OpenText
from mooring.wire.ids import EventId, TurnId


def test_text_is_its_pieces_in_order_whenever_it_is_asked_for() -> None:
    text = OpenText(EventId("sevt_1"), TurnId("turn_1"), "agent.message")
    assert (text.text(), text.length) == ("", 0)
    text.add("a")
    text.add("bc")
    assert (text.text(), text.length) == ("abc", 3)
    text.add("d")
    assert (text.text(), text.text(), text.length) == ("abcd", "abcd", 4)
