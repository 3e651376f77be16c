"""Pace: how many frames a second one connection may say.

A bucket is full at first and fills by itself. Each frame draws one; a frame that finds none is refused, and told so
once a second. Time stands in the arguments; a clock that goes back fills nothing.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

FRAMES_PER_S: Final = 200.0
"""What a laptop with a dozen watched sessions may need, twice over: each says ten deltas a second at most."""

FRAMES_AT_ONCE: Final = 1_000.0
"""What may come at once, such as all that gathered while the line was cut."""

TOLD_EVERY_S: Final = 1.0
"""How often a connection is told that it is too fast (seconds): each answer is a message, too."""


class Bucket(Struct, frozen=True):
    """What a connection may still say, as of ``at``, and when it was last told that it is too fast (epoch seconds)."""

    left: float
    at: float
    told_at: float | None = None


class Drawn(Struct, frozen=True):
    """A bucket after a frame: whether the frame may pass, and whether its refusal is to be told."""

    bucket: Bucket
    passes: bool
    tell: bool = False


def draw(bucket: Bucket | None, now: float) -> Drawn:
    """Draws one frame at ``now`` (epoch seconds). None is the bucket of a connection that has said nothing yet."""
    before = bucket or Bucket(FRAMES_AT_ONCE, now)
    at = max(now, before.at)
    left = min(FRAMES_AT_ONCE, before.left + (at - before.at) * FRAMES_PER_S)
    if left >= 1.0:
        return Drawn(Bucket(left - 1.0, at, before.told_at), passes=True)
    tell = before.told_at is None or at - before.told_at >= TOLD_EVERY_S
    return Drawn(Bucket(left, at, at if tell else before.told_at), passes=False, tell=tell)
