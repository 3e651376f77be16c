"""The agent of launchd: a property list of the types that launchd wants; and how launchd is spoken to."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest

from mooring.errors import MoorError
from mooring.service import launchd as module
from mooring.service.launchd import Launchd, label, render
from mooring.service.spec import ServiceSpec
from tests.daemon.service.tools import Tools

HOME = '/people/Ann Smith/<moor> & "co" é'
SPEC = ServiceSpec("", HOME, ("/usr/bin/python3", "-m", "mooring", "--service", HOME), "/bin:/a b")
DOMAIN = "launchctl print gui/501"
PRINT = f"{DOMAIN}/dev.mooring.daemon"
GONE = 113  # "Could not find service "dev.mooring.daemon" in domain for user gui: 501"

RUNNING = """\
gui/501/dev.mooring.daemon = {
\tactive count = 1
\tpath = /people/ann/Library/LaunchAgents/dev.mooring.daemon.plist
\tstate = running
\tpid = 4711
\tlast exit code = (never exited)
\tsemaphores = {
\t\tpid = 1
\t}
}
"""

TYPES = {
    "Label": str,
    "ProgramArguments": list,
    "EnvironmentVariables": dict,
    "RunAtLoad": bool,
    "KeepAlive": dict,
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "ProcessType": str,
}
"""As launchd.plist(5) has them."""


@pytest.fixture
def launchd(tools: Tools) -> Launchd:
    tools.offer("launchctl")
    tools.answer(PRINT, status=GONE)
    return Launchd(SPEC, uid=501)


def plist() -> Path:
    return Path.home() / "Library" / "LaunchAgents" / "dev.mooring.daemon.plist"


def acts(tools: Tools) -> list[str]:
    """What was asked of launchd, but for questions."""
    return [one.removeprefix("launchctl ") for one in tools.calls() if not one.startswith("launchctl print")]


def test_a_property_list_says_what_launchd_understands() -> None:
    """Catches a key that launchd does not know, which it ignores, and a number written as a string."""
    read = plistlib.loads(render(SPEC))
    assert {key: type(value) for key, value in read.items()} == TYPES
    assert read["ProgramArguments"] == list(SPEC.command)
    assert read["EnvironmentVariables"] == {"PATH": "/bin:/a b"}
    assert read["KeepAlive"] == {"SuccessfulExit": False}
    assert read["RunAtLoad"] is True
    assert read["ProcessType"] in ("Standard", "Background", "Adaptive", "Interactive")
    assert render(SPEC).startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist')


def test_a_daemon_that_ended_for_good_does_not_come_back_fast() -> None:
    """Catches a storm of refused connections: launchd can't be told which statuses are final."""
    read = plistlib.loads(render(SPEC))
    assert read["ThrottleInterval"] >= 60
    assert read["ExitTimeOut"] > 5 + 10 + 5 + 3


def test_an_agent_is_named_after_its_profile() -> None:
    assert (label(""), label("work")) == ("dev.mooring.daemon", "dev.mooring.daemon.work")


def test_an_install_loads_it_and_again_starts_what_is_loaded(tools: Tools, launchd: Launchd) -> None:
    launchd.install()
    assert plist().read_bytes() == render(SPEC)
    assert acts(tools)[-2:] == ["enable gui/501/dev.mooring.daemon", f"bootstrap gui/501 {plist()}"]
    tools.answer(PRINT, RUNNING)
    launchd.install()
    assert acts(tools) == ["enable gui/501/dev.mooring.daemon", "kickstart gui/501/dev.mooring.daemon"]
    assert launchd.is_current()


def test_an_older_one_is_let_go_before_the_new_one_is_loaded(
    tools: Tools, launchd: Launchd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches error 5 of a bootstrap that comes while launchd still ends the daemon before."""
    monkeypatch.setattr(module, "_PAUSE_S", 0.0)
    launchd.install()
    plist().write_bytes(render(SPEC).replace(b"Interactive", b"Background"))
    tools.calls()
    tools.answer(PRINT, RUNNING.replace("running", "SIGTERMed"))
    tools.then(PRINT, status=GONE)
    launchd.install()
    calls = [one for one in tools.calls() if one != DOMAIN]
    assert calls == [
        "launchctl bootout gui/501/dev.mooring.daemon",
        PRINT,
        PRINT,
        "launchctl enable gui/501/dev.mooring.daemon",
        PRINT,
        f"launchctl bootstrap gui/501 {plist()}",
    ]
    assert launchd.is_current()


def test_a_daemon_that_launchd_does_not_let_go_is_told(
    tools: Tools, launchd: Launchd, monkeypatch: pytest.MonkeyPatch
) -> None:
    launchd.install()
    monkeypatch.setattr(module, "_LET_GO_S", 0.0)
    monkeypatch.setattr(module, "_PAUSE_S", 0.0)
    tools.answer(PRINT, RUNNING)
    with pytest.raises(MoorError, match="service_failed.*does not let go"):
        launchd.stop()


def test_without_a_login_at_the_screen_nothing_is_left_behind(tools: Tools, launchd: Launchd) -> None:
    """Catches a property list that a login over SSH leaves, and which starts a daemon at the next login."""
    tools.answer(DOMAIN, status=125, err="Domain does not support specified action\n")
    tools.answer(PRINT, status=125, err="Domain does not support specified action\n")
    for verb in (launchd.install, launchd.start, launchd.stop, launchd.restart):
        with pytest.raises(MoorError, match="service_unavailable.*Domain does not support"):
            verb()
    assert not plist().parent.exists()
    assert "Domain does not" in str(launchd.status().trouble)
    launchd.uninstall()


def test_what_launchd_refuses_is_told(tools: Tools, launchd: Launchd) -> None:
    tools.answer("launchctl bootstrap", status=5, err="Bootstrap failed: 5: Input/output error\nTry as root.\n")
    with pytest.raises(MoorError, match="service_failed.*Bootstrap failed: 5"):
        launchd.install()
    tools.answer(PRINT, status=64, err="Usage\n")
    with pytest.raises(MoorError, match="service_failed.*Usage"):
        launchd.start()


def test_start_stop_and_restart_need_an_installed_service(tools: Tools, launchd: Launchd) -> None:
    for verb in (launchd.start, launchd.stop, launchd.restart):
        with pytest.raises(MoorError, match="service_not_installed"):
            verb()
    launchd.install()
    tools.calls()
    launchd.restart()
    assert acts(tools) == ["bootout gui/501/dev.mooring.daemon", f"bootstrap gui/501 {plist()}"]
    tools.answer("launchctl bootout", status=3, err="Boot-out failed: 3: No such process\n")
    launchd.stop()


def test_an_uninstall_removes_all_of_it(tools: Tools, launchd: Launchd) -> None:
    launchd.uninstall()
    assert acts(tools) == []
    launchd.install()
    tools.calls()
    launchd.uninstall()
    assert acts(tools) == ["bootout gui/501/dev.mooring.daemon"]
    assert not plist().exists()
    launchd.install()
    tools.answer(DOMAIN, status=125)
    launchd.uninstall()
    assert not plist().exists()


@pytest.mark.parametrize(
    ("told", "disabled", "pid", "enabled", "last_exit"),
    [
        (RUNNING, "", 4711, True, None),
        (
            "\tstate = not running\n\tlast exit code = 78: EX_CONFIG\n",
            '\t"dev.mooring.daemon" => disabled\n',
            None,
            0,
            78,
        ),
        ("\tstate = not running\n\tlast exit code = 4\n", '\t"dev.mooring.daemon" => enabled\n', None, 1, 4),
        ("\tlast terminating signal = Killed: 9\n", '\t"dev.mooring.daemon.work" => true\n', None, 1, -9),
        ("", '\t"dev.mooring.daemon" => true\n', None, 0, None),
        ("\tstate = not running\n\tsockets = {\n\t\tpid = 9\n\t}\n", "", None, 1, None),
    ],
)
def test_a_status_tells_how_it_is_doing(
    tools: Tools, launchd: Launchd, told: str, disabled: str, pid: int | None, enabled: bool, last_exit: int | None
) -> None:
    """Catches the pid of something else in what launchd prints, and a service that its owner has switched off."""
    launchd.install()
    tools.answer(PRINT, told)
    tools.answer("launchctl print-disabled", f"disabled services = {{\n{disabled}}}\n")
    status = launchd.status()
    assert (status.installed, status.running, status.pid) == (True, pid is not None, pid)
    assert (status.enabled, status.last_exit, status.trouble) == (bool(enabled), last_exit, None)


def test_another_homes_service_of_this_name_is_left_alone(tools: Tools, launchd: Launchd) -> None:
    """Catches a trial with MOOR_HOME that takes the owner's own service away."""
    launchd.install()
    other = Launchd(ServiceSpec("", "/people/x", ("/usr/bin/python3", "/people/x"), "/bin"), uid=501)
    tools.calls()
    for verb in (other.install, other.start, other.stop, other.restart):
        with pytest.raises(MoorError, match="service_taken.*--profile"):
            verb()
    other.uninstall()
    assert acts(tools) == []
    assert launchd.is_current()
    assert (other.status().installed, other.is_current()) == (False, False)


def test_a_property_list_that_is_none_is_repaired(launchd: Launchd) -> None:
    """Catches a file that a full disk has cut, taken for somebody else's."""
    for broken in (b"", b"<?xml", b"<plist><dict/></plist"):
        plist().parent.mkdir(parents=True, exist_ok=True)
        plist().write_bytes(broken)
        launchd.install()
        assert launchd.is_current()
