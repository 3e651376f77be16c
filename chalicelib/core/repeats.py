"""Repeats: which request of an SDK is another try of one that was carried out.

SDKs send a POST again, by default twice at most, when its answer was lost or was 408, 409, 429 or 5xx: the same body,
without any key, and with a count that is one higher. So two tries of one request have different counts, and the one
with the lower count reached the plane first. Which of them was carried out first says nothing: a slow first try may
come after the one that was sent in its place.

Requests that merely say the same are told apart by what tries of one request can't be: two first ones, or a first one
that came after a later one. What can't be told apart is a request whose own first try never reached the plane, from
another try of one that said the same within the window: it is taken for that one's. Who must be sure sends a key.

Source: the Stainless SDKs' ``x-stainless-retry-count``, waits of 0.4 s to 8 s between tries; API Gateway's 29 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

WINDOW_MS: Final = 120_000
"""A later try comes within this time (milliseconds): three tries of 29 s, and the waits between them."""

KEPT: Final = 16
"""How many tries a session remembers: each of its records carries them. More at once come from as many clients."""


class Try(Struct, frozen=True, array_like=True):
    """One try of a request.

    Attributes:
        body: 64 bits of the SHA-256 of what is asked for, and by which key.
        count: which try it is; 0 is the first.
        at_ms: when it reached the plane (epoch milliseconds).
    """

    body: str
    count: int
    at_ms: int


class Tried(Struct, frozen=True, array_like=True):
    """A try that was carried out, by record ``n``."""

    n: int
    one: Try


def is_repeat(one: Try, other: Try) -> bool:
    """Whether the two are different tries of one request."""
    if one.body != other.body or one.count == other.count:
        return False
    earlier, later = (one, other) if one.count < other.count else (other, one)
    return earlier.at_ms <= later.at_ms <= earlier.at_ms + WINDOW_MS


def repeated(tried: tuple[Tried, ...], one: Try) -> int | None:
    """The record that carried out this try's request, the newest if there are several; None when there is none."""
    return next((each.n for each in reversed(tried) if is_repeat(each.one, one)), None)


def still_repeatable(tried: Iterable[Tried], now: float) -> tuple[Tried, ...]:
    """Those of which another try may still come at ``now`` (epoch seconds), newest last."""
    # A function may be as late with a try as the window is long, and not later: Lambda has ended it by then.
    oldest_ms = now * 1000 - 2 * WINDOW_MS
    return tuple(each for each in tried if each.one.at_ms >= oldest_ms)[-KEPT:]
