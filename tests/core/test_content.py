"""Content: what a message brings, and the block that is left in its place."""

from __future__ import annotations

from chalicelib.core.content import GivenBlock, Inline, MessageGiven, Named
from chalicelib.wire.events import DocumentBlock, FileSource, ImageBlock, TextBlock
from chalicelib.wire.ids import FileId

SOURCE = FileSource(file_id=FileId("file_1"), media_type="image/png", size_bytes=1, sha256="ab")


def test_a_block_is_kept_as_what_it_is_with_its_title_and_context() -> None:
    image = GivenBlock(kind="image", source=Inline("image/png", b"x"), where="a", title="ignored")
    assert image.kept_as(SOURCE) == ImageBlock(source=SOURCE)
    document = GivenBlock(kind="document", source=Named("file_1"), where="a", title="t", context="c")
    assert document.kept_as(SOURCE) == DocumentBlock(source=SOURCE, title="t", context="c")


def test_a_message_tells_what_it_brings_beside_text() -> None:
    image = GivenBlock(kind="image", source=Named("file_1"), where="a")
    assert MessageGiven((TextBlock("a"), image, TextBlock("b"))).given == (image,)
