"""Images and documents in messages over HTTP: put aside, named in the log, fetched by the laptop whose turn it is."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from chalice.test import HTTPResponse
from urllib3 import encode_multipart_formdata

from chalicelib.wire.limits import MAX_PROMPT_BYTES, MAX_SOURCES_BYTES
from tests.api.test_files import PNG, blobs, code
from tests.knocking import Laptop, Person, answer, block, prompt_in

OTHERS = {
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"\0" * 20,
    "image/gif": b"GIF89a" + b"\0" * 20,
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 8,
    "application/pdf": b"%PDF-1.7\n%...",
    "text/plain": "Größe: 5".encode(),
}


@pytest.fixture
def session_id(ada: Person, laptop: Laptop) -> str:
    return str(ada.session(ada.agent(laptop.runtime_id)["id"])["id"])


def image(body: bytes = PNG, media_type: str = "image/png") -> dict[str, Any]:
    """An image with its bytes in it."""
    data = base64.b64encode(body).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def document(source: dict[str, Any], **more: str) -> dict[str, Any]:
    """A document."""
    return {"type": "document", "source": source, **more}


def by_id(file_id: str) -> dict[str, Any]:
    """A source that names a file."""
    return {"type": "file", "file_id": file_id}


def send(ada: Person, session_id: str, *blocks: dict[str, Any], **headers: str) -> HTTPResponse:
    """Posts one message."""
    body = {"events": [{"type": "user.message", "content": list(blocks)}]}
    return ada.ask("POST", f"/v1/sessions/{session_id}/events", body, **headers)


def file_of(ada: Person, body: bytes, media_type: str, name: str = "f") -> str:
    """The id of an uploaded file."""
    form, content_type = encode_multipart_formdata({"file": (name, body, media_type)})
    return str(answer(ada.ask("POST", "/v1/files", form, content_type=content_type))["id"])


def test_an_image_in_a_message_becomes_a_file_that_the_log_names(ada: Person, laptop: Laptop, session_id: str) -> None:
    """Catches bytes in the log, and a listing that shows another block than the SDK's types know."""
    (posted,) = answer(send(ada, session_id, block("Look:"), image()))["data"]
    text, shown = posted["content"]
    assert text == block("Look:")
    assert (shown["type"], shown["source"]["type"]) == ("image", "file")
    source = shown["source"]
    assert (source["media_type"], source["size_bytes"]) == ("image/png", len(PNG))
    assert source["sha256"] == hashlib.sha256(PNG).hexdigest()
    kept = ada.get(f"/v1/files/{source['file_id']}")
    assert kept["scope"] == {"id": session_id, "type": "session"}
    assert ada.get(f"/v1/files?scope_id={session_id}")["data"] == [kept]
    got = ada.ask("GET", f"/v1/files/{source['file_id']}/content", accept="application/binary")
    assert got.body == PNG
    events = ada.get(f"/v1/sessions/{session_id}/events")["data"]
    assert [one["content"] for one in events if one["type"] == "user.message"] == [posted["content"]]


def test_the_same_again_is_the_same_file_and_a_repeat_adds_nothing(
    ada: Person, laptop: Laptop, session_id: str
) -> None:
    """Catches a client that tries again and fills the store with copies."""
    answers = [answer(send(ada, session_id, image(), idempotency_key="k")) for _ in range(2)]
    assert answers[0] == answers[1]
    answer(send(ada, session_id, image()))
    assert len(blobs(ada).objects) == len(ada.get("/v1/files")["data"]) == 1


def test_every_kind_of_block_comes_through_by_value_and_by_file(ada: Person, laptop: Laptop, session_id: str) -> None:
    """Catches a media type that is not known, and a document's title or context that is lost."""
    for media_type, body in OTHERS.items():
        kind = "image" if media_type.startswith("image/") else "document"
        inline = {**image(body, media_type), "type": kind}
        named = {"type": kind, "source": by_id(file_of(ada, body, media_type))}
        (posted,) = answer(send(ada, session_id, inline, named))["data"]
        for one in posted["content"]:
            assert (one["type"], one["source"]["media_type"]) == (kind, media_type)
            assert one["source"]["sha256"] == hashlib.sha256(body).hexdigest()
    text = {"type": "text", "media_type": "text/plain", "data": "Größe: 5"}
    (posted,) = answer(send(ada, session_id, document(text, title="Sizes", context="In metres.")))["data"]
    (one,) = posted["content"]
    assert (one["title"], one["context"]) == ("Sizes", "In metres.")
    assert (one["source"]["filename"], one["source"]["media_type"]) == ("Sizes.txt", "text/plain")


def test_a_session_begins_with_an_image(ada: Person, laptop: Laptop) -> None:
    """Catches first messages that are refused what later ones may bring."""
    message = {"type": "user.message", "content": [image()]}
    made = ada.session(ada.agent(laptop.runtime_id)["id"], initial_events=[message])
    events = ada.get(f"/v1/sessions/{made['id']}/events")["data"]
    (first,) = [one for one in events if one["type"] == "user.message"]
    assert first["content"][0]["source"]["type"] == "file"


def test_the_laptop_fetches_what_its_running_turn_brings_and_nothing_else(
    ada: Person, laptop: Laptop, session_id: str
) -> None:
    """Catches a prompt with blocks that do not fit a frame, and a laptop that may read all files of its tenant."""
    laptop.connect()
    mine, other = file_of(ada, b"Some notes.", "text/plain", "notes.txt"), file_of(ada, b"secret", "text/plain")
    answer(send(ada, session_id, block("Read"), document(by_id(mine)), image()))
    prompt = prompt_in(ada.world.said_to(laptop.connection_id))
    assert prompt.content is None
    turn = f"/agents/runtime/sessions/{session_id}/turns/{prompt.turn_id}"
    text, notes, picture = answer(laptop.ask("GET", turn))["content"]
    assert (text, notes["source"]["filename"]) == (block("Read"), "notes.txt")

    def fetched(who: Laptop, file_id: str, accept: str = "application/octet-stream") -> HTTPResponse:
        return ada.world.ask("GET", f"{turn}/files/{file_id}", who.token, accept=accept)

    assert fetched(laptop, mine).body == b"Some notes."
    assert fetched(laptop, picture["source"]["file_id"]).body == PNG
    moved = fetched(laptop, mine, "application/json")
    assert (moved.status_code, blobs(ada).fetch(moved.headers["Location"])) == (307, b"Some notes.")
    assert code(fetched(laptop, other))[:2] == (404, "file_not_found")
    second = ada.laptop("machine-2")
    assert code(fetched(second, mine))[:2] == (404, "session_not_found")
    ada.ask("DELETE", f"/v1/files/{mine}")
    assert code(fetched(laptop, mine))[:2] == (404, "file_not_found")
    laptop.answers(session_id, prompt.turn_id, "Read.")
    assert code(fetched(laptop, picture["source"]["file_id"]))[:2] == (404, "turn_not_found")


def test_plain_text_still_goes_in_the_frame(ada: Person, laptop: Laptop, session_id: str) -> None:
    """Catches a fetch over HTTPS for every prompt."""
    laptop.connect()
    answer(send(ada, session_id, block("a"), block("b")))
    content = prompt_in(ada.world.said_to(laptop.connection_id)).content
    assert content is not None
    assert [one.text for one in content] == ["a", "b"]


@pytest.mark.parametrize(
    ("blocks", "refusal"),
    [
        ([image(b"GIF89a")], (400, "bad_content", "source.data")),
        ([image(PNG, "image/svg+xml")], (400, "bad_content", "source.media_type")),
        ([image(PNG, "image/gif")], (400, "bad_content", "source.data")),
        ([image(b"")], (400, "bad_request", "source.data")),
        ([{**image(PNG), "type": "document"}], (400, "bad_content", "source.media_type")),
        ([{**image(b"\xff\xfe", "text/plain"), "type": "document"}], (400, "bad_content", "source.data")),
        ([{**image(PNG, "application/pdf"), "type": "document"}], (400, "bad_content", "source.data")),
        (
            [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "%%%"}}],
            (400, "bad_request", "source.data"),
        ),
        (
            [{"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}],
            (400, "unsupported_field", "source.type"),
        ),
        ([{"type": "image", "source": by_id("file_none")}], (404, "file_not_found", "source.file_id")),
        ([{"type": "image", "source": by_id("../file")}], (404, "file_not_found", "source.file_id")),
        ([{"type": "audio", "source": by_id("file_none")}], (400, "bad_request", "")),
        (
            [document({"type": "text", "data": "x", "media_type": "text/html"})],
            (400, "bad_request", "source.media_type"),
        ),
        ([block("x" * (MAX_PROMPT_BYTES + 1))], (413, "content_too_large", None)),
        ([document({"type": "text", "data": "x"}, context="x" * 65_000)] * 5, (413, "content_too_large", None)),
        ([document({"type": "text", "data": "x"})] * 101, (413, "content_too_large", None)),
    ],
)
def test_a_block_that_is_wrong_is_refused_by_name_and_keeps_nothing(
    ada: Person, laptop: Laptop, session_id: str, blocks: list[dict[str, Any]], refusal: tuple[int, str, str | None]
) -> None:
    status, word, where = code(send(ada, session_id, block("a"), *blocks))
    named = None if refusal[2] is None else f"events[0].content[1].{refusal[2]}".rstrip(".")
    assert (status, word) == refusal[:2]
    assert where == named or (where or "").startswith(named or "-")
    assert blobs(ada).objects == {}
    assert ada.get(f"/v1/sessions/{session_id}/events")["data"] == []


def test_a_file_that_can_not_stand_in_its_block_is_refused(ada: Person, laptop: Laptop, session_id: str) -> None:
    for kind, body, media_type in (("image", b"x", "text/plain"), ("document", PNG, "image/png")):
        refused = send(ada, session_id, {"type": kind, "source": by_id(file_of(ada, body, media_type))})
        assert code(refused) == (400, "bad_content", "events[0].content[0].source.file_id")


def test_what_a_message_brings_has_a_limit_in_all(ada: Person, laptop: Laptop, session_id: str) -> None:
    """Catches a laptop that must hold more in memory than it has."""
    large = {"filename": "a.txt", "mime_type": "text/plain", "size_bytes": MAX_SOURCES_BYTES}
    made = ada.post("/v1/files/uploads", large)
    notes = document(by_id(made["id"]))
    assert code(send(ada, session_id, notes))[:2] == (409, "file_not_uploaded")
    assert blobs(ada).send(made["upload_url"], b"x" * MAX_SOURCES_BYTES)
    refused = send(ada, session_id, notes, document({"type": "text", "data": "x"}))
    assert code(refused)[:2] == (413, "content_too_large")
    (posted,) = answer(send(ada, session_id, notes))["data"]
    assert posted["content"][0]["source"]["sha256"] == hashlib.sha256(b"x" * MAX_SOURCES_BYTES).hexdigest()


def test_nothing_is_put_aside_for_a_session_that_is_not_there_or_not_ours(
    ada: Person, laptop: Laptop, session_id: str
) -> None:
    bob = ada.world.tenant()
    theirs = file_of(bob, PNG, "image/png")
    before = set(blobs(ada).objects)
    assert code(send(bob, session_id, image()))[:2] == (404, "session_not_found")
    assert code(send(ada, "sesn_0123456789", image()))[:2] == (404, "session_not_found")
    assert code(send(ada, session_id, {"type": "image", "source": by_id(theirs)}))[:2] == (404, "file_not_found")
    assert set(blobs(ada).objects) == before
