"""What browsers are answered. Times are epoch seconds."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class SignedInAnswer(Struct, frozen=True, kw_only=True):
    """A browser is signed in; ``csrf_token`` goes into the header ``x-csrf-token`` of what changes something."""

    type: Literal["login"] = "login"
    csrf_token: str | None


class SignedOutAnswer(Struct, frozen=True):
    """A browser is signed in no longer."""

    type: Literal["login_deleted"] = "login_deleted"


class TicketAnswer(Struct, frozen=True, kw_only=True):
    """A ticket, shown once: a browser's WebSocket connects to ``ws_url``, which holds it."""

    type: Literal["ticket"] = "ticket"
    ticket: str
    expires_at: int
    ws_url: str
