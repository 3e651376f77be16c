"""The limits fit into each other: what one of them lets in, the next one has room for."""

from __future__ import annotations

from chalicelib.wire import limits


def test_frames_and_fragments_fit_the_gateways_quotas_with_room_for_headers() -> None:
    assert limits.MAX_FRAME_BYTES == 32 * 1024
    assert limits.MAX_MESSAGE_BYTES == 128 * 1024
    assert limits.MAX_FRAME_BYTES - 1024 > limits.FRAGMENT_BYTES
    assert limits.MAX_FRAME_BYTES - 1024 > limits.MAX_DOWN_BYTES


def test_a_batch_fits_a_message_with_room_for_its_frame() -> None:
    assert limits.MAX_BATCH_BYTES + 4096 < limits.MAX_MESSAGE_BYTES


def test_a_record_costs_at_most_five_read_units_to_load() -> None:
    """A read unit is 4 KB: the events kept inline, and 4 KB for state, hashes and keys."""
    assert limits.MAX_INLINE_BYTES + 4096 <= 5 * 4096


def test_a_connection_is_replaced_before_the_gateway_closes_it() -> None:
    assert limits.ROTATE_MIN_S < limits.ROTATE_MAX_S < limits.MAX_CONNECTION_S


def test_a_lease_outlasts_several_lost_pings_and_pings_beat_the_idle_close() -> None:
    assert limits.LEASE_S >= 4 * limits.PING_S
    assert limits.PING_S * 2 < limits.IDLE_CLOSE_S


def test_the_plane_speaks_its_own_protocol_and_at_most_one_older() -> None:
    assert limits.OLDEST_PROTOCOL_VERSION in (limits.PROTOCOL_VERSION, limits.PROTOCOL_VERSION - 1)
    assert limits.OLDEST_PROTOCOL_VERSION >= 1


def test_a_message_and_a_question_wait_for_a_day() -> None:
    assert limits.MESSAGE_TTL_S == limits.VERDICT_TTL_S == 86_400
    assert limits.MAX_WAITING == 50
