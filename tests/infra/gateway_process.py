"""`up` as a process of its own, in front of the small app instead of the plane; takes the arguments of `up`."""

from __future__ import annotations

import os
import sys

from infra.local import up
from infra.local.gateway import Plane
from tests.infra.small_app import SmallApp


def load(admin_key: str | None) -> tuple[Plane, str, str]:
    """Make the small app; a key that is not given is made anew each time."""
    small = SmallApp()
    small.url = os.environ["MOORING_CONNECTIONS_URL"]
    print("printed by the app")  # Must not reach the standard output that callers read.
    return Plane(small.app, small.stream, small.owns), "tenant_1", admin_key or f"moor_{id(small)}"


if __name__ == "__main__":
    sys.exit(up.main(sys.argv[1:], load=load))
