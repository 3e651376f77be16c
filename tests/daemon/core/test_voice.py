"""The voice: first piece at once, then once per window, nothing unwatched, no counter twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.core.open_text import OpenText
from mooring.core.voice import DELTA_CHARS, Voice
from mooring.wire.codec import encode
from mooring.wire.frames import SessionDelta
from mooring.wire.ids import EventId, RuntimeId, SessionId, TurnId
from mooring.wire.limits import MAX_DOWN_BYTES

S, T = SessionId("sesn_1"), SessionId("sesn_2")
NOW = 5000.0


def text(so_far: str, name: str = "a", turn: str = "turn_1") -> OpenText:
    made = OpenText(EventId(f"sevt_{name}"), TurnId(turn), "agent.message")
    made.add(so_far)
    return made


def told(deltas: tuple[SessionDelta, ...]) -> list[tuple[int, str]]:
    return [(delta.offset, delta.text) for delta in deltas]


@pytest.fixture
def voice() -> Voice:
    made = Voice(RuntimeId("rt_1"))
    assert made.watch(S, 100, 1.0, NOW) == ()
    return made


def test_first_piece_goes_at_once_and_the_next_ones_with_the_window(voice: Voice) -> None:
    growing = text("a")
    assert told(voice.grow(S, growing, NOW)) == [(0, "a")]
    growing.add("b")
    assert voice.grow(S, growing, NOW + 0.05) == ()
    assert voice.next_wake() == pytest.approx(NOW + 0.1)
    assert voice.due(NOW + 0.05) == ()
    growing.add("c")
    assert told(voice.due(NOW + 0.1)) == [(1, "bc")]
    assert voice.due(NOW + 0.3) == ()
    assert voice.next_wake() == math.inf
    growing.add("d")
    assert told(voice.grow(S, growing, NOW + 0.4)) == [(3, "d")]


def test_nothing_is_said_unwatched_and_all_of_it_when_watching_begins() -> None:
    """Catches a voice that goes on from where the last watcher left."""
    voice = Voice(RuntimeId("rt_1"))
    growing = text("unseen")
    assert voice.grow(S, growing, NOW) == ()
    assert (voice.due(NOW + 1), voice.flush(S, NOW + 1), voice.next_wake()) == ((), (), math.inf)
    assert told(voice.watch(S, 100, 1.0, NOW + 1)) == [(0, "unseen")]
    assert voice.watch(S, None, 2.0, NOW + 2) == ()
    growing.add(" more")
    assert voice.grow(S, growing, NOW + 3) == ()
    assert told(voice.watch(S, 100, 3.0, NOW + 4)) == [(0, "unseen more")]


@pytest.mark.parametrize("as_of", [0.5, 1.0, 0.0])
def test_older_word_on_watching_does_not_count(voice: Voice, as_of: float) -> None:
    assert voice.watch(S, None, as_of, NOW) == ()
    assert told(voice.grow(S, text("still watched"), NOW)) == [(0, "still watched")]


def test_new_window_alone_tells_nothing_again(voice: Voice) -> None:
    voice.grow(S, text("a"), NOW)
    assert voice.watch(S, 500, 2.0, NOW) == ()


def test_whole_event_flushes_what_gathered_whatever_the_window(voice: Voice) -> None:
    growing = text("a")
    voice.grow(S, growing, NOW)
    growing.add("b")
    assert told(voice.flush(S, NOW)) == [(1, "b")]
    assert voice.flush(S, NOW) == ()
    assert voice.flush(T, NOW) == ()


def test_new_connection_hears_everything_watched_from_its_beginning(voice: Voice) -> None:
    voice.grow(S, text("a"), NOW)
    voice.grow(T, text("b"), NOW)
    before = voice.live_from(S, NOW)
    again = voice.restate(NOW + 1)
    assert told(again) == [(0, "a")]
    assert voice.live_from(S, NOW) == again[0].counter > before


def test_live_from_is_the_lowest_counter_still_open_else_the_next(voice: Voice) -> None:
    """Catches a value that would hide the text of an event still being written, or show that of one long whole."""
    assert voice.live_from(S, NOW) == int(NOW * 1000)
    first = voice.grow(S, text("a", "a"), NOW)[0].counter
    second = voice.grow(S, text("b", "b"), NOW + 1)[0].counter
    assert (voice.live_from(S, NOW), second) == (first, first + 1)
    voice.close(S, EventId("sevt_a"))
    assert voice.live_from(S, NOW) == second
    voice.close(S, EventId("sevt_b"))
    assert voice.live_from(S, NOW) == second + 1


def test_event_open_but_untold_does_not_hold_live_from_back(voice: Voice) -> None:
    voice.grow(T, text("unwatched"), NOW)
    assert voice.live_from(T, NOW) == int(NOW * 1000)


def test_end_of_a_turn_closes_its_text_only(voice: Voice) -> None:
    voice.grow(S, text("a", "a", "turn_1"), NOW)
    other = voice.grow(S, text("b", "b", "turn_2"), NOW + 1)[0].counter
    voice.close_turn(S, TurnId("turn_1"))
    assert voice.live_from(S, NOW) == other


def test_unknown_session_has_nothing_to_close_or_forget(voice: Voice) -> None:
    voice.close(T, EventId("sevt_a"))
    voice.close_turn(T, TurnId("turn_1"))
    voice.forget(T)
    voice.forget(S)
    assert voice.restate(NOW) == ()


def test_restarted_daemon_uses_no_counter_again(voice: Voice) -> None:
    last = voice.grow(S, text("x" * 50 * DELTA_CHARS), NOW)[-1].counter
    later = Voice(RuntimeId("rt_1"))
    later.watch(S, 100, 1.0, NOW + 1)
    assert later.grow(S, text("a"), NOW + 1)[0].counter > last


def test_clock_set_back_does_not_silence_the_voice(voice: Voice) -> None:
    growing = text("a")
    voice.grow(S, growing, NOW)
    growing.add("b")
    assert told(voice.due(NOW - 3600)) == [(1, "b")]


def test_delta_of_the_costliest_text_fits_the_frame_that_viewers_get(voice: Voice) -> None:
    for delta in voice.grow(S, text("\x01" * 3 * DELTA_CHARS), NOW):
        assert len(encode(delta)) < MAX_DOWN_BYTES


@given(st.lists(st.tuples(st.text(min_size=1, max_size=9000), st.floats(0, 0.2)), min_size=1, max_size=12))
def test_pieces_put_together_are_the_text(pieces: list[tuple[str, float]]) -> None:
    voice = Voice(RuntimeId("rt_1"))
    voice.watch(S, 100, 1.0, NOW)
    growing, now, heard, counters = text(""), NOW, "", []
    for piece, after in pieces:
        now += after
        growing.add(piece)
        for delta in (*voice.due(now), *voice.grow(S, growing, now)):
            assert delta.offset == len(heard)
            heard += delta.text
            counters.append(delta.counter)
    heard += "".join(delta.text for delta in voice.flush(S, now))
    assert heard == "".join(piece for piece, _ in pieces)
    assert counters == sorted(set(counters))
