"""What a link is told and what it answers; see ``core/link.py`` for what follows from what."""

from __future__ import annotations

from msgspec import Struct

from ..errors import MoorError
from ..wire.limits import PING_S

# ---- inputs


class Opened(Struct, frozen=True):
    """The socket is open."""

    number: int


class Welcomed(Struct, frozen=True):
    """The plane answered its hello."""

    number: int
    ping_s: float = PING_S


class Heard(Struct, frozen=True):
    """Any frame came: the connection lives in both directions, since the plane speaks when it is spoken to."""

    number: int


class Replaced(Struct, frozen=True):
    """The plane says that another connection is the runtime's own now, of the process ``instance``."""

    number: int
    instance: str


class Closed(Struct, frozen=True):
    """The connection is over, or never came to be; ``status`` is that of a refused handshake."""

    number: int
    status: int | None = None


class Tick(Struct, frozen=True):
    """Time has passed."""


class Suspending(Struct, frozen=True):
    """The laptop is about to sleep."""


class Woken(Struct, frozen=True):
    """The laptop has slept, or was about to and will not."""


Cue = Opened | Welcomed | Heard | Replaced | Closed | Tick | Suspending | Woken


# ---- outputs


class Dial(Struct, frozen=True):
    """Open a socket and call it ``number``."""

    number: int


class SayHello(Struct, frozen=True):
    """Say hello on it.

    ``beside``: another connection works, and the desk goes on with that one; else the desk is ``connected`` with this.
    """

    number: int
    beside: bool = False


class SayGoodnight(Struct, frozen=True):
    """Say on it that the laptop goes to sleep; the plane answers by closing it."""

    number: int


class Use(Struct, frozen=True):
    """Send on it from now on."""

    number: int


class Close(Struct, frozen=True):
    """Close it; ``why`` is for the log."""

    number: int
    why: str


class Wait(Struct, frozen=True):
    """The next attempt is this far away (seconds); for the log."""

    seconds: float


class GoOffline(Struct, frozen=True):
    """The connection that the desk knows is gone: it is ``disconnected`` until the next welcome or hello."""


class Stop(Struct, frozen=True):
    """For good: end the process with this error."""

    code: str
    message: str
    exit_code: int

    def error(self) -> MoorError:
        """What the process ends with."""
        return MoorError(self.code, self.message, self.exit_code)


Output = Dial | SayHello | SayGoodnight | Use | Close | Wait | GoOffline | Stop
