"""`python -m infra.local run [--data DIR]`: the demo that stays up, keeps its data, and says what to try next."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.local.demo import Screen, connect_laptop, one_turn
from infra.local.leaving import Leaving
from infra.local.stage import API, DaemonProcess, PlaneProcess, StageError, start_plane

DATA = Path(__file__).resolve().parents[2] / ".mooring"
POLL_S = 0.5


def main(argv: list[str]) -> int:
    """Runs until SIGINT or SIGTERM. Returns 0 after a clean stop, 1 when something did not start or died."""
    parser = argparse.ArgumentParser(prog="python -m infra.local run", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="where everything is kept")
    data = parser.parse_args(argv).data.resolve()
    leaving = Leaving()
    screen = Screen()
    plane: PlaneProcess | None = None
    daemon: DaemonProcess | None = None
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    home = data / "laptop"
    home.mkdir(mode=0o700, exist_ok=True)
    try:
        screen.step("starting the plane")
        plane = start_plane(data / "plane.log", "--data", str(data / "aws"))
        api = API(plane.url, plane.api_key)
        daemon, runtime = connect_laptop(api, home, screen)
        one_turn(api, runtime, screen)
        _say_what_next(screen, plane, data)
        while not leaving.wait(POLL_S):
            if plane.process.poll() is not None or daemon.process.poll() is not None:
                raise StageError(f"A process ended; the logs are {plane.log_path} and {daemon.log_path}.")
        return 0
    except StageError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    finally:
        if daemon is not None:
            daemon.stop()
        if plane is not None:
            plane.stop()


def _say_what_next(screen: Screen, plane: PlaneProcess, data: Path) -> None:
    moor = Path(sys.executable).with_name("moor")
    shown = moor.relative_to(Path.cwd()) if moor.is_relative_to(Path.cwd()) else moor
    screen.step(f"Mooring is up; its data is in {data}. Ctrl-C stops it.")
    screen.say(f"  API   {plane.url}")
    screen.say(f"  key   {plane.api_key}")
    screen.say("  try:")
    screen.say(f"    export MOOR_HOME={data / 'laptop'} MOOR_SERVER={plane.url} MOOR_API_KEY={plane.api_key}")
    screen.say(f'    {shown} ask "What can you do?"')
    screen.say(f"    curl -H 'Authorization: Bearer {plane.api_key}' {plane.url}/v1/sessions")
