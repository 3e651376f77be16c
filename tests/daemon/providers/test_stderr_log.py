"""A child's standard error, bounded and without secrets."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from mooring.providers import stderr_log
from mooring.providers.stderr_log import FILE_BYTES, KEPT_S, TAIL_BYTES, StderrLog, blot, secrets_of


def test_the_last_half_to_whole_megabyte_is_kept_in_two_files(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "stderr.log"
    log = StderrLog(path)
    for number in range(3000):
        log.write(b"%07d " % number * 128)
    older = path.with_name("stderr.log.1")
    assert path.stat().st_size <= FILE_BYTES
    assert older.stat().st_size <= FILE_BYTES
    kept = older.read_bytes() + path.read_bytes()
    assert len(kept) >= FILE_BYTES
    assert b"".join(b"%07d " % number * 128 for number in range(3000)).endswith(kept)


def test_one_write_larger_than_the_bound_is_bounded_too(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "e")
    log.write(b"x" * (5 * FILE_BYTES + 3))
    assert sorted((file.name, file.stat().st_size) for file in tmp_path.iterdir()) == [("e", 3), ("e.1", FILE_BYTES)]


def test_a_file_of_an_earlier_child_is_gone_on_with(tmp_path: Path) -> None:
    StderrLog(tmp_path / "e").write(b"one ")
    StderrLog(tmp_path / "e").write(b"two")
    assert (tmp_path / "e").read_bytes() == b"one two"


def test_the_tail_is_text_without_control_sequences_and_secrets(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "e")
    log.write(b"x" * TAIL_BYTES)
    log.write("\n\x1b[31mkey sk-secret-1 refused\x1b[0m\r\nän\xff".encode("latin-1"))
    tail = log.tail(("sk-secret-1",))
    assert tail.endswith("\nkey *** refused\n\ufffdn\ufffd")
    assert len(tail) <= TAIL_BYTES


def test_a_disk_that_fails_is_said_once_and_the_tail_still_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        for path in (tmp_path / "file" / "e", tmp_path):
            log = StderrLog(path)
            log.write(b"one ")
            log.write(b"two")
            assert log.tail() == "one two"
    assert len(caplog.records) == 2


def test_values_of_secret_looking_names_are_secrets() -> None:
    env = {"API_KEY": "12345678", "Authorization": "Bearer 123456789", "MY_TOKEN": "short", "PATH": "/usr/bin/python"}
    assert secrets_of(env, {"DB_PASSWORD": "long enough"}) == ("Bearer 123456789", "long enough", "12345678")
    assert blot("a 12345678 b", ("12345678",)) == "a *** b"


def test_the_oldest_sessions_logs_go_when_a_child_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a folder that grows by a log for every session of a laptop's life, and the daemon's own log removed."""
    monkeypatch.setattr(stderr_log, "KEPT_LOGS", 3)
    now = time.time()
    for name, age_s in {
        "sesn_1.log": 4.0,
        "sesn_1.log.1": 5.0,
        "sesn_2.log": 3.0,
        "sesn_3.log": 2.0,
        "sesn_4.log": 1.0,
        "daemon.log": 2 * KEPT_S,
    }.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now - age_s, now - age_s))
    os.utime(tmp_path / "sesn_3.log", (now - KEPT_S - 60, now - KEPT_S - 60))
    (tmp_path / "sesn_3.log.1").touch()
    StderrLog(tmp_path / "sesn_5.log").write(b"new")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["daemon.log", "sesn_1.log", "sesn_1.log.1", "sesn_2.log", "sesn_4.log", "sesn_5.log"]
    StderrLog(tmp_path / "sesn_6.log").write(b"new")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["daemon.log", "sesn_2.log", "sesn_4.log", "sesn_5.log", "sesn_6.log"]
