"""Files: what somebody attaches reaches the agent's laptop as it was sent, and outlives the plane."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import urllib3
from urllib3 import encode_multipart_formdata

from infra.local.stage import API, start_plane

from .ground import Ground, Laptop

pytestmark = pytest.mark.xdist_group("journeys")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
NOTES = "Größe: 5\n".encode()
PDF = b"%PDF-1.7\n" + bytes(range(255, -1, -1)) * 20
LARGE = b"A line of a long log.\n" * 300_000
"""Over 6 MB: more than goes through the plane, and more than is put into a prompt."""


def sha256(body: bytes) -> str:
    """As the echo agent tells it."""
    return hashlib.sha256(body).hexdigest()


def upload(api: API, name: str, body: bytes, media_type: str) -> str:
    """Uploads a file as SDKs do. Returns its id."""
    form, content_type = encode_multipart_formdata({"file": (name, body, media_type)})
    headers = {"authorization": f"Bearer {api.key}", "content-type": content_type}
    answer = api.pool.request("POST", f"{api.url}/v1/files", body=form, headers=headers)
    assert answer.status == 200, answer.data
    return str(answer.json()["id"])


def upload_large(api: API, name: str, body: bytes, media_type: str) -> str:
    """Sends a file straight to the store. Returns its id."""
    wish = {"filename": name, "mime_type": media_type, "size_bytes": len(body)}
    made = api.ok("POST", "/v1/files/uploads", wish)
    sent = api.pool.request("PUT", made["upload_url"], body=body, headers=made["upload_headers"])
    assert sent.status == 200, sent.data
    return str(made["id"])


def download(api: API, file_id: str, accept: str) -> bytes:
    """A file's bytes, wherever they come from; the key is sent to the plane only."""
    headers = {"authorization": f"Bearer {api.key}", "accept": accept}
    path = f"{api.url}/v1/files/{file_id}/content"
    answer = api.pool.request("GET", path, headers=headers, redirect=True, retries=urllib3.Retry(redirect=1))
    assert answer.status == 200, answer.data
    return bytes(answer.data)


def test_what_is_attached_reaches_the_agent_byte_for_byte(laptop: Laptop) -> None:
    """Catches bytes that are decoded, cut, mixed up or lost anywhere between a person and the agent."""
    with laptop.session() as session:
        api = session.api
        notes = upload(api, "notes.md", NOTES, "text/markdown")
        log = upload_large(api, "../long log.txt", LARGE, "text/plain")
        picture = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
        pdf = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(PDF).decode()}
        blocks: list[dict[str, Any]] = [
            {"type": "text", "text": "What are these?"},
            {"type": "image", "source": picture},
            {"type": "document", "source": {"type": "file", "file_id": notes}, "context": "My own notes."},
            {"type": "document", "source": pdf, "title": "Report"},
            {"type": "document", "source": {"type": "file", "file_id": log}},
        ]
        (posted,) = session.post({"type": "user.message", "content": blocks})
        session.reader.until_settled(posted["id"])
        (said,) = session.said()
        assert said.splitlines() == [
            "You said: What are these?",
            f"[image image/png {len(PNG)} bytes sha256 {sha256(PNG)}]",
            "My own notes.",
            f"[resource text/markdown {len(NOTES)} bytes sha256 {sha256(NOTES)}]",
            f"[resource_link application/pdf {len(PDF)} bytes sha256 {sha256(PDF)}]",
            f"[resource_link text/plain {len(LARGE)} bytes sha256 {sha256(LARGE)}]",
        ]
        (folder,) = (laptop.folder(session.id) / ".attachments").iterdir()
        kept = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert kept["2-unnamed.png"] == PNG
        assert kept["4-Report.pdf"] == PDF
        assert kept["5-long_log.txt"] == LARGE
        (listed,) = [event for event in session.pages() if event["type"] == "user.message"]
        assert listed["content"] == posted["content"]
        assert [block.get("source", {}).get("type") for block in listed["content"]] == [None, *["file"] * 4]
        for block, body in zip(listed["content"][1:], (PNG, NOTES, PDF, LARGE), strict=True):
            for accept in ("application/binary", "*/*"):
                assert download(api, block["source"]["file_id"], accept) == body


def test_a_file_that_is_gone_fails_its_turn_and_says_so(laptop: Laptop) -> None:
    """Catches an agent that is asked about a picture that it does not get."""
    with laptop.session() as session:
        file_id = upload(session.api, "a.png", PNG, "image/png")
        hold = session.say("/hold")
        session.until_speaking("holding")
        (posted,) = session.post(
            {"type": "user.message", "content": [{"type": "image", "source": {"type": "file", "file_id": file_id}}]}
        )
        session.api.ok("DELETE", f"/v1/files/{file_id}")
        session.post({"type": "user.interrupt"})
        session.reader.until_settled(hold, "cancelled")
        session.reader.until_settled(posted["id"], "failed")
        (error,) = [event["error"] for event in session.reader.events if event["type"] == "session.error"]
        assert error["code"] == "file_not_found"


def test_files_outlive_the_plane(ground: Ground) -> None:
    """Catches a store that forgets its objects when the plane is stopped, those that were sent straight to it too."""
    data, log = ground.folder / "kept", ground.folder / "kept.log"
    plane = start_plane(log, "--data", str(data), env=ground.env)
    api = API(plane.url, plane.api_key)
    small, large = upload(api, "a.png", PNG, "image/png"), upload_large(api, "a.txt", LARGE, "text/plain")
    assert download(api, large, "application/binary") == LARGE
    assert plane.stop() == 0
    api.pool.clear()
    plane = start_plane(log, "--data", str(data), env=ground.env)
    again = API(plane.url, plane.api_key)
    assert download(again, small, "application/binary") == PNG
    assert download(again, large, "application/binary") == LARGE
    assert plane.stop() == 0
    again.pool.clear()
