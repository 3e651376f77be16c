"""`python -m bench`: names, and the tables' place in the page."""

from __future__ import annotations

import json

import pytest

from bench import cli, pages


def test_a_name_that_is_no_bench_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["speed"])
    assert caught.value.code == 2
    assert "price, relay, chunks, schedules" in capsys.readouterr().err


def test_markdown_is_of_prices_only() -> None:
    with pytest.raises(SystemExit):
        cli.main(["relay", "--markdown"])


def test_json_holds_each_bench_by_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "BENCHES", {"one": (lambda: {"n": 1}, str), "two": (lambda: {"n": 2}, str)})
    assert cli.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"one": {"n": 1}, "two": {"n": 2}}
    assert cli.main(["two"]) == 0
    assert capsys.readouterr().out == "two\n{'n': 2}\n\n"


def test_the_tables_go_between_their_marks_and_nowhere_else() -> None:
    page = f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n"
    written = pages.with_measured(page, "new\n")
    assert pages.measured_in(written) == "new\n"
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert pages.with_measured(written, "new\n") == written
    with pytest.raises(ValueError, match="substring"):
        pages.measured_in("no marks")
