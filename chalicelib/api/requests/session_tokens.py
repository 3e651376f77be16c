"""Requests about the tokens of a session. Unknown fields are refused, as those about keys refuse them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...actors.api_keys import GRACE_S
from ...actors.session_tokens import NewToken
from ...core.access import SessionRight
from .fields import ExpiresIn, Name
from .people import MAX_GRACE_S


class CreateSessionToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST …/tokens``: to read unless ``scopes`` say more; ``expires_in`` is seconds, an hour if left out."""

    name: Name
    scopes: Annotated[tuple[SessionRight, ...], Meta(min_length=1, max_length=16)] = ("read",)
    expires_in: ExpiresIn | None = None

    def wanted(self) -> NewToken:
        """The token that is asked for."""
        return NewToken(name=self.name, scopes=self.scopes, expires_in_s=self.expires_in)


class RotateSessionToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST …/tokens/{id}/rotate``: how many seconds the secret that is replaced goes on opening."""

    grace_s: Annotated[float, Meta(ge=0, le=MAX_GRACE_S)] = GRACE_S
