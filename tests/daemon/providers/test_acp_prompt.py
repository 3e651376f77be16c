"""A prompt in ACP's blocks: what the agent takes is in it, and all else is linked."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from acp.schema import AgentCapabilities, PromptCapabilities

from mooring.providers.acp_prompt import MAX_EMBEDDED_BYTES, prompt_blocks, taken
from mooring.providers.ports import FileBlock, TextBlock

PATH = Path("/sessions/sesn 1/.attachments/a.png")
URI = PATH.as_uri()
ALL = PromptCapabilities(image=True, embedded_context=True)
NOTHING = PromptCapabilities()
PNG = FileBlock("image", "image/png", "a.png", PATH, b"\x89PNG\xff")
TEXT = FileBlock("document", "text/markdown", "Notes", PATH, "ä".encode())
PDF = FileBlock("document", "application/pdf", "Report", PATH, b"%PDF-1.7 that is all ASCII")


def sent(block: FileBlock, takes: PromptCapabilities) -> dict[str, object]:
    """The block as JSON."""
    (found,) = prompt_blocks([block], takes)
    told: dict[str, object] = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    return told


def test_text_stays_text_and_blocks_keep_their_order() -> None:
    blocks = prompt_blocks([TextBlock("a"), PNG, TextBlock("b")], ALL)
    assert [one.type for one in blocks] == ["text", "image", "text"]


def test_an_image_is_in_the_prompt_where_images_are_taken() -> None:
    data = base64.b64encode(PNG.body).decode()
    assert sent(PNG, ALL) == {"type": "image", "data": data, "mimeType": "image/png", "uri": URI}


def test_a_text_is_in_the_prompt_where_context_is_taken() -> None:
    resource = {"uri": URI, "mimeType": "text/markdown", "text": "ä"}
    assert sent(TEXT, ALL) == {"type": "resource", "resource": resource}


@pytest.mark.parametrize(
    ("block", "takes"),
    [
        (PNG, NOTHING),
        (TEXT, NOTHING),
        (PNG, PromptCapabilities(embedded_context=True)),
        (TEXT, PromptCapabilities(image=True)),
        (PDF, ALL),
        (FileBlock("document", "text/plain", "log", PATH, b"x" * (MAX_EMBEDDED_BYTES + 1)), ALL),
        (FileBlock("document", "text/plain", "log", PATH, b"\xff\xfe"), ALL),
    ],
)
def test_all_else_is_linked(block: FileBlock, takes: PromptCapabilities) -> None:
    """Catches a block that the agent would refuse or leave out, and bytes that would drown its context."""
    assert sent(block, takes) == {
        "type": "resource_link",
        "name": block.name,
        "uri": URI,
        "mimeType": block.media_type,
        "size": len(block.body),
    }


def test_an_agent_that_says_nothing_takes_text_and_links_only() -> None:
    assert taken(None) == taken(AgentCapabilities()) == NOTHING
    assert taken(AgentCapabilities(prompt_capabilities=ALL)) == ALL
