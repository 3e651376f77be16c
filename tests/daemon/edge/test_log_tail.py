"""Reading a log that somebody else writes: no line twice, none left out, whatever becomes of its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.edge.log_tail import LogTail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def tail_of(log: Path) -> LogTail:
    return LogTail(log, [log.with_name(f"log.{number}") for number in (1, 2, 3)])


def rotate(log: Path) -> None:
    for number in (2, 1):
        if (one := log.with_name(f"log.{number}")).exists():
            one.rename(log.with_name(f"log.{number + 1}"))
    log.rename(log.with_name("log.1"))


def write(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(text)


def test_the_last_lines_go_back_over_older_files(log: Path) -> None:
    write(log, "1\n2\n")
    rotate(log)
    write(log, "3\n")
    rotate(log)
    write(log, "4\n5\n")
    assert tail_of(log).last(4) == ["2", "3", "4", "5"]
    assert tail_of(log).last(99) == ["1", "2", "3", "4", "5"]
    assert tail_of(log).last(0) == []


def test_new_lines_come_once_and_whole(log: Path) -> None:
    """Catches half a line, and a letter that was cut in two."""
    write(log, "1\n")
    tail = tail_of(log)
    assert (tail.last(9), tail.new()) == (["1"], [])
    with log.open("ab") as file:
        file.write("2\nhalf é".encode()[:-1])
    assert tail.new() == ["2"]
    with log.open("ab") as file:
        file.write("é".encode()[-1:] + b" whole\r\n")
    assert tail.new() == ["half é whole"]
    assert tail.new() == []


def test_a_rotated_log_is_read_to_its_end_first(log: Path) -> None:
    """Catches the lines that were written between the last look and the rotation, or two of them."""
    write(log, "1\n")
    tail = tail_of(log)
    tail.last(1)
    write(log, "2\n")
    rotate(log)
    assert tail.new() == ["2"], "the new file is not there yet"
    write(log, "3\n")
    assert tail.new() == ["3"]
    for number in (4, 6):
        write(log, f"{number}\n")
        rotate(log)
        write(log, f"{number + 1}\n")
    rotate(log)
    write(log, "8\n")
    assert tail.new() == ["4", "5", "6", "7", "8"]


def test_a_log_that_was_emptied_is_read_from_its_start(log: Path) -> None:
    """Catches a follower that waits until a log has its old size again."""
    write(log, "1\n2\n3\n")
    tail = tail_of(log)
    tail.last(1)
    log.write_text("4\n")
    assert tail.new() == ["4"]


def test_a_log_may_come_later_and_go(log: Path) -> None:
    tail = tail_of(log)
    assert (tail.last(9), tail.new()) == ([], [])
    write(log, "1\n")
    assert tail.new() == ["1"]
    write(log.with_name("log.1"), "old\n")
    log.unlink()
    assert tail.new() == []
    write(log, "2\n")
    assert tail.new() == ["2"]


def test_only_lines_that_count_are_counted(log: Path) -> None:
    write(log, "a 1\nb 2\na 3\nb 4\n")
    tail = LogTail(log, [], lambda line: line.startswith("a"))
    assert tail.last(2) == ["a 1", "a 3"]
    write(log, "b 5\na 6\n")
    assert tail.new() == ["a 6"]
