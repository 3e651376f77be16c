"""Where everything of the daemon's lives, and the two files that hold secrets.

``paths()`` is the only place that knows a file's name. The home folder is the user's alone (0700), and so are the files
with secrets (0600); they are replaced whole, so that a reader sees the old or the new one, never half of one.

A profile is a home of its own, ``profiles/NAME`` in the home without one: what is kept in one plane's name, down to the
laptop's id, is not known in another's.

The daemon (a renewed token) and ``moor setup`` (a new one) both write the credentials. Each does it under a lock, and
the daemon only in place of the very token that it had renewed, so that neither undoes the other's word.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import platformdirs
from msgspec import Struct

from ..errors import EXIT_USAGE, MoorError
from .lock import waited_for

HOME_VARIABLE = "MOOR_HOME"
PROFILE_VARIABLE = "MOOR_PROFILE"
API_KEY_VARIABLE = "MOOR_API_KEY"
SERVER_VARIABLE = "MOOR_SERVER"

_PROFILE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""It names a folder and a service on every platform, some of which do not tell capitals apart."""

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
    """The home folder and what is in it. ``profile`` is "" for the home without a profile."""

    home: Path
    profile: str = ""

    @property
    def credentials(self) -> Path:
        """The runtime's id and token."""
        return self.home / "credentials.json"

    @property
    def credentials_lock(self) -> Path:
        """Held while the credentials are replaced; empty."""
        return self.home / "credentials.lock"

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
        """What agents write to standard error, and the daemon's own log."""
        return self.home / "logs"

    @property
    def daemon_log(self) -> Path:
        """The daemon's own log; with what it was before it was rotated beside it."""
        return self.logs / "daemon.log"

    @property
    def children(self) -> Path:
        """The agents that run, one file each, so that those who outlive their daemon are found."""
        return self.home / "children"

    @property
    def service_env(self) -> Path:
        """The variables that the service's daemon gets, see ``env_file``."""
        return self.home / "service.env"

    @property
    def agents(self) -> Path:
        """The agents that were installed for the daemon alone, one folder each."""
        return self.home / "agents"

    @property
    def registry(self) -> Path:
        """What the ACP registry last answered, see ``providers/acp_registry.py``."""
        return self.home / "registry.json"

    @property
    def agent_facts(self) -> Path:
        """What was found out about agents, see ``agent_facts``."""
        return self.home / "agents.json"

    @property
    def agent_facts_lock(self) -> Path:
        """Held while that is replaced; empty."""
        return self.home / "agents.lock"

    @property
    def config(self) -> Path:
        """The laptop owner's own settings; `moor workspaces` changes one list in it."""
        return self.home / "config.toml"

    @property
    def made(self) -> list[Path]:
        """What setup and the daemon make, there or not, for whoever undoes it. The owner's own files are not in it."""
        secrets_of_ours = (self.credentials, self.credentials_lock, self.machine_id, self.service_env)
        marks = (self.lock, self.taken_over, self.children, self.agent_facts, self.agent_facts_lock, self.registry)
        return [*secrets_of_ours, *self.journals, self.sessions, self.logs, self.agents, *marks]


class Credentials(Struct, frozen=True, kw_only=True):
    """What the machine needs to speak to its plane.

    ``created_at``: when the token was given; ``expires_at``: until when it opens, None = nobody said (epoch seconds).
    """

    server_url: str
    ws_url: str
    runtime_id: str
    token: str
    machine_id: str
    created_at: float
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Credentials(server_url={self.server_url!r}, runtime_id={self.runtime_id!r})"


class Login(Struct, frozen=True, kw_only=True):
    """What a person needs to speak to a plane."""

    server_url: str
    api_key: str

    def __repr__(self) -> str:
        return f"Login(server_url={self.server_url!r})"


def paths(env: Mapping[str, str] | None = None) -> Paths:
    """Where things live: ``MOOR_HOME``, or this platform's folder for an application's data. Creates nothing.

    Raises:
        MoorError: ``bad_profile``.
    """
    given = os.environ if env is None else env
    named, profile = given.get(HOME_VARIABLE), given.get(PROFILE_VARIABLE, "")
    home = Path(named).expanduser() if named else Path(platformdirs.user_data_dir("mooring", appauthor=False))
    if not profile:
        return Paths(home.absolute())
    if not _PROFILE.fullmatch(profile):
        why = f"{profile!r} can't name a profile: up to 32 of a-z, 0-9, _ and -, the first a letter or a digit."
        raise MoorError("bad_profile", why, EXIT_USAGE)
    return Paths(home.absolute() / "profiles" / profile, profile)


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


def write_credentials(where: Paths, credentials: Credentials) -> Credentials | None:
    """Keeps the runtime's credentials. Returns those that they took the place of, None = none that could be read."""
    make_home(where)
    with waited_for(where.credentials_lock):
        try:
            before = read_credentials(where)
        except MoorError:
            before = None  # There were none, or nobody can say what they were.
        write_secret(where, where.credentials, msgspec.json.encode(credentials))
    return before


def renew_credentials(where: Paths, token: str, credentials: Credentials) -> bool:
    """Keeps credentials in place of those with ``token``. Returns whether these were still there.

    Raises:
        NotSetUp: there are none any more.
        MoorError: ``credentials_unreadable``.
    """
    if not where.home.is_dir():
        raise NotSetUp
    with waited_for(where.credentials_lock):
        if read_credentials(where).token != token:
            return False
        write_secret(where, where.credentials, msgspec.json.encode(credentials))
    return True


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
    write_secret(where, where.login, msgspec.json.encode(login))


def write_secret(where: Paths, path: Path, content: bytes) -> None:
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
    if sys.platform != "win32":  # There a folder can't be opened, and NTFS writes names down by itself.
        folder = os.open(where.home, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_machine_id(where: Paths) -> str:
    """This laptop's id, made at the first call and the same ever after."""
    try:
        known = where.machine_id.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        known = ""
    if known:
        return known
    made = str(uuid.uuid4())
    write_secret(where, where.machine_id, f"{made}\n".encode())
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
