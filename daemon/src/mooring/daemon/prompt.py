"""The prompt of a turn: what the user said, with the images and documents that they brought.

These are fetched from the plane and put into the session's folder, one folder a turn. What of them the agent gets in
its prompt as well is the provider's to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from ..providers.ports import ContentBlock, FileBlock, TextBlock
from ..wire import events as ev
from ..wire.ids import SessionId, TurnId
from .errand import errand
from .opening import PlanePort

MAX_NAME_CHARS: Final = 200
"""Of a name its end counts, which tells programs what the file is."""

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


class Keeper(Protocol):
    """Puts files where a session's agent can read them."""

    async def keep(self, session_id: SessionId, turn_id: TurnId, name: str, body: bytes) -> Path:
        """The file's path, once it is there."""


async def prompt_of(
    plane: PlanePort, keeper: Keeper, session_id: SessionId, turn_id: TurnId, content: Sequence[ev.UserBlock]
) -> tuple[ContentBlock, ...]:
    """What the agent is asked.

    Raises:
        MoorError: a file could not be had (``file_not_found``, ``file_damaged``, ``file_unavailable``, …) or written
            (``folder_unusable``).
    """
    blocks: list[ContentBlock] = []
    for number, block in enumerate(content, 1):
        if isinstance(block, ev.TextBlock):
            blocks.append(TextBlock(block.text))
            continue
        body = await errand(partial(plane.file, session_id, turn_id, block.source))
        path = await keeper.keep(session_id, turn_id, plain_name(number, block.source.filename), body)
        name = block.source.filename or path.name
        if isinstance(block, ev.ImageBlock):
            blocks.append(FileBlock("image", block.source.media_type, name, path, body))
            continue
        if block.context:
            blocks.append(TextBlock(block.context))
        blocks.append(FileBlock("document", block.source.media_type, block.title or name, path, body))
    return tuple(blocks)


def plain_name(number: int, given: str) -> str:
    """A file's name that is good on any disk and told from those of the other blocks: ``2-report.pdf``."""
    return f"{number}-{_UNFIT.sub('_', given)[-MAX_NAME_CHARS:].strip('._') or 'file'}"
