"""What an echo session remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.echo_agent.history import Exchange, History


def test_a_saved_session_comes_back(tmp_path: Path) -> None:
    history = History.begin(tmp_path)
    assert History.load(tmp_path, history.session_id) is None
    history.exchanges.append(Exchange("question", "answer"))
    history.save()
    history.exchanges.append(Exchange("más"))
    history.save()
    assert History.load(tmp_path, history.session_id) == history
    assert [file.name for file in (tmp_path / ".moor-echo").iterdir()] == [f"{history.session_id}.json"]


@pytest.mark.parametrize("session_id", ["../../etc/passwd", "echo_0123456789abcdef/x", "", "echo_0123456789abcdef\n"])
def test_an_id_that_is_not_ours_is_no_file(tmp_path: Path, session_id: str) -> None:
    assert History.load(tmp_path, session_id) is None
