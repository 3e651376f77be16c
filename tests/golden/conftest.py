"""What the daemon's tests share is shared with those of an old daemon's home."""

from __future__ import annotations

from tests.daemon.conftest import home, plane

__all__ = ["home", "plane"]
