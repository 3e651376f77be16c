"""What a month costs: the measured counts times what a team does, times AWS's prices.

The counts are measured; what the team does is assumed, and so is how long an invocation runs. The prices are those of
us-east-1 as we last knew them and must be checked before anybody relies on a sum. Left out: free tiers, storage, logs,
data transfer, the streaming function's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.scene import Cost
from chalicelib.wire.limits import PING_S, ROTATE_MAX_S, ROTATE_MIN_S

MONTH_S: Final = 30 * 24 * 3600.0
TURNS: Final = 1000
EVENTS: Final = 20
"""Whole events of a turn, each in a batch of its own (the dearest case), the last one its end."""

DELTAS: Final = 100
"""Deltas of a turn: 10 s of text, watched."""

TURNS_PER_SESSION: Final = 10
VIEWED_S: Final = 60.0
"""How long somebody follows a turn by WebSocket (seconds)."""

INVOCATION_S: Final = 0.06
LAMBDA_GB: Final = 0.5
SWEEP_S: Final = 60.0


@dataclass(frozen=True)
class Price:
    """US dollars for ``per`` of something, and the page where AWS says so."""

    what: str
    usd: float
    per: str
    page: str


PRICES: Final = {
    "read": Price(
        "DynamoDB on demand, read request unit", 0.125, "million", "aws.amazon.com/dynamodb/pricing/on-demand"
    ),
    "write": Price(
        "DynamoDB on demand, write request unit", 0.625, "million", "aws.amazon.com/dynamodb/pricing/on-demand"
    ),
    "invocation": Price("Lambda request", 0.20, "million", "aws.amazon.com/lambda/pricing"),
    "gb_s": Price("Lambda, x86, GB-second", 16.6667, "million", "aws.amazon.com/lambda/pricing"),
    "message": Price("API Gateway WebSocket message, to 32 KB", 1.00, "million", "aws.amazon.com/api-gateway/pricing"),
    "minute": Price("API Gateway WebSocket connection minute", 0.25, "million", "aws.amazon.com/api-gateway/pricing"),
    "request": Price("API Gateway REST request", 3.50, "million", "aws.amazon.com/api-gateway/pricing"),
}

_HTTP: Final = {
    "session create",
    "message to an idle session, laptop online",
    "the laptop fetches a session's bundle",
    "delete an idle session",
}
_NO_MESSAGE: Final = {
    "sweep, nothing due",
    "connect: a laptop's WebSocket opens",
    "a viewer's WebSocket opens",
    "a viewer's WebSocket closes, idle session",
}
"""Events that are no message: neither opening nor closing a WebSocket is."""

Times = Mapping[str, float]


@dataclass(frozen=True)
class Part:
    """A part of the month: how often each action of the price table happens, and what comes on top of that.

    Attributes:
        minutes: of open WebSockets.
        messages: that actions of other parts send more because of this one.
    """

    name: str
    times: Times
    minutes: float = 0.0
    messages: float = 0.0


def parts() -> tuple[Part, ...]:
    """What happens in the month."""
    pings = MONTH_S / PING_S
    connections = MONTH_S / ((ROTATE_MIN_S + ROTATE_MAX_S) / 2)
    sessions = TURNS / TURNS_PER_SESSION
    online = {
        "ping, nothing owed": pings * 3 / 4,
        "ping, every fourth: the lease is renewed": pings / 4,
        "connect: a laptop's WebSocket opens": connections,
        "hello, nothing new about the laptop": connections,
    }
    turns = {
        "session create": sessions,
        "the laptop fetches a session's bundle": sessions,
        "message to an idle session, laptop online": TURNS,
        "accepted: the turn is on the laptop's disk": TURNS,
        "whole event, nobody follows": TURNS * (EVENTS - 1),
        "turn end, queue empty": TURNS,
        "delete an idle session": sessions,
        "disposed: the laptop has removed it": sessions,
    }
    watching = {
        "a viewer's WebSocket opens": TURNS,
        "attach by WebSocket, idle session, live from now": TURNS,
        "delta, 1 viewer": TURNS * DELTAS,
        "a viewer's WebSocket closes, idle session": TURNS,
    }
    # Each record of a turn goes to its viewer: the message, the acceptance, the events. It costs nothing else.
    pushed = TURNS * (EVENTS + 2.0)
    return (
        Part("one laptop online all month", online, MONTH_S / 60),
        Part("the sweep, once for the whole plane", {"sweep, nothing due": MONTH_S / SWEEP_S}),
        Part(f"{TURNS:,} turns of {EVENTS} events", turns),
        Part(f"a viewer for each turn, {DELTAS} deltas", watching, TURNS * VIEWED_S / 60, pushed),
    )


@dataclass(frozen=True)
class Bill:
    """A part's quantities, by the keys of ``PRICES``."""

    name: str
    quantities: Mapping[str, float]

    def usd(self, *kinds: str) -> float:
        """Dollars for some kinds of quantities; for all when none is named."""
        return sum(self.quantities[kind] * PRICES[kind].usd / 1e6 for kind in kinds or PRICES)


def bill(part: Part, prices: Mapping[str, Cost]) -> Bill:
    """What a part comes to."""
    total = dict.fromkeys(PRICES, 0.0)
    for name, n in part.times.items():
        cost = prices[name]
        total["read"] += n * cost.read_units
        total["write"] += n * cost.write_units
        total["invocation"] += n * cost.invocations
        total["gb_s"] += n * cost.invocations * INVOCATION_S * LAMBDA_GB
        total["request"] += n * cost.invocations if name in _HTTP else 0
        is_message = name not in _HTTP | _NO_MESSAGE
        total["message"] += n * (cost.posts + is_message)
    total["minute"] += part.minutes
    total["message"] += part.messages
    return Bill(part.name, total)
