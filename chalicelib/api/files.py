"""Files: people bring them, list, fetch and delete them; a laptop fetches those that its turns bring."""

from __future__ import annotations

from chalice import Blueprint, Response

from ..actors.session_rows import session_id_of
from ..core.access import KeyPrincipal, RuntimePrincipal
from ..core.media import UNKNOWN
from ..wire.ids import SessionId, TurnId
from ..wiring import plane
from . import binary
from .answers.files import AnnouncedAnswer, FileAnswer, FileDeleted, announced_answer, file_answer
from .answers.pages import Page
from .forms import FORM
from .requests.files import AnnounceFile, DownloadHeaders, FilesQuery, FormHeaders, new_file
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("POST", "/v1/files", may="sessions:write", content_type=FORM)
def upload_file(asking: KeyPrincipal, body: bytes, headers: FormHeaders) -> FileAnswer:
    """Keeps a file of at most 4 MB: a form with ``file`` and, if wanted, ``expires_in_seconds``."""
    new = new_file(headers.content_type, body)
    name, media_type = new.part.filename, new.part.media_type
    return file_answer(plane().files.upload(asking.tenant_id, name, media_type, new.part.body, new.expires_in_s))


@surface.route("POST", "/v1/files/uploads", may="sessions:write")
def announce_file(asking: KeyPrincipal, body: AnnounceFile) -> AnnouncedAnswer:
    """Makes room for a larger file, and says where its bytes go."""
    return announced_answer(
        plane().files.announce(
            asking.tenant_id, body.filename, body.mime_type, body.size_bytes, body.expires_in_seconds
        )
    )


@surface.route("POST", "/v1/files/{file_id}/complete", may="sessions:write")
def complete_file(asking: KeyPrincipal, file_id: str) -> FileAnswer:
    """Checks the bytes that were sent; whoever uses the file does so as well."""
    return file_answer(plane().files.complete(asking.tenant_id, file_id))


@surface.route("GET", "/v1/files", may="read")
def list_files(asking: KeyPrincipal, query: FilesQuery) -> Page[FileAnswer]:
    """A page of files, newest first, or those of some ids."""
    scope = SessionId(query.scope_id) if query.scope_id else None
    found, next_page = plane().files.list(asking.tenant_id, query.page, query.limit, ids=query.ids, session_id=scope)
    return Page(data=tuple(map(file_answer, found)), next_page=next_page)


@surface.route("GET", "/v1/files/{file_id}", may="read")
def get_file(asking: KeyPrincipal, file_id: str) -> FileAnswer:
    """One file, without its bytes."""
    return file_answer(plane().files.get(asking.tenant_id, file_id))


@surface.route("GET", "/v1/files/{file_id}/content", may="read", answer_type=UNKNOWN)
def download_file(asking: KeyPrincipal, file_id: str, headers: DownloadHeaders) -> Response:
    """A file's bytes, or a redirect to where they are."""
    takes_bytes = binary.is_wanted(headers.accept)
    return binary.download(plane().files.content(asking.tenant_id, file_id, takes_bytes=takes_bytes))


@surface.route("DELETE", "/v1/files/{file_id}", may="sessions:write")
def delete_file(asking: KeyPrincipal, file_id: str) -> FileDeleted:
    """Deletes a file; a message that brought it keeps its name."""
    plane().files.delete(asking.tenant_id, file_id)
    return FileDeleted(file_id)


@surface.route("GET", "/agents/runtime/sessions/{session_id}/turns/{turn_id}/files/{file_id}", answer_type=UNKNOWN)
def turn_file(
    asking: RuntimePrincipal, session_id: str, turn_id: str, file_id: str, headers: DownloadHeaders
) -> Response:
    """The bytes of a file that the running turn's message brings, or a redirect to where they are."""
    sid, takes_bytes = session_id_of(session_id), binary.is_wanted(headers.accept)
    return binary.download(plane().turn_files.content(asking, sid, TurnId(turn_id), file_id, takes_bytes=takes_bytes))
