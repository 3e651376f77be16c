"""What a message may bring: text, images and documents, these as bytes in base64, as plain text, or by a file's id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ...core.content import GivenBlock, Inline, MessageGiven, Named
from ...core.errors import BadRequest, TooLarge
from ...core.media import PLAIN_TEXT, BlockKind, media_type_of
from ...core.session_cues import Item, MessageIn
from ...wire.events import TextBlock
from ...wire.limits import MAX_PROMPT_BYTES, MAX_SOURCES
from .fields import Word


class Text(TextBlock, frozen=True, tag_field="type", tag="text"):
    """Text."""

    text: Annotated[str, Meta(min_length=1)]


class Base64Source(Struct, frozen=True, tag_field="type", tag="base64"):
    """Bytes, in base64."""

    media_type: Word
    data: Annotated[bytes, Meta(min_length=1)]


class PlainTextSource(Struct, frozen=True, tag_field="type", tag="text"):
    """A document that is text."""

    data: Annotated[str, Meta(min_length=1)]
    media_type: Literal["text/plain"] = "text/plain"


class FileIdSource(Struct, frozen=True, tag_field="type", tag="file"):
    """A file that was uploaded before."""

    file_id: Word


class URLSource(Struct, frozen=True, tag_field="type", tag="url"):
    """An address, which nobody here would read."""

    url: str


class Image(Struct, frozen=True, tag_field="type", tag="image"):
    """An image."""

    source: Base64Source | FileIdSource | URLSource


class Document(Struct, frozen=True, tag_field="type", tag="document"):
    """A document."""

    source: Base64Source | PlainTextSource | FileIdSource | URLSource
    title: Annotated[str, Meta(max_length=512)] | None = None
    context: Annotated[str, Meta(max_length=65536)] | None = None


MessageContent = (
    Annotated[str, Meta(min_length=1)]
    | Annotated[tuple[Text | Image | Document, ...], Meta(min_length=1, max_length=200)]
)


def message_of(content: str | tuple[Text | Image | Document, ...], where: str) -> MessageIn | MessageGiven:
    """A message with this content; ``where`` is the content's path, for a refusal.

    Raises:
        BadRequest: ``unsupported_field``: an image or document by its address.
    """
    if isinstance(content, str):
        return MessageIn((TextBlock(content),))
    blocks = tuple(_block(block, f"{where}[{index}]") for index, block in enumerate(content))
    texts = tuple(block for block in blocks if isinstance(block, TextBlock))
    return MessageIn(texts) if len(texts) == len(blocks) else MessageGiven(blocks)


def check_size(items: Sequence[Item | MessageGiven]) -> None:
    """Raises TooLarge ``content_too_large`` for more text, or more images and documents, than go in one post."""
    blocks = [block for item in items if isinstance(item, MessageIn | MessageGiven) for block in item.content]
    given = [block for block in blocks if isinstance(block, GivenBlock)]
    if len(given) > MAX_SOURCES:
        raise TooLarge("content_too_large", f"A post holds at most {MAX_SOURCES} images and documents.")
    texts = [block.text for block in blocks if isinstance(block, TextBlock)]
    texts += [text for block in given for text in (block.title, block.context) if text]
    n_bytes = sum(len(text.encode()) for text in texts)
    if n_bytes > MAX_PROMPT_BYTES:
        raise TooLarge("content_too_large", f"The text has {n_bytes} bytes; at most {MAX_PROMPT_BYTES} are taken.")


def _block(block: Text | Image | Document, where: str) -> TextBlock | GivenBlock:
    match block:
        case Image(source):
            return _given("image", source, f"{where}.source")
        case Document(source, title, context):
            return _given("document", source, f"{where}.source", title, context)
        case _:
            return TextBlock(block.text)


def _given(
    kind: BlockKind,
    source: Base64Source | PlainTextSource | FileIdSource | URLSource,
    where: str,
    title: str | None = None,
    context: str | None = None,
) -> GivenBlock:
    brought: Inline | Named
    match source:
        case Base64Source(media_type, data):
            brought = Inline(media_type_of(media_type, data), data)
        case PlainTextSource(text):
            brought = Inline(PLAIN_TEXT, text.encode())
        case FileIdSource(file_id):
            brought = Named(file_id)
        case URLSource():
            why = "No address is read here; send the bytes in base64, or upload them and give the file's id."
            raise BadRequest("unsupported_field", why, field=f"{where}.type")
    return GivenBlock(kind=kind, source=brought, where=where, title=title, context=context)
