"""The text of ACP's blocks, tool contents and raw outputs."""

from __future__ import annotations

from typing import Any

import pytest

from mooring.providers.acp_content import (
    MAX_DIFF_LINES,
    MAX_NAME,
    block_text,
    content_diff,
    content_text,
    raw_input,
    raw_text,
    terminal_names,
    tool_name,
    unified_diff,
)


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "text", "text": "hi"}, "hi"),
        ({"type": "resource_link", "name": "notes", "uri": "https://n.example/n"}, "[notes](https://n.example/n)"),
        ({"type": "resource_link", "uri": "https://n.example/n"}, "[link](https://n.example/n)"),
        ({"type": "resource", "resource": {"uri": "u", "text": "inside"}}, "inside"),
        (
            {"type": "resource", "resource": {"uri": "u", "mimeType": "m", "blob": "A" * 4096}},
            "[resource u, m, 3.0 KB]",
        ),
        ({"type": "resource", "resource": None}, ""),
        ({"type": "image", "mimeType": "image/png", "data": "A" * 2048}, "[image image/png, 1.5 KB]"),
        ({"type": "image", "mimeType": "image/png", "uri": "u:/a.png"}, "[image u:/a.png, image/png]"),
        ({"type": "audio", "mimeType": "audio/wav", "data": 3}, "[audio audio/wav]"),
        ({"type": "hologram"}, "[hologram]"),
        ({"type": "text", "text": 3}, ""),
        ({}, ""),
        ("hi", ""),
        (None, ""),
    ],
)
def test_a_block_says(block: object, text: str) -> None:
    assert block_text(block) == text


def test_contents_are_joined_and_diffs_are_unified_apart_from_them() -> None:
    contents: list[Any] = [
        {"type": "content", "content": {"type": "text", "text": "first"}},
        {"type": "diff", "path": "a.txt", "oldText": "one\ntwo\n", "newText": "one\n2\n"},
        {"type": "terminal", "terminalId": "t1"},
        {"type": "text", "text": "bare block"},
        "nonsense",
    ]
    assert content_text(contents) == "first\nbare block"
    assert content_diff(contents) == "--- a.txt\n+++ a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2"
    assert terminal_names(contents) == "[terminal t1]"
    assert content_text(None) == content_diff(None) == terminal_names(None) == ""


def test_a_new_file_is_all_additions() -> None:
    assert unified_diff("n.txt", None, "a\nb") == "--- /dev/null\n+++ n.txt\n@@ -0,0 +1,2 @@\n+a\n+b"


def test_a_diff_too_long_to_work_out_is_summed_up() -> None:
    text = unified_diff("big", "a\n" * MAX_DIFF_LINES, "b\n")
    assert text == f"--- big\n+++ big\n{MAX_DIFF_LINES} lines become 1 lines"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        (None, ""),
        ({"output": "hi\n", "metadata": {"exit": 0}}, "hi\n"),
        ({"output": "", "error": "broke"}, "broke"),
        ({"rows": [1, 2]}, '{"rows": [1, 2]}'),
        ({"result": {"content": [{"type": "text", "text": "Kept."}]}, "error": None}, "Kept."),
        ({"result": {"content": []}}, '{"result": {"content": []}}'),
        ([1, "ä"], '[1, "ä"]'),
        (0, "0"),
    ],
)
def test_a_raw_output_as_text(raw: object, text: str) -> None:
    assert raw_text(raw) == text


def test_arguments_that_are_no_object_become_a_value() -> None:
    assert raw_input({"a": 1}) == {"a": 1}
    assert raw_input("ls") == {"value": "ls"}
    assert raw_input(None) is None


@pytest.mark.parametrize(
    ("update", "name"),
    [
        ({"title": "bash", "kind": "execute"}, "bash"),
        ({"title": "mcp__notes__add", "kind": "other"}, "mcp__notes__add"),
        ({"title": "echo hi", "kind": "execute"}, "execute"),
        ({"title": "add note (notes MCP Server)", "kind": "other"}, "add note (notes MCP Server)"),
        ({"title": "two\nlines " + "x" * 200}, "two"),
        ({"title": "y " * 200}, ("y " * 200)[:MAX_NAME]),
        ({}, "other"),
    ],
)
def test_a_tools_name_is_the_best_there_is(update: dict[str, Any], name: str) -> None:
    assert tool_name(update) == name
