"""The daemon that joins a laptop to the plane and runs coding agents on it.

From the top: `cli` parses and prints, `commands` holds one verb per file, `daemon` starts and stops the loops,
`providers` speak to agents, `edge` and `service` touch the machine, `core` decides, `wire` is what daemon and plane say
to each other.
"""

from __future__ import annotations

__version__ = "0.1.0"
