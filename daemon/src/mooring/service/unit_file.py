"""A service manager's file: replaced whole, and readable by its owner's other programs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import MoorError


def put(path: Path, content: bytes) -> None:
    """Writes the file whole or not at all. It holds no secret.

    Raises:
        MoorError: ``service_failed``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(fresh, 0o644)
            os.replace(fresh, path)
        except BaseException:
            Path(fresh).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise MoorError("service_failed", f"{path} could not be written: {exc.strerror or exc}.") from exc
