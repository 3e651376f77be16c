"""What goes wrong in a world, and how often. A mix is handed to the world; the world only does it.

All numbers are probabilities unless their name has a unit. Once a world's faults are over, none of them happens.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """What befalls the messages of one WebSocket, in either direction, and the socket itself.

    Attributes:
        lost: a message never arrives.
        doubled: it arrives twice, each copy at its own time.
        late: it takes up to ``late_s`` and is overtaken by later ones; others take up to 0.3 s.
        late_s: in seconds.
        cut: at a message, or at the handshake, the socket ends: before the message, or while it is on its way.
        half_open: such an end is felt by neither side; nothing arrives any more.
        unreported: the plane is not told of a socket's end.
    """

    lost: float = 0.06
    doubled: float = 0.03
    late: float = 0.1
    late_s: float = 4.0
    cut: float = 0.0
    half_open: float = 0.0
    unreported: float = 0.3


SOUND = Line(lost=0.0, doubled=0.0, late=0.0, unreported=0.0)
"""A line without faults. Messages still overtake each other within 0.3 s: no gateway promises their order."""


@dataclass(frozen=True)
class Faults:
    """A mix.

    Attributes:
        daemons: the lines between laptops and the plane.
        viewers: those between viewers and the plane.
        lambda_dies: a Lambda, at each of its steps; half of it again after each I/O.
        lambda_dawdles: it takes 3 to 90 s for a step.
        put_denied: a put that was applied is reported refused.
        answer_lost: the answer to a post.
        stream_breaks: a reader's stream, at each event.
        daemon_dies: the daemon's process, after each transaction of its journal.
        laptops_fail: daemons are killed, laptops sleep, and second ones come with the same token or a copy of the disk.
    """

    daemons: Line = Line()
    viewers: Line = Line()
    lambda_dies: float = 0.008
    lambda_dawdles: float = 0.02
    put_denied: float = 0.02
    answer_lost: float = 0.1
    stream_breaks: float = 0.01
    daemon_dies: float = 0.004
    laptops_fail: bool = True


EVERYTHING = Faults()
"""A little of all that can go wrong."""

HOSTILE_NETWORK = Faults(
    daemons=Line(lost=0.2, doubled=0.2, late=0.25, late_s=45.0, cut=0.03, half_open=0.2),
    viewers=SOUND,
    lambda_dies=0.0,
    lambda_dawdles=0.0,
    put_denied=0.0,
    answer_lost=0.0,
    stream_breaks=0.0,
    daemon_dies=0.0,
    laptops_fail=False,
)
"""Nothing goes wrong but the lines between daemons and plane, and these badly: a message may be overtaken by its own
resend, by the answer to that, and by all of the next connection."""
