"""A prompt in ACP's blocks: what the agent takes stands in the prompt itself, all else is a file to which it links.

Every file of a prompt is on disk. An image stands in the prompt where the agent takes images. A text stands there where
it takes embedded context, unless it is so long that it would drown the rest; it is then for the agent to read of it
what it needs. Other documents are only linked, though ACP could carry them as blobs: agents read PDF files by their
tools, and codex-acp would put the blob's base64 into the model's context as text.
Source: ACP protocol version 1, "Content" and "Prompt Capabilities".
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from acp.schema import (
    AgentCapabilities,
    AudioContentBlock,
    EmbeddedResourceContentBlock,
    ImageContentBlock,
    PromptCapabilities,
    ResourceContentBlock,
    TextContentBlock,
    TextResourceContents,
)

from .ports import ContentBlock, FileBlock

MAX_EMBEDDED_BYTES: Final = 128 * 1024
"""The longest text that is embedded: some 40,000 tokens."""

ACPBlock = (
    TextContentBlock | ImageContentBlock | AudioContentBlock | ResourceContentBlock | EmbeddedResourceContentBlock
)


def taken(capabilities: AgentCapabilities | None) -> PromptCapabilities:
    """Returns what an agent takes in a prompt beside text and links."""
    return (capabilities and capabilities.prompt_capabilities) or PromptCapabilities()


def prompt_blocks(prompt: Sequence[ContentBlock], takes: PromptCapabilities) -> list[ACPBlock]:
    """Returns a prompt as an agent gets it that ``takes`` this."""
    return [
        _file(block, takes) if isinstance(block, FileBlock) else TextContentBlock(type="text", text=block.text)
        for block in prompt
    ]


def _file(block: FileBlock, takes: PromptCapabilities) -> ACPBlock:
    uri = block.path.as_uri()
    if block.kind == "image" and takes.image:
        data = base64.b64encode(block.body).decode()
        return ImageContentBlock(type="image", data=data, mime_type=block.media_type, uri=uri)
    if takes.embedded_context and (text := _text(block)) is not None:
        resource = TextResourceContents(uri=uri, mime_type=block.media_type, text=text)
        return EmbeddedResourceContentBlock(type="resource", resource=resource)
    return ResourceContentBlock(
        type="resource_link", name=block.name, uri=uri, mime_type=block.media_type, size=len(block.body)
    )


def _text(block: FileBlock) -> str | None:
    """What is embedded of a block, or None."""
    if not block.media_type.startswith("text/") or len(block.body) > MAX_EMBEDDED_BYTES:
        return None
    try:
        return block.body.decode()
    except UnicodeDecodeError:
        return None
