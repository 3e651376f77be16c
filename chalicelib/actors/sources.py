"""Sources: where a message's images and documents come from. What it holds is put aside, what it names is looked up.

Afterwards the message holds references only, so that records and frames stay small. That happens before the message is
accepted: a file that no message refers to is harmless, the other way round would not be.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.content import GivenBlock, Inline, MessageGiven
from ..core.errors import NotFound, TooLarge
from ..core.files import no_file
from ..core.media import HEAD_BYTES, check_bytes, check_kind, check_text
from ..core.session_cues import Item, MessageIn
from ..wire.events import DocumentBlock, FileSource, ImageBlock
from ..wire.ids import SessionId, TenantId
from ..wire.limits import MAX_SOURCES_BYTES
from .filing import Filing


class Sources:
    """Makes the messages that are accepted from those that were posted."""

    def __init__(self, filing: Filing) -> None:
        self._filing = filing

    def settled(
        self, tenant_id: TenantId, session_id: SessionId, items: Sequence[Item | MessageGiven]
    ) -> tuple[Item, ...]:
        """The items, with every image and document in them kept as a file.

        Raises:
            BadRequest: ``bad_content``: bytes that are not what they are declared to be, or can't stand there.
            NotFound: ``file_not_found``: absent, expired or another tenant's.
            Conflicting: ``file_not_uploaded``.
            TooLarge: ``content_too_large``: all of them together are over ``MAX_SOURCES_BYTES``.
            TooMany: ``limit_reached``.
        """
        given = [block for item in items if isinstance(item, MessageGiven) for block in item.given]
        for block in given:
            _check(block)
        kept = [self._kept(tenant_id, session_id, block) for block in given]
        n_bytes = sum(block.source.size_bytes for block in kept)
        if n_bytes > MAX_SOURCES_BYTES:
            why = f"The images and documents have {n_bytes} bytes; at most {MAX_SOURCES_BYTES} go at once."
            raise TooLarge("content_too_large", why)
        blocks = iter(kept)
        return tuple(
            MessageIn(tuple(next(blocks) if isinstance(one, GivenBlock) else one for one in item.content))
            if isinstance(item, MessageGiven)
            else item
            for item in items
        )

    def _kept(self, tenant_id: TenantId, session_id: SessionId, block: GivenBlock) -> ImageBlock | DocumentBlock:
        source = block.source
        if isinstance(source, Inline):
            file = self._filing.bring(tenant_id, session_id, source.media_type, source.body, block.title)
        else:
            try:
                file = self._filing.complete(tenant_id, source.file_id)
            except NotFound as exc:
                raise no_file(source.file_id, f"{block.where}.file_id") from exc
            check_kind(block.kind, file.mime_type, f"{block.where}.file_id")
        return block.kept_as(
            FileSource(
                file_id=file.file_id,
                media_type=file.mime_type,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                filename=file.filename,
            )
        )


def _check(block: GivenBlock) -> None:
    """Refuses bytes that can't stand where they do, before any of them are put aside."""
    if isinstance(block.source, Inline):
        media_type, body = block.source.media_type, block.source.body
        check_kind(block.kind, media_type, f"{block.where}.media_type")
        check_bytes(media_type, body[:HEAD_BYTES], f"{block.where}.data")
        if media_type.startswith("text/"):
            check_text(body, f"{block.where}.data")
