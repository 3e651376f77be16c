"""Sources: messages as they were posted become messages as the log holds them, all of them or none."""

from __future__ import annotations

import pytest

from chalicelib.actors.sources import Sources
from chalicelib.core.content import GivenBlock, Inline, MessageGiven, Named
from chalicelib.core.errors import BadRequest, NotFound, TooLarge
from chalicelib.core.session_cues import InterruptIn, MessageIn
from chalicelib.wire.events import DocumentBlock, ImageBlock, TextBlock
from chalicelib.wire.limits import MAX_SOURCES_BYTES
from tests.actors.test_filing import SESSION, TENANT, Scene

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def sources(scene: Scene) -> Sources:
    return Sources(scene.filing)


def image(body: bytes = PNG, media_type: str = "image/png") -> GivenBlock:
    return GivenBlock(kind="image", source=Inline(media_type, body), where="here")


def named(file_id: str) -> GivenBlock:
    return GivenBlock(kind="document", source=Named(file_id), where="here", title="t", context="c")


def test_each_block_stays_in_its_place_and_everything_else_as_it_is(scene: Scene, sources: Sources) -> None:
    """Catches blocks of two messages that are mixed up, and an interrupt that is lost between them."""
    notes = scene.filing.upload(TENANT, "notes.txt", "text/plain", b"Notes.", None)
    first = MessageGiven((image(), TextBlock("a"), named(notes.file_id)))
    second = MessageGiven((TextBlock("b"), image(PNG + b"2")))
    plain = MessageIn((TextBlock("c"),))
    one, stop, two, three = sources.settled(TENANT, SESSION, (first, InterruptIn(), second, plain))
    assert (stop, three) == (InterruptIn(), plain)
    assert isinstance(one, MessageIn)
    assert isinstance(two, MessageIn)
    picture, text, document = one.content
    assert text == TextBlock("a")
    assert isinstance(picture, ImageBlock)
    assert isinstance(document, DocumentBlock)
    assert (document.source.file_id, document.source.sha256) == (notes.file_id, notes.sha256)
    assert (document.title, document.context, document.source.filename) == ("t", "c", "notes.txt")
    other = two.content[1]
    assert isinstance(other, ImageBlock)
    assert scene.blobs.objects[TENANT, picture.source.file_id] == PNG
    assert scene.blobs.objects[TENANT, other.source.file_id] == PNG + b"2"


def test_plain_text_costs_nothing(scene: Scene, sources: Sources) -> None:
    """Catches a read for each message that brings nothing."""
    scene.die_at("files.get", "before")
    assert sources.settled(TENANT, SESSION, (MessageIn((TextBlock("a"),)),)) == (MessageIn((TextBlock("a"),)),)


@pytest.mark.parametrize(
    "bad",
    [
        image(b"GIF89a"),
        image(PNG, "text/plain"),
        GivenBlock(kind="document", source=Inline("text/markdown", b"\xff\xfe"), where="here"),
    ],
)
def test_one_bad_block_puts_nothing_aside(scene: Scene, sources: Sources, bad: GivenBlock) -> None:
    """Catches a check that comes after the first blocks were kept."""
    with pytest.raises(BadRequest, match="^bad_content: ") as refused:
        sources.settled(TENANT, SESSION, (MessageGiven((image(),)), MessageGiven((bad,))))
    assert (refused.value.field or "").startswith("here.")
    assert scene.rows.rows == {}


def test_a_file_that_is_not_there_is_named_where_it_stands(scene: Scene, sources: Sources) -> None:
    with pytest.raises(NotFound, match="^file_not_found: ") as refused:
        sources.settled(TENANT, SESSION, (MessageGiven((named("file_none"),)),))
    assert refused.value.field == "here.file_id"


def test_all_of_a_post_together_has_a_limit(scene: Scene, sources: Sources) -> None:
    announced = scene.filing.announce(TENANT, "a.txt", "text/plain", MAX_SOURCES_BYTES, None)
    scene.blobs.send(announced.url, b"x" * MAX_SOURCES_BYTES)
    large = MessageGiven((named(announced.file.file_id),))
    assert sources.settled(TENANT, SESSION, (large,))
    with pytest.raises(TooLarge, match="^content_too_large: "):
        sources.settled(TENANT, SESSION, (large, MessageGiven((image(),))))
