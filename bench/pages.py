"""The measured tables as Markdown, and their place in the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.month import DELTAS, EVENTS, INVOCATION_S, LAMBDA_GB, PRICES, TURNS, bill, parts
from bench.scene import Cost

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN: Final = "<!-- measured by `python -m bench price --write`; do not edit -->"
END: Final = "<!-- end of what was measured -->"


def markdown(prices: Mapping[str, Cost]) -> str:
    """The price table and the month, as they stand in the page."""
    return "\n\n".join((_price_table(prices), "### A month", _month_table(prices), _prices_table())) + "\n"


def measured_in(page: str) -> str:
    """The part of the page between the marks. Raises ValueError when a mark is missing."""
    begin, end = page.index(BEGIN), page.index(END)
    return page[begin + len(BEGIN) : end].strip("\n") + "\n"


def with_measured(page: str, text: str) -> str:
    """The page with another text between the marks. Raises ValueError when a mark is missing."""
    begin, end = page.index(BEGIN), page.index(END)
    return f"{page[:begin]}{BEGIN}\n\n{text}\n{page[end:]}"


def _price_table(prices: Mapping[str, Cost]) -> str:
    counts = ("R", "r", "P", "of P, rows", "read units", "write units", "S3", "Lambda", "to laptop", "to viewers")
    rows = [
        (
            name,
            str(cost.strong_reads),
            str(cost.other_reads),
            str(cost.writes),
            str(cost.rows),
            f"{cost.read_units:g}",
            str(cost.write_units),
            str(cost.s3_requests),
            str(cost.invocations),
            str(cost.to_daemon),
            " + ".join(map(str, cost.to_viewers)) or "0",
        )
        for name, cost in prices.items()
    ]
    return _table(("action", *counts), rows)


def _month_table(prices: Mapping[str, Cost]) -> str:
    bills = [bill(part, prices) for part in parts()]
    header = ("part", "DynamoDB", "Lambda", "API Gateway", "sum, USD", "of it, DynamoDB units and messages")
    rows = []
    for one in bills:
        amounts = one.quantities
        counted = f"{amounts['read']:,.0f} R, {amounts['write']:,.0f} W, {amounts['message']:,.0f} messages"
        rows.append((one.name, *(f"{one.usd(*kinds):.2f}" for kinds in _SERVICES), f"{one.usd():.2f}", counted))
    sums = [f"{sum(one.usd(*kinds) for one in bills):.2f}" for kinds in _SERVICES]
    rows.append(("together", *sums, f"{sum(one.usd() for one in bills):.2f}", ""))
    said = (
        f"Assumed: {TURNS:,} turns of {EVENTS} events, each in a batch of its own; {DELTAS} watched deltas a turn; an"
        f" invocation runs {INVOCATION_S * 1000:g} ms with {LAMBDA_GB * 1024:g} MB."
    )
    return f"{said}\n\n{_table(header, rows)}"


_SERVICES: Final = (("read", "write"), ("invocation", "gb_s"), ("message", "minute", "request"))


def _prices_table() -> str:
    rows = [(one.what, f"{one.usd:g}", one.per, f"{one.page} (to be checked)") for one in PRICES.values()]
    return _table(("price", "USD", "per", "source"), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
