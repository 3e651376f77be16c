"""``service.env``: the variables that a daemon gets which no shell has started, such as its agents' keys.

One ``NAME=value`` a line. A value that is not plain is written as a JSON string in quotes, so that a line is always one
variable, whatever is in it; somebody who edits the file may leave a value unquoted. Empty lines and those that begin
with ``#`` say nothing. The file is its user's alone (0600): it holds secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from ..errors import MoorError
from .creds import Paths, write_secret

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_HEADER: Final = "# Read by `moor daemon` when a service starts it. Written by `moor agents env --save`."


def read_env_file(where: Paths) -> dict[str, str]:
    """Returns the variables by name; none without a file.

    Raises:
        MoorError: ``bad_env_file``, naming the line; never what stands on it.
    """
    try:
        text = where.service_env.read_bytes().decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise MoorError("bad_env_file", f"{where.service_env} can't be read: {reason}.") from exc
    found = {}
    for number, line in enumerate(text.split("\n"), 1):
        if (stripped := line.strip()) and not stripped.startswith("#"):
            name, separator, written = stripped.partition("=")
            value = _value(written)
            if not separator or not _NAME.fullmatch(name) or value is None:
                raise MoorError("bad_env_file", f"{where.service_env}, line {number}: this is not NAME=value.")
            found[name] = value
    return found


def write_env_file(where: Paths, variables: Mapping[str, str]) -> None:
    """Replaces the file whole; without variables it is removed.

    Raises:
        MoorError: ``bad_variable``: a name that no file can hold; nothing was written.
    """
    if not variables:
        where.service_env.unlink(missing_ok=True)
        return
    for name, value in variables.items():
        if not _NAME.fullmatch(name) or "\0" in value:
            raise MoorError("bad_variable", f"{name!r} can't be kept in {where.service_env}.")
    lines = [_HEADER, *(f"{name}={_written(value)}" for name, value in sorted(variables.items()))]
    write_secret(where, where.service_env, "".join(f"{line}\n" for line in lines).encode("ascii"))


def _written(value: str) -> str:
    # Bytes that are no text, as the system hands them over, are escaped too: JSON here is ASCII.
    return value if _PLAIN.fullmatch(value) else json.dumps(value)


def _value(written: str) -> str | None:
    if not written.startswith('"'):
        return written
    try:
        value = json.loads(written)
    except ValueError:
        return None
    return value if isinstance(value, str) else None
