"""Devices: machines that ask to be connected and have no browser, and the codes by which people name them.

The machine gets two codes: it shows one, the user code, which a person who is signed in somewhere else types in; by the
other one, the device code, it asks what has become of it. Source: RFC 8628.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from ..wire.ids import KeyId, TenantId

LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Consonants only: no word comes out, and none looks like a digit. 20^8 codes. Source: RFC 8628 §6.1."""

_HALF: Final = 4
_READ = re.compile(rf"[{LETTERS}]{{{2 * _HALF}}}")
_BETWEEN = re.compile(r"[\s_.\-\u2010-\u2015]")

Decision = Literal["approved", "denied"]


class DeviceVerdict(Struct, frozen=True, kw_only=True):
    """What a person said to a machine that asked, and when (epoch seconds)."""

    decision: Decision
    tenant_id: TenantId
    key_id: KeyId
    owner_id: str
    at: float


class DeviceRequest(Struct, frozen=True, kw_only=True):
    """A machine asks to be connected; its codes and its state are kept as hashes.

    Attributes:
        user_code_hash: of the code that it shows.
        device_hash: of the code by which it asks again.
        state_hash: of the state that its connect code is to be bound to.
        code_challenge: PKCE's, likewise.
        hostname: what it says of itself, as is ``os``: nobody has checked either.
        polled_at: when it was last answered that it has to wait.
    """

    user_code_hash: str
    device_hash: str
    state_hash: str
    code_challenge: str
    hostname: str
    os: str
    expires_at: float
    polled_at: float | None = None
    verdict: DeviceVerdict | None = None


def user_code_of(chance: str) -> str:
    """The user code that some chance gives (hex, at least 64 bits)."""
    number, letters = int(chance, 16), ""
    for _ in range(2 * _HALF):
        number, index = divmod(number, len(LETTERS))
        letters += LETTERS[index]
    return _shown(letters)


def read_user_code(typed: str) -> str | None:
    """The user code that somebody has typed, in any case, with or without the hyphen; None for what is none."""
    letters = _BETWEEN.sub("", typed).upper()
    return _shown(letters) if _READ.fullmatch(letters) else None


def _shown(letters: str) -> str:
    return f"{letters[:_HALF]}-{letters[_HALF:]}"
