"""What a service runs: this Python, on this home, with what of PATH means the same elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mooring.errors import MoorError
from mooring.service import manager, spec_here
from mooring.service.launchd import Launchd
from mooring.service.scheduled_task import ScheduledTask
from mooring.service.spec import FINAL, ServiceSpec
from mooring.service.systemd import Systemd


def test_a_service_runs_the_python_of_now_with_full_paths_only() -> None:
    """Catches `moor` looked up on a PATH that a service lacks, and a relative entry that means another folder there."""
    spec = spec_here(
        Path("/people/ann/moor"), "work", {"PATH": os.pathsep.join(["/a b", ".", "bin", "", "/a b", "/c\n"])}
    )
    assert spec.command == (sys.executable, "-m", "mooring", "daemon", "--service", "/people/ann/moor")
    assert (spec.profile, spec.home, spec.path) == ("work", "/people/ann/moor", "/a b")
    assert Path(spec_here(Path("/h")).command[0]).is_absolute()


@pytest.mark.parametrize("text", ["a\nb", "a\0", "\x7f", "\x85", "\udc80", "\uffff"])
def test_what_no_file_of_a_service_can_hold_is_refused(text: str) -> None:
    """Catches a line break that would add a setting of its own, and bytes that are no text."""
    for parts in ((text, "/h", ("/p",), "/b"), ("", text, ("/p", text), "/b"), ("", "/h", ("/p",), text)):
        with pytest.raises(MoorError, match="service_unsupported"):
            ServiceSpec(*parts)


def test_each_platform_has_its_own_service_manager() -> None:
    spec = spec_here(Path("/h"))
    kinds = {one: type(manager(spec, one)) for one in ("linux", "darwin", "win32", "freebsd14")}
    assert kinds == {"linux": Systemd, "darwin": Launchd, "win32": ScheduledTask, "freebsd14": Systemd}


def test_final_statuses_are_those_of_a_daemon_that_must_not_be_restarted() -> None:
    assert FINAL == (3, 4, 5)
