"""The unit of systemd: what it says, in a form that systemd itself reads; and how the user's manager is spoken to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mooring.errors import MoorError
from mooring.service.spec import ServiceSpec
from mooring.service.systemd import Systemd, quote, render, unit_name
from tests.daemon.service.tools import Tools

ANALYZE = shutil.which("systemd-analyze")
SPEC = ServiceSpec(
    "", "/people/ann/moor", ("/usr/bin/python3", "-m", "mooring", "--service", "/people/ann/moor"), "/bin"
)
SHOW = "systemctl --user show mooring.service --property="
NO_BUS = "Failed to connect to bus: No medium found"


def shown(load: str = "loaded", file: str = "enabled", active: str = "active", pid: int = 7, ended: str = "0 0") -> str:
    code, status = ended.split()
    facts = {"LoadState": load, "UnitFileState": file, "ActiveState": active, "MainPID": pid}
    return "".join(f"{k}={v}\n" for k, v in {**facts, "ExecMainCode": code, "ExecMainStatus": status}.items())


@pytest.fixture
def systemd(tools: Tools) -> Systemd:
    tools.offer("systemctl")
    tools.answer(SHOW, shown("not-found", "", "inactive", 0))
    return Systemd(SPEC)


def unit_file() -> Path:
    return Path.home() / ".config" / "systemd" / "user" / "mooring.service"


def acts(tools: Tools) -> list[str]:
    """What was asked of systemd, but for questions."""
    return [one.removeprefix("systemctl --user ") for one in tools.calls() if not one.startswith(SHOW)]


def test_a_unit_restarts_after_a_crash_but_not_after_a_final_status() -> None:
    """Catches two daemons of one token that fight for ever, and a laptop that stays away after its tenth crash."""
    lines = render(SPEC).splitlines()
    for line in (
        "Restart=on-failure",
        "RestartPreventExitStatus=3 4 5",
        "StartLimitIntervalSec=0",
        "KillMode=mixed",
        "OOMPolicy=continue",
        "WantedBy=default.target",
        "Type=exec",
    ):
        assert line in lines
    [limit] = [int(line.partition("=")[2]) for line in lines if line.startswith("TimeoutStopSec=")]
    assert limit > 5 + 10 + 5 + 3, "what a daemon that stops waits for: cancel, TERM, KILL, flush"


def test_a_unit_is_named_after_its_profile() -> None:
    assert (unit_name(""), unit_name("work")) == ("mooring.service", "mooring-work.service")
    assert "Description=Mooring daemon (work)\n" in render(ServiceSpec("work", "/h", ("/p",), "/bin"))


def test_words_of_a_unit_are_escaped() -> None:
    assert quote('a "b" %h \\n') == '"a \\"b\\" %%h \\\\n"'
    assert render(SPEC).count("\nExecStart=:") == 1, "the colon keeps systemd from replacing $names"


@pytest.mark.skipif(ANALYZE is None, reason="this machine has no systemd-analyze")
@pytest.mark.parametrize("folder", ["plain", "with a space", "100% of %h", "$HOME", "été & <co>", "semi;colon"])
def test_systemd_itself_takes_the_unit(folder: str, tmp_path: Path) -> None:
    """Catches an escape that systemd reads otherwise than we meant: it looks for the very program that is there."""
    python = tmp_path / folder / "python"
    python.parent.mkdir()
    python.touch(mode=0o755)
    spec = ServiceSpec("", str(tmp_path), (str(python), "-m", "mooring", 'a"b\\c;', str(tmp_path)), f"/bin:{folder}")
    unit = tmp_path / "mooring.service"
    unit.write_text(render(spec), encoding="utf-8")
    assert _complaints(unit) == []
    python.unlink()
    assert any("is not executable" in one for one in _complaints(unit))


def _complaints(unit: Path) -> list[str]:
    """What systemd says about a unit, but for keys that a newer one knows."""
    env = {**os.environ, "XDG_RUNTIME_DIR": str(unit.parent), "HOME": str(unit.parent)}
    done = subprocess.run(
        [str(ANALYZE), "verify", "--user", str(unit)], env=env, capture_output=True, text=True, check=False
    )
    newer = re.compile(r"Unknown key (name )?'Restart(Steps|MaxDelaySec)'")
    return [
        line for line in done.stderr.splitlines() if str(unit) in line or unit.name in line if not newer.search(line)
    ]


@pytest.mark.parametrize("path", ["/it's/python", '/a"b/python', "/a\\b/python"])
def test_a_program_that_systemd_can_not_run_is_refused(path: str) -> None:
    """Catches a unit that is written and then never started, since no quoting helps with these."""
    with pytest.raises(MoorError, match="service_unsupported"):
        render(ServiceSpec("", "/h", (path,), "/bin"))


def test_an_install_writes_enables_and_starts_and_again_changes_nothing(tools: Tools, systemd: Systemd) -> None:
    systemd.install()
    assert unit_file().read_text() == render(SPEC)
    assert acts(tools) == ["daemon-reload", "enable mooring.service", "restart mooring.service"]
    assert systemd.is_current()
    systemd.install()
    assert "restart mooring.service" not in acts(tools), "a daemon at work is left alone"


def test_an_older_unit_is_replaced_and_its_daemon_restarted(tools: Tools, systemd: Systemd) -> None:
    systemd.install()
    tools.calls()
    unit_file().write_text(render(SPEC).replace("KillMode=mixed\n", ""))
    assert not systemd.is_current()
    systemd.install()
    assert systemd.is_current()
    assert acts(tools)[-1] == "restart mooring.service"


@pytest.mark.parametrize("err", [NO_BUS, "System has not been booted with systemd as init system"])
def test_without_a_users_manager_nothing_is_left_behind(tools: Tools, systemd: Systemd, err: str) -> None:
    """Catches a unit in a container, where nobody will ever read it, and an install that seems to have worked."""
    tools.answer(SHOW, status=1, err=f"{err}\n")
    with pytest.raises(MoorError, match=f"service_unavailable.*{err}.*Run `moor daemon`"):
        systemd.install()
    assert not unit_file().parent.exists()
    assert err in str(systemd.status().trouble)
    assert not systemd.status().installed


def test_a_masked_unit_stays_masked(tools: Tools, systemd: Systemd) -> None:
    """Catches an install that writes over the link by which somebody has said that the service must not run."""
    unit_file().parent.mkdir(parents=True)
    unit_file().symlink_to("/dev/null")
    tools.answer(SHOW, shown("masked", "masked", "inactive", 0))
    with pytest.raises(MoorError, match="service_masked.*unmask"):
        systemd.install()
    systemd.uninstall()
    assert unit_file().is_symlink()


def test_what_systemd_refuses_is_told(tools: Tools, systemd: Systemd) -> None:
    tools.answer("systemctl --user enable", status=1, err="Failed to enable unit: Access denied\n")
    with pytest.raises(MoorError, match="service_failed.*Access denied"):
        systemd.install()


def test_start_stop_and_restart_need_an_installed_service(tools: Tools, systemd: Systemd) -> None:
    for verb in (systemd.start, systemd.stop, systemd.restart):
        with pytest.raises(MoorError, match="service_not_installed.*moor service install"):
            verb()
    systemd.install()
    tools.calls()
    for verb in (systemd.start, systemd.stop, systemd.restart):
        verb()
    assert acts(tools) == ["start mooring.service", "stop mooring.service", "restart mooring.service"]


def test_an_uninstall_removes_all_of_it_with_or_without_a_manager(tools: Tools, systemd: Systemd) -> None:
    """Catches a unit that comes back at the next login."""
    systemd.uninstall()
    assert acts(tools) == []
    systemd.install()
    tools.calls()
    systemd.uninstall()
    assert acts(tools) == ["disable --now mooring.service", "daemon-reload", "reset-failed mooring.service"]
    assert not unit_file().exists()
    systemd.install()
    wanted = unit_file().parent / "default.target.wants" / "mooring.service"
    wanted.parent.mkdir()
    wanted.symlink_to(unit_file())
    tools.answer(SHOW, status=1, err=NO_BUS)
    systemd.uninstall()
    assert not unit_file().exists()
    assert not wanted.is_symlink()


@pytest.mark.parametrize(
    ("told", "running", "pid", "enabled", "last_exit"),
    [
        (shown(), True, 7, True, None),
        (shown(ended="1 0", active="inactive", pid=0), False, None, True, 0),
        (shown(ended="1 5", active="failed", pid=0, file="disabled"), False, None, False, 5),
        (shown(ended="2 9", active="activating", pid=0), False, None, True, -9),
        (shown(ended="3 11", active="active", pid=8), True, 8, True, -11),
    ],
)
def test_a_status_tells_how_it_is_doing(
    tools: Tools, systemd: Systemd, told: str, running: bool, pid: int | None, enabled: bool, last_exit: int | None
) -> None:
    systemd.install()
    tools.answer(SHOW, told)
    status = systemd.status()
    assert (status.installed, status.running, status.pid) == (True, running, pid)
    assert (status.enabled, status.last_exit, status.trouble) == (enabled, last_exit, None)


def test_another_homes_service_of_this_name_is_left_alone(tools: Tools, systemd: Systemd) -> None:
    """Catches a trial with MOOR_HOME that takes the owner's own service away."""
    systemd.install()
    other = Systemd(ServiceSpec("", "/people/ann/mo", ("/usr/bin/python3", "/people/ann/mo"), "/bin"))
    tools.calls()
    for verb in (other.install, other.start, other.stop, other.restart):
        with pytest.raises(MoorError, match="service_taken.*--profile"):
            verb()
    other.uninstall()
    assert acts(tools) == []
    assert systemd.is_current()
    assert not other.is_current()
    status = other.status()
    assert (status.installed, status.running) == (False, False)
    assert "another home" in str(status.trouble)


def test_a_unit_that_says_nothing_is_repaired(systemd: Systemd) -> None:
    """Catches a file that a full disk has cut, taken for somebody else's."""
    unit_file().parent.mkdir(parents=True)
    unit_file().write_text("# Written by")
    systemd.install()
    assert systemd.is_current()
