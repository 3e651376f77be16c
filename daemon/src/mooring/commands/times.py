"""Moments as people at a laptop read them."""

from __future__ import annotations

from datetime import datetime


def moment(at: float | str | None) -> str:
    """A moment in local time, to the minute; "" for none.

    Args:
        at: epoch seconds, or a time with its zone as the API writes it (RFC 3339).
    """
    if at is None:
        return ""
    time = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at).astimezone()
    return time.astimezone().strftime("%Y-%m-%d %H:%M")
