"""Content: what a message brings before its bytes are put aside, and the block that is left in its place.

A message in the log names files; it never holds bytes. What somebody posts may hold them (``Inline``) or name a file
that was uploaded before (``Named``). ``actors/sources.py`` makes the one from the other.
"""

from __future__ import annotations

from msgspec import Struct

from ..wire.events import DocumentBlock, FileSource, ImageBlock, TextBlock
from .media import BlockKind


class Inline(Struct, frozen=True):
    """Bytes that came within the message."""

    media_type: str
    body: bytes


class Named(Struct, frozen=True):
    """A file that was uploaded before."""

    file_id: str


class GivenBlock(Struct, frozen=True, kw_only=True):
    """An image or a document, as it was posted; ``where`` is its source's path in the request, for a refusal."""

    kind: BlockKind
    source: Inline | Named
    where: str
    title: str | None = None
    context: str | None = None

    def kept_as(self, source: FileSource) -> ImageBlock | DocumentBlock:
        """The block that the log holds."""
        if self.kind == "image":
            return ImageBlock(source=source)
        return DocumentBlock(source=source, title=self.title, context=self.context)


class MessageGiven(Struct, frozen=True):
    """A message that brings more than text."""

    content: tuple[TextBlock | GivenBlock, ...]

    @property
    def given(self) -> tuple[GivenBlock, ...]:
        """What it brings beside its text."""
        return tuple(block for block in self.content if isinstance(block, GivenBlock))
