"""What the echo agent tells of blocks: enough to see that bytes arrived as they were sent."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from acp.schema import (
    AudioContentBlock,
    BlobResourceContents,
    EmbeddedResourceContentBlock,
    ImageContentBlock,
    ResourceContentBlock,
    TextContentBlock,
    TextResourceContents,
)

from mooring.echo_agent.blocks import described

BODY = "ä\n".encode()
DATA = base64.b64encode(BODY).decode()
TOLD = f"3 bytes sha256 {hashlib.sha256(BODY).hexdigest()}]"


def resource(contents: Any) -> EmbeddedResourceContentBlock:
    return EmbeddedResourceContentBlock(type="resource", resource=contents)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (TextContentBlock(type="text", text="hello"), "hello"),
        (ImageContentBlock(type="image", data=DATA, mime_type="image/png"), f"[image image/png {TOLD}"),
        (resource(TextResourceContents(uri="x", mime_type="text/plain", text="ä\n")), f"[resource text/plain {TOLD}"),
        (resource(BlobResourceContents(uri="x", mime_type="a/b", blob=DATA)), f"[resource a/b {TOLD}"),
        (AudioContentBlock(type="audio", data=DATA, mime_type="audio/wav"), "[audio]"),
    ],
)
def test_each_block_is_told_in_one_line(block: Any, expected: str) -> None:
    assert described(block) == expected


def test_a_linked_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a b.txt"
    path.write_bytes(BODY)
    link = ResourceContentBlock(type="resource_link", name="a", uri=path.as_uri(), mime_type="text/plain")
    assert described(link) == f"[resource_link text/plain {TOLD}"
