"""50,000 pieces, here 300: that all of them arrive in order, and that a lost one would be noticed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.chunks import ChunksLost
from bench.chunks_daemon import NoPlane, check, run


def test_every_piece_arrives_once_and_in_order(tmp_path: Path) -> None:
    found = asyncio.run(run(300, tmp_path))
    assert found["deltas"] >= 1
    assert found["seconds"] > 0


@pytest.mark.parametrize(("whole", "said"), [("1 2 ", "1 2 3 "), ("1 2 3 ", "1 3 2 "), ("", "")])
def test_a_piece_that_is_lost_or_out_of_place_is_noticed(whole: str, said: str) -> None:
    loop = asyncio.new_event_loop()
    plane = NoPlane(loop)
    loop.close()
    plane.whole, plane.said = ["1 2 3 "], "1 2 3 "
    check(3, plane)
    plane.whole, plane.said = [whole], said
    with pytest.raises(ChunksLost):
        check(3, plane)
