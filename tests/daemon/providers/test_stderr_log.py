"""A child's standard error, bounded and without secrets."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mooring.providers.stderr_log import FILE_BYTES, TAIL_BYTES, StderrLog, blot, secrets_of


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
