"""Names follow from where a thing stands: a second try to commit the same gives the same ids."""

from __future__ import annotations

from chalicelib.core.naming import event_id, message_ids, turn_id
from chalicelib.wire.ids import SessionId

S1, S2 = SessionId("sesn_1"), SessionId("sesn_2")


def test_a_name_is_the_same_each_time_and_another_in_each_place() -> None:
    places = [(s, n, place) for s in (S1, S2) for n in (1, 2, 11) for place in ("e1", "e11", "m0", "m1")]
    assert event_id(*places[0]) == event_id(*places[0])
    assert len({event_id(*one) for one in places}) == len(places)


def test_ids_carry_their_prefix() -> None:
    assert event_id(S1, 1, "e0").startswith("sevt_")
    assert turn_id(S1, 1).startswith("turn_")


def test_messages_are_named_by_record_and_place() -> None:
    assert message_ids(S1, 4, 2) == (event_id(S1, 4, "m0"), event_id(S1, 4, "m1"))
    assert message_ids(S1, 4, 0) == ()


def test_a_sessions_turns_have_names_of_their_own() -> None:
    assert len({turn_id(S1, 1), turn_id(S1, 2), turn_id(S2, 1)}) == 3
