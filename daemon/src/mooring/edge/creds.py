"""Where everything of the daemon's lives, and the two files that hold secrets.

``paths()`` is the only place that knows a file's name. The home folder is the user's alone (0700), and so are the files
with secrets (0600); they are replaced whole, so that a reader sees the old or the new one, never half of one.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import platformdirs
from msgspec import Struct

from ..errors import MoorError

HOME_VARIABLE = "MOOR_HOME"
API_KEY_VARIABLE = "MOOR_API_KEY"
SERVER_VARIABLE = "MOOR_SERVER"

_T = TypeVar("_T", bound=Struct)


class NotSetUp(MoorError):
    """This laptop has no credentials for a plane."""

    def __init__(self) -> None:
        super().__init__("not_set_up", "This laptop is not paired with a plane. Run `moor setup` first.")


class NotLoggedIn(MoorError):
    """Nobody is logged in here."""

    def __init__(self) -> None:
        why = f"No API key is known. Run `moor login`, or set {API_KEY_VARIABLE} and {SERVER_VARIABLE}."
        super().__init__("not_logged_in", why)


@dataclass(frozen=True)
class Paths:
    """The home folder and what is in it."""

    home: Path

    @property
    def credentials(self) -> Path:
        """The runtime's id and token."""
        return self.home / "credentials.json"

    @property
    def login(self) -> Path:
        """A person's API key."""
        return self.home / "login.json"

    @property
    def machine_id(self) -> Path:
        """What makes this laptop the same runtime at each setup."""
        return self.home / "machine-id"

    @property
    def lock(self) -> Path:
        """Held by the running daemon; holds its pid."""
        return self.home / "daemon.lock"

    @property
    def taken_over(self) -> Path:
        """Is there from the time when another daemon took the runtime over until this one has it back; empty."""
        return self.home / "taken-over"

    def journal(self, runtime_id: str) -> Path:
        """Turns and outbox of one runtime: pairing with another plane must not mix them."""
        return self.home / f"journal-{runtime_id}.sqlite"

    @property
    def journals(self) -> list[Path]:
        """All journals with the files that SQLite keeps beside them, those moved aside too."""
        return sorted(self.home.glob("journal-*.sqlite*"))

    @property
    def sessions(self) -> Path:
        """One folder per session."""
        return self.home / "sessions"

    @property
    def logs(self) -> Path:
        """What agents write to standard error."""
        return self.home / "logs"

    @property
    def children(self) -> Path:
        """The agents that run, one file each, so that those who outlive their daemon are found."""
        return self.home / "children"

    @property
    def config(self) -> Path:
        """The laptop owner's own settings; never written by us."""
        return self.home / "config.toml"


class Credentials(Struct, frozen=True, kw_only=True):
    """What the machine needs to speak to its plane. ``created_at`` is epoch seconds."""

    server_url: str
    ws_url: str
    runtime_id: str
    token: str
    machine_id: str
    created_at: float

    def __repr__(self) -> str:
        return f"Credentials(server_url={self.server_url!r}, runtime_id={self.runtime_id!r})"


class Login(Struct, frozen=True, kw_only=True):
    """What a person needs to speak to a plane."""

    server_url: str
    api_key: str

    def __repr__(self) -> str:
        return f"Login(server_url={self.server_url!r})"


def paths(env: Mapping[str, str] | None = None) -> Paths:
    """Where things live: ``MOOR_HOME``, or this platform's folder for an application's data. Creates nothing."""
    named = (os.environ if env is None else env).get(HOME_VARIABLE)
    home = Path(named).expanduser() if named else Path(platformdirs.user_data_dir("mooring", appauthor=False))
    return Paths(home.absolute())


def make_home(where: Paths) -> None:
    """Creates the home folder for its user alone, and closes it to others when it is open to them.

    Raises:
        MoorError: ``home_unusable``.
    """
    try:
        where.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if where.home.stat().st_mode & 0o077:
            where.home.chmod(0o700)
    except OSError as exc:
        why = f"{where.home} can't be used: {exc.strerror or exc}. Set {HOME_VARIABLE} to a folder of your own."
        raise MoorError("home_unusable", why) from exc


def read_credentials(where: Paths) -> Credentials:
    """The runtime's credentials.

    Raises:
        NotSetUp: there are none.
        MoorError: ``credentials_unreadable``.
    """
    found = _read(where.credentials, Credentials, "credentials_unreadable", "moor setup")
    if found is None:
        raise NotSetUp
    return found


def write_credentials(where: Paths, credentials: Credentials) -> None:
    """Keeps the runtime's credentials."""
    _write_secret(where, where.credentials, msgspec.json.encode(credentials))


def read_login(where: Paths, env: Mapping[str, str] | None = None) -> Login:
    """Who is asking: the environment's key and server where given, else the stored login's.

    Without ``MOOR_SERVER`` a key from the environment is sent only to the server of the stored login or of the setup.

    Raises:
        NotLoggedIn: no key, or no server to send it to.
        MoorError: ``login_unreadable``.
    """
    given = os.environ if env is None else env
    key, server = given.get(API_KEY_VARIABLE), given.get(SERVER_VARIABLE)
    if key and server:
        return Login(server_url=server.rstrip("/"), api_key=key)
    stored = _read(where.login, Login, "login_unreadable", "moor login")
    if key and stored is None and where.credentials.exists():
        server = read_credentials(where).server_url
        return Login(server_url=server, api_key=key)
    if stored is None:
        raise NotLoggedIn
    if server and server.rstrip("/") != stored.server_url:
        # A stored key belongs to the server it was stored for; another server must not learn it.
        raise NotLoggedIn
    return Login(server_url=stored.server_url, api_key=key or stored.api_key)


def write_login(where: Paths, login: Login) -> None:
    """Keeps a person's login."""
    _write_secret(where, where.login, msgspec.json.encode(login))


def read_machine_id(where: Paths) -> str:
    """This laptop's id, made at the first call and the same ever after."""
    try:
        known = where.machine_id.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        known = ""
    if known:
        return known
    made = str(uuid.uuid4())
    _write_secret(where, where.machine_id, f"{made}\n".encode())
    return made


def new_id() -> str:
    """32 fresh hex digits."""
    return secrets.token_hex(16)


def _read(path: Path, kind: type[_T], code: str, remedy: str) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not what was written there"
        raise MoorError(code, f"{path} can't be read: {reason}. Run `{remedy}` again.") from exc


def _write_secret(where: Paths, path: Path, content: bytes) -> None:
    """Replaces ``path`` whole. The new file is 0600 from its first byte on."""
    make_home(where)
    handle, name = tempfile.mkstemp(dir=where.home, prefix=f".{path.name}-")  # mkstemp makes it 0600.
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
