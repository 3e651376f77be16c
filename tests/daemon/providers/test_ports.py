"""What a provider promises."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mooring.providers.ports import (
    call_hash,
)


def test_the_hash_names_tool_arguments_and_folder() -> None:
    expected = hashlib.sha256(b'["Bash",{"a":["\\u00e4"],"b":1},"/home/x"]').hexdigest()
    assert call_hash("Bash", {"b": 1, "a": ["ä"]}, Path("/home/x")) == expected
