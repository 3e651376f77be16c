"""Files over HTTP: brought small and large, listed, fetched and deleted; each refusal by its code."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from chalice.test import HTTPResponse
from msgspec.structs import replace
from urllib3 import encode_multipart_formdata

from chalicelib.core.files import AWAITED_S
from chalicelib.core.tenant_limits import TenantLimits
from chalicelib.wire.limits import MAX_DIRECT_BYTES, MAX_FILE_BYTES
from tests.fake_files import FakeBlobs
from tests.knocking import Person, answer

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
DAY_S = 24 * 3600


def upload(ada: Person, name: str, body: bytes, media_type: str = "", **fields: str) -> HTTPResponse:
    """Uploads a file as SDKs do."""
    form, content_type = encode_multipart_formdata({"file": (name, body, media_type), **fields})
    return ada.ask("POST", "/v1/files", form, content_type=content_type)


def download(ada: Person, file_id: str, accept: str = "application/binary") -> HTTPResponse:
    """Asks for a file's bytes as the SDK does."""
    return ada.ask("GET", f"/v1/files/{file_id}/content", accept=accept)


def blobs(ada: Person) -> FakeBlobs:
    """What stands for S3."""
    found = ada.world.stores.blobs
    assert isinstance(found, FakeBlobs)
    return found


def code(response: HTTPResponse) -> tuple[int, str, str | None]:
    """A refusal's status, code and field."""
    error = response.json_body["error"]
    return response.status_code, error["code"], error["param"]


def announced(ada: Person, size_bytes: int, **more: Any) -> Any:
    """A file whose bytes are awaited."""
    return ada.post(
        "/v1/files/uploads", {"filename": "film.png", "mime_type": "image/png", "size_bytes": size_bytes, **more}
    )


def test_a_file_comes_back_as_the_sdk_wants_it_byte_for_byte(ada: Person) -> None:
    """Catches a field that the SDK requires, bytes that are decoded on their way, and a name that is lost."""
    made = answer(upload(ada, "/tmp/dir/grün & blau.png", PNG, "image/png"))
    required = {"id", "type", "filename", "mime_type", "size_bytes", "created_at", "downloadable", "expires_at"}
    assert required <= set(made)
    assert made["id"].startswith("file_")
    assert (made["type"], made["filename"], made["size_bytes"]) == ("file", "grün & blau.png", len(PNG))
    assert made["_oma"] == {"status": "ready", "sha256": hashlib.sha256(PNG).hexdigest()}
    assert (made["downloadable"], made["expires_at"], made["scope"]) == (True, None, None)
    assert ada.get(f"/v1/files/{made['id']}") == made
    assert ada.get("/v1/files") == {"data": [made], "next_page": None}
    got = download(ada, made["id"])
    assert (got.status_code, got.body) == (200, PNG)
    assert got.headers["Content-Type"] == "image/png"
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''gr%C3%BCn%20&%20blau.png"
    assert got.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/html, application/octet-stream"])
def test_who_can_not_be_answered_with_bytes_is_sent_to_where_they_are(ada: Person, accept: str) -> None:
    """Catches base64 instead of a file: API Gateway makes bytes only for who accepts them before all else."""
    made = answer(upload(ada, "a.png", PNG, "image/png"))
    got = download(ada, made["id"], accept)
    assert (got.status_code, got.body) == (307, b"")
    assert blobs(ada).fetch(got.headers["Location"]) == PNG


def test_names_and_types_are_made_where_none_are_given(ada: Person) -> None:
    """Catches an upload of bare bytes that can't be used as the image that it is."""
    for name, media_type, body, expected in (
        ("", "", PNG, ("unnamed.png", "image/png")),
        ("x", "application/octet-stream", PNG, ("x", "image/png")),
        ("notes.md", "text/markdown; charset=utf-8", b"# Hi", ("notes.md", "text/markdown")),
        ("..", "", b"??", ("..", "application/octet-stream")),
        ("a\\b\x07\n.txt", "text/plain", b"", ("b.txt", "text/plain")),
    ):
        form = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'.encode()
        form += f"Content-Type: {media_type}\r\n".encode() if media_type else b""
        form = form.replace(b"\x07\n", b"\x07") + b"\r\n" + body + b"\r\n--b--\r\n"
        made = answer(ada.ask("POST", "/v1/files", form, content_type='multipart/form-data; boundary="b"'))
        assert (made["filename"], made["mime_type"]) == expected


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"expires_in_seconds": "3600"}, (400, "bad_form", "file")),
        ({"file": ("a.png", b"GIF89a", "image/png")}, (400, "bad_content", "file")),
        ({"file": ("a.txt", b"a\0b", "text/plain")}, (400, "bad_content", "file")),
        ({"file": ("a", b"", ""), "purpose": "assistants"}, (400, "unsupported_field", "purpose")),
        ({"file": ("a", b"", ""), "expires_in_seconds": "3599"}, (400, "bad_request", "expires_in_seconds")),
        ({"file": ("a", b"", ""), "expires_in_seconds": "7776001"}, (400, "bad_request", "expires_in_seconds")),
        ({"file": ("a", b"", ""), "expires_in_seconds": "soon"}, (400, "bad_request", "expires_in_seconds")),
        ({"file": ("a", b"", ""), "expires_in_seconds": "٣٦٠٠"}, (400, "bad_request", "expires_in_seconds")),
        ({"file": ("a", b"x" * (MAX_DIRECT_BYTES + 1), "")}, (413, "content_too_large", "file")),
        ({"file": ("a", b"x" * (MAX_DIRECT_BYTES + 99_999), "")}, (413, "content_too_large", "file")),
    ],
)
def test_a_form_that_is_wrong_is_refused_and_keeps_nothing(
    ada: Person, fields: dict[str, Any], refusal: tuple[int, str, str]
) -> None:
    form, content_type = encode_multipart_formdata(fields)
    assert code(ada.ask("POST", "/v1/files", form, content_type=content_type)) == refusal
    assert ada.get("/v1/files")["data"] == []
    assert blobs(ada).objects == {}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--b--\r\n"),
        ("multipart/form-data; boundary=b", b"no form"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf of'),
    ],
)
def test_what_is_no_form_is_refused(ada: Person, content_type: str, body: bytes) -> None:
    assert code(ada.ask("POST", "/v1/files", body, content_type=content_type))[:2] == (400, "bad_form")


def test_the_largest_file_that_goes_through_the_plane_does(ada: Person) -> None:
    """Catches a limit of the form that is lower than that of the file in it."""
    body = b"x" * MAX_DIRECT_BYTES
    made = answer(upload(ada, "a.bin", body))
    assert download(ada, made["id"]).body == body


def test_a_large_file_goes_to_the_store_and_comes_from_there(ada: Person) -> None:
    """Catches bytes that are believed before they were looked at, and a large file that Lambda can't answer."""
    body = PNG + b"\1" * MAX_DIRECT_BYTES
    made = announced(ada, len(body))
    assert made["upload_headers"] == {"Content-Type": "image/png", "If-None-Match": "*"}
    assert (made["downloadable"], made["_oma"]) == (False, {"status": "awaited", "sha256": None})
    path = f"/v1/files/{made['id']}"
    assert code(ada.ask("POST", f"{path}/complete"))[:2] == (409, "file_not_uploaded")
    assert code(download(ada, made["id"]))[:2] == (409, "file_not_uploaded")
    assert blobs(ada).send(made["upload_url"], body)
    done = answer(ada.ask("POST", f"{path}/complete"))
    assert done["_oma"] == {"status": "ready", "sha256": hashlib.sha256(body).hexdigest()}
    assert done == answer(ada.ask("POST", f"{path}/complete")) == ada.get(path)
    got = download(ada, made["id"])
    assert got.status_code == 307
    assert blobs(ada).fetch(got.headers["Location"]) == body


def test_bytes_that_are_not_what_was_announced_are_refused_and_gone(ada: Person) -> None:
    """Catches a check of an upload that can be gone round by sending to the store."""
    for body in (b"GIF89a" + PNG, PNG + b"more"):
        made = announced(ada, len(PNG) + 6)
        blobs(ada).objects[next(iter(blobs(ada).urls.values()))[0].tenant_id, made["id"]] = body
        assert code(ada.ask("POST", f"/v1/files/{made['id']}/complete"))[:2] == (400, "bad_content")
        assert ada.ask("GET", f"/v1/files/{made['id']}").status_code == 404
        assert blobs(ada).objects == {}


def test_a_file_may_have_so_many_bytes_and_no_more(ada: Person) -> None:
    body = {"filename": "a", "mime_type": "video/mp4", "size_bytes": MAX_FILE_BYTES + 1}
    assert code(ada.ask("POST", "/v1/files/uploads", body)) == (413, "content_too_large", "size_bytes")
    assert announced(ada, MAX_FILE_BYTES)["size_bytes"] == MAX_FILE_BYTES


def test_a_file_that_is_over_is_gone_and_so_is_one_whose_bytes_never_came(ada: Person) -> None:
    """Catches a file that outlives its time, and bytes that stay in the store after it."""
    made = answer(upload(ada, "a.png", PNG, expires_in_seconds=str(DAY_S)))
    assert made["expires_at"] == "2027-01-16T08:00:00.000000Z"
    ada.world.clock.time += DAY_S
    assert ada.get("/v1/files")["data"] == []
    assert download(ada, made["id"]).status_code == 404
    assert blobs(ada).objects == {}
    awaited = announced(ada, 5)
    ada.world.clock.time += AWAITED_S
    assert code(ada.ask("POST", f"/v1/files/{awaited['id']}/complete"))[:2] == (404, "file_not_found")


def test_a_deleted_file_is_gone(ada: Person) -> None:
    made = answer(upload(ada, "a.png", PNG))
    path = f"/v1/files/{made['id']}"
    assert answer(ada.ask("DELETE", path)) == {"id": made["id"], "type": "file_deleted"}
    for response in (ada.ask("GET", path), ada.ask("DELETE", path), download(ada, made["id"])):
        assert code(response)[:2] == (404, "file_not_found")
    assert blobs(ada).objects == {}


def test_files_are_listed_in_pages_by_ids_or_by_session(ada: Person) -> None:
    ids = [answer(upload(ada, f"{n}", b"x"))["id"] for n in range(3)]
    newest = sorted(ids, reverse=True)
    page = ada.get("/v1/files?limit=2")
    assert [one["id"] for one in page["data"]] == newest[:2]
    rest = ada.get(f"/v1/files?limit=2&page={page['next_page']}")
    assert ([one["id"] for one in rest["data"]], rest["next_page"]) == (newest[2:], None)
    listed = ada.get(f"/v1/files?ids[]={ids[0]}&ids[]=file_none&ids[]={ids[0]}&ids[]={'x' * 999}")
    assert ([one["id"] for one in listed["data"]], listed["next_page"]) == ([ids[0]], None)
    assert ada.get("/v1/files?scope_id=sesn_1")["data"] == []
    assert code(ada.ask("GET", f"/v1/files?ids={ids[0]}&page={ids[1]}"))[:2] == (400, "bad_request")
    assert code(ada.ask("GET", "/v1/files?ids=" + ",".join(f"file_{n}" for n in range(101))))[2] == "ids"
    assert code(ada.ask("GET", "/v1/files?purpose=x"))[:2] == (400, "unsupported_filter")


def test_another_tenant_meets_none_of_it(ada: Person) -> None:
    """Catches a lookup without its tenant: the answer is that of a file that nobody has."""
    made = answer(upload(ada, "a.png", PNG))
    bob = ada.world.tenant()
    for file_id in (made["id"], "file_0000000000"):
        for method, path in (("GET", ""), ("GET", "/content"), ("POST", "/complete"), ("DELETE", "")):
            response = bob.ask(method, f"/v1/files/{file_id}{path}", accept="application/binary")
            assert code(response) == (404, "file_not_found", None)
            assert response.json_body["error"]["message"] == f"There is no file {file_id}."
    assert bob.get("/v1/files")["data"] == []
    assert bob.get(f"/v1/files?ids={made['id']}")["data"] == []


def test_a_tenant_keeps_so_many_bytes_until_it_deletes_or_loses_some(ada: Person) -> None:
    """Catches files without end, and a limit that files count against that are over."""
    tenants = ada.world.stores.tenants
    tenant = tenants.first()
    assert tenant is not None
    limits = TenantLimits(max_file_bytes=10_000)
    assert tenants.change(replace(tenant, limits=limits, version=tenant.version + 1))
    first = answer(upload(ada, "a", b"x" * 3000, expires_in_seconds=str(DAY_S)))
    kept = answer(upload(ada, "b", b"x" * 3000))
    refused = upload(ada, "c", b"x" * 3000)
    assert code(refused) == (429, "limit_reached", "max_file_bytes")
    assert refused.headers["Retry-After"] == "60"
    assert len(blobs(ada).objects) == 2
    ada.world.clock.time += DAY_S
    made = answer(upload(ada, "c", b"x" * 3000))
    assert {file_id for _, file_id in blobs(ada).objects} == {kept["id"], made["id"]}
    assert first["id"] not in {kept["id"], made["id"]}
