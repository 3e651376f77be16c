"""A message and its answer, as everybody who follows the session sees them."""

from __future__ import annotations

import pytest

from .ground import Laptop, Session, assert_completed
from .watching import Event, Reader, Viewer, of_type, text_of

pytestmark = pytest.mark.xdist_group("journeys")

Whole = list[tuple[str, Event]]


def place(cursor: str) -> tuple[int, int]:
    n, _, index = cursor.partition(".")
    return int(n), int(index)


def test_a_message_reaches_the_agent_and_comes_back_live_exactly_once_to_everyone_who_watches(laptop: Laptop) -> None:
    """Catches an event that is lost, doubled or out of order for one way of watching and not for another."""
    with laptop.session() as session:
        early_reader = session.follow(after=None)
        early_viewer = session.view()
        assert session.ask("Hello.") == ["You said: Hello."]
        message_id = session.say("/slow 2 20")
        session.until_speaking("piece 3")
        late_reader = session.follow()
        late_viewer = session.view(after="0")
        assert late_viewer.attached["online"]
        session.reader.until_settled(message_id)
        session.reader.until(of_type("session.status_idle"), "idle again", 2)

        whole = session.reader.whole
        head = late_viewer.head()
        assert place(whole[-1][0])[0] == head
        for reader in (early_reader, late_reader):
            reader.board.wait("everything", lambda r=reader: r.whole and r.whole[-1][0] == whole[-1][0])  # type: ignore[misc]
        for viewer in (early_viewer, late_viewer):
            viewer.until_at(head)
            assert viewer.numbers == list(range(viewer.first, head + 1))

        assert [place(cursor) for cursor, _ in whole] == sorted({place(cursor) for cursor, _ in whole})
        assert late_reader.whole == late_viewer.whole == whole
        since = [one for one in whole if place(one[0])[0] > early_viewer.attached["head"]]
        assert early_reader.whole == early_viewer.whole == since
        assert_completed(session.receipts(message_id))

        slow = [event for _, event in whole if event["type"] == "agent.message"][-1]
        assert text_of(slow) == "".join(f"piece {number} " for number in range(1, 21))
        number = next(place(cursor)[0] for cursor, event in whole if event is slow)
        assert late_viewer.attached["head"] < number, "it attached in mid-sentence"
        for reader in (session.reader, early_reader, late_reader):
            assert_pieces_begin(slow, reader)
        for viewer in (early_viewer, late_viewer):
            assert_pieces_fit(slow, viewer)

        assert_lists_agree(session, [event for _, event in whole])


def assert_pieces_begin(message: Event, reader: Reader) -> None:
    """What a reader saw growing is a beginning of the whole."""
    seen = reader.pieces[message["id"]]
    assert seen
    assert text_of(message).startswith(seen)


def assert_pieces_fit(message: Event, viewer: Viewer) -> None:
    """Each piece is what the whole has at its place, and the first one is there."""
    pieces = viewer.pieces()[message["id"]]
    assert pieces[0][0] == 0
    text = text_of(message)
    assert [text[offset : offset + len(piece)] for offset, piece in pieces] == [piece for _, piece in pieces]


def assert_lists_agree(session: Session, events: list[Event]) -> None:
    """The list, in both orders and however it is cut into pages, is what was seen live."""
    assert session.pages() == session.pages(limit=3) == events
    assert session.pages("desc") == session.pages("desc", limit=3) == events[::-1]


def test_a_reader_that_comes_back_with_its_last_event_id_goes_on_between_two_events_of_one_record(
    laptop: Laptop,
) -> None:
    """Catches a cursor that names records only: the rest of a record would be lost, or come twice."""
    with laptop.session() as session:
        session.ask("Hello.")
        session.reader.until(of_type("session.status_idle"), "idle again")
        whole = session.reader.whole
        index = next(i for i in range(1, len(whole)) if place(whole[i - 1][0])[0] == place(whole[i][0])[0])
        back = session.follow(after="0", last_event_id=whole[index - 1][0])
        back.board.wait("the rest", lambda: len(back.whole) >= len(whole) - index)
        assert back.whole == whole[index:]
        assert session.ask("Again.") == ["You said: Again."]
        session.reader.until(of_type("session.status_idle"), "idle again", 2)
        back.until(of_type("session.status_idle"), "idle again", 2)
        assert back.whole == session.reader.whole[index:]
