"""A process of the plane that dies between commit and send.

`python -m tests.journeys.dying_plane TENANT SESSION TEXT` accepts a message as a Lambda would, over the same tables,
and is killed at the first frame that it would send: the record is there, and nobody was told.
"""

from __future__ import annotations

import os
import signal
import sys

from chalicelib import wiring
from chalicelib.core.session import MessageIn
from chalicelib.outbound.sockets import Sockets
from chalicelib.wire.events import TextBlock
from chalicelib.wire.ids import ConnectionId, SessionId, TenantId


class DeadlySockets(Sockets):
    """The first post is the process's end."""

    def post(self, connection_id: ConnectionId, message: bytes) -> bool:
        """Never returns."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives SIGKILL")


def main(tenant: str, session: str, text: str) -> None:
    """Accepts the message, and dies of it."""
    wiring.Sockets = DeadlySockets  # type: ignore[attr-defined]  # It imports the class for itself only.
    item = MessageIn((TextBlock(text),))
    rows = wiring.plane().session_rows
    rows.post(TenantId(tenant), SessionId(session), (item,), expires_in_s=3600.0, cause=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
