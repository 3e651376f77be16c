"""The daemon's log: on one line each, its user's alone, of bounded size, and no burden on the daemon."""

from __future__ import annotations

import io
import logging
import stat
import sys
from pathlib import Path

import pytest

from mooring.edge import log_file
from mooring.edge.log_file import OLDER_FILES, log_to_file, log_to_stderr, older

LOG = logging.getLogger("mooring.test")


def texts(path: Path) -> list[str]:
    return [line.split(" ", 2)[2] for line in path.read_text().splitlines()]


def test_a_record_is_one_line_with_its_time_and_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    with log_to_file(tmp_path / "logs" / "daemon.log"):
        try:
            raise ValueError("first\nsecond")
        except ValueError:
            LOG.exception("session=%s broke", "sesn_1")
    [line] = (tmp_path / "logs" / "daemon.log").read_text().splitlines()
    assert capsys.readouterr().err == f"{line}\n"
    time, level, text = line.split(" ", 2)
    assert (len(time), time[-1], level) == (20, "Z", "ERROR")
    assert text.startswith("session=sesn_1 broke | Traceback")
    assert text.endswith("ValueError: first | second")


def test_the_file_is_its_users_alone_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """Catches a log that others on the laptop may read, and one that begins anew with each daemon."""
    path = tmp_path / "logs" / "daemon.log"
    for text in ("one", "two é \udc80"):
        log_to_stderr()
        with log_to_file(path):
            LOG.info(text)
    LOG.info("three")
    assert texts(path) == ["one", "two é \\udc80"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_full_file_is_moved_on_and_the_oldest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a log that grows for months, and a rotated one that others may read."""
    monkeypatch.setattr(log_file, "MAX_BYTES", 100)
    path = tmp_path / "daemon.log"
    log_to_stderr()
    with log_to_file(path):
        for number in range(OLDER_FILES + 3):
            LOG.info("%d %s", number, "x" * 60)
    files = [path, *older(path)]
    assert [texts(one)[0][0] for one in files] == ["6", "5", "4", "3", "2"]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}


def test_a_disk_that_can_not_take_it_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a traceback for every record, and a daemon that ends for its log's sake."""
    (tmp_path / "daemon.log").mkdir()
    log_to_stderr()
    with log_to_file(tmp_path / "daemon.log"):
        LOG.info("one")
        LOG.info("two")
    err = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" ")[2] for line in err if "INFO" in line] == ["one", "two"]
    [complaint] = [line for line in err if "INFO" not in line]
    assert complaint.startswith(f"moor: {tmp_path / 'daemon.log'} can't be written: ")


def test_a_program_without_a_console_logs_to_the_file_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches Windows' Python without a window, whose standard error is None."""
    monkeypatch.setattr(sys, "stderr", None)
    log_to_stderr()
    with log_to_file(tmp_path / "daemon.log"):
        LOG.info("one")
    assert texts(tmp_path / "daemon.log") == ["one"]


def test_what_other_libraries_log_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    log_to_stderr()
    with log_to_file(tmp_path / "daemon.log"):
        logging.getLogger("urllib3").error("what somebody said")
        LOG.debug("small talk")
    assert (err.getvalue(), (tmp_path / "daemon.log").exists()) == ("", False)
