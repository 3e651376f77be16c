"""Making: a request's repeat gets the session that the request has made."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.core.errors import Refused
from chalicelib.core.making import Make, Making, MakingState, decide
from chalicelib.core.repeats import KEPT, WINDOW_MS, Try
from chalicelib.wire.ids import SessionId

NOW = 1_790_000_000.0
KEYED = Making(session_id=SessionId("sesn_1"), at=NOW, digest="d1")


def by_sdk(name: str, count: int, after_s: float = 0.0) -> Making:
    at = NOW + after_s
    return Making(session_id=SessionId(name), at=at, digest="b1", attempt=Try("b1", count, int(at * 1000)))


def make(state: MakingState, *making: Making) -> tuple[MakingState, list[object]]:
    answers = []
    for one in making:
        step = decide(state, Make(one), n=2, now=one.at)
        assert step.events == ()
        state = step.state
        answers.append(step.answer)
    return state, answers


def test_under_a_key_one_session_is_made_ever() -> None:
    later = replace(KEYED, session_id=SessionId("sesn_2"), at=NOW + 1e6)
    state, answers = make(MakingState(), KEYED, later)
    assert (state.made, answers) == ((KEYED,), [KEYED, KEYED])


def test_a_key_used_again_for_something_else_is_refused() -> None:
    state, (_, answer) = make(MakingState(), KEYED, replace(KEYED, digest="d2"))
    assert state.made == (KEYED,)
    assert isinstance(answer, Refused)
    assert answer.code == "idempotency_key_reused"


def test_sessions_asked_for_with_the_same_words_are_all_made() -> None:
    one, two = by_sdk("sesn_1", 0), by_sdk("sesn_2", 0, 0.1)
    state, answers = make(MakingState(), one, two)
    assert (state.made, answers) == ((one, two), [one, two])


def test_another_try_gets_the_session_of_the_first_in_either_order() -> None:
    first, again = by_sdk("sesn_1", 0), by_sdk("sesn_2", 1, 0.5)
    for order in ((first, again), (again, first)):
        state, answers = make(MakingState(), *order)
        assert (state.made, answers) == ((order[0],), [order[0], order[0]])


def test_what_can_not_come_again_is_forgotten_and_the_newest_are_kept() -> None:
    old = [by_sdk(f"sesn_{k}", 0, k / 10) for k in range(KEPT + 4)]
    state, _ = make(MakingState(), *old)
    assert len(state.made) == KEPT + 1
    new = by_sdk("sesn_x", 0, 3 * WINDOW_MS / 1000)
    state, _ = make(state, new)
    assert state.made == (new,)
