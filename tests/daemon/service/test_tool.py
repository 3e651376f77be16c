"""A service manager's own command: what it says, and the ways in which it says nothing."""

from __future__ import annotations

import pytest

from mooring.errors import MoorError
from mooring.service import tool
from mooring.service.tool import call, must
from tests.daemon.service.tools import Tools


def test_a_command_that_is_not_there_means_that_there_is_no_service_manager(tools: Tools) -> None:
    """Catches a traceback on a machine without systemd, and an error that leaves its reader without a way on."""
    with pytest.raises(MoorError, match=r"service_unavailable.*`systemctl` can't be run.*Run `moor daemon`"):
        call("systemctl", "--user", "show")


def test_a_command_that_hangs_is_given_up(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches `moor setup` waiting for ever on a bus that does not answer."""
    monkeypatch.setattr(tool, "TIMEOUT_S", 0.2)
    tools.offer("launchctl")
    tools.answer("launchctl print", hangs=True)
    with pytest.raises(MoorError, match="service_failed.*launchctl"):
        call("launchctl", "print", "gui/1")


def test_a_refusal_is_told_by_its_first_line(tools: Tools) -> None:
    tools.offer("x")
    tools.answer("x 1", status=1, err="\nNo.\nSee journalctl.\n")
    tools.answer("x 2", "Neither.\n", status=2)
    tools.answer("x 3", status=3)
    for argument, reason in (("1", "No."), ("2", "Neither."), ("3", "it ended with 3")):
        with pytest.raises(MoorError, match=f"service_failed: `x {argument}` failed: {reason}$"):
            must("x", argument)
    assert must("x", "0", env={"LC_ALL": "C"}).status == 0
