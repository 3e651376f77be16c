"""Service managers' own commands, played: each call is written down and answered as a test has said."""

from __future__ import annotations

import marshal
import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

_PLAYER = """\
import marshal, os, sys  # Each call starts a process, so it knows no more than it needs.
folder, name = os.path.split(__file__)
said = " ".join([name, *sys.argv[1:]])
with open(os.path.join(folder, "calls"), "a") as file:
    print(ascii(said), file=file)
if "/Create" in sys.argv:
    with open(sys.argv[sys.argv.index("/XML") + 1], "rb") as task, open(os.path.join(folder, "task"), "wb") as file:
        file.write(task.read())
with open(os.path.join(folder, "answers"), "rb+") as file:
    answers = marshal.load(file)
    known = max((one for one in answers if said.startswith(one)), key=len, default=None)
    if known is None:
        sys.exit(0)
    one = answers[known].pop(0) if len(answers[known]) > 1 else answers[known][0]
    file.seek(0)
    marshal.dump(answers, file)
if one["hangs"]:
    import signal
    signal.pause()
sys.stdout.write(one["out"])
sys.stderr.write(one["err"])
sys.exit(one["status"])
"""


class Tools:
    """A folder that is all of PATH. A command answers 0 and nothing, where nothing else was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._answers: dict[str, list[dict[str, Any]]] = {}
        self._write()

    def offer(self, name: str) -> None:
        """Puts a command on PATH."""
        path = self.folder / name
        path.write_text(f"#!{sys.executable} -IS\n{_PLAYER}", encoding="utf-8")
        path.chmod(0o755)

    def answer(self, call: str, out: str = "", *, status: int = 0, err: str = "", hangs: bool = False) -> None:
        """What a call that begins so is answered next, and from then on."""
        self._answers[call] = [{"out": out, "status": status, "err": err, "hangs": hangs}]
        self._write()

    def then(self, call: str, out: str = "", *, status: int = 0, err: str = "") -> None:
        """What it is answered after that."""
        self._answers[call].append({"out": out, "status": status, "err": err, "hangs": False})
        self._write()

    def calls(self) -> list[str]:
        """The calls since the last time."""
        log = self.folder / "calls"
        found = [literal_eval(line) for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def _write(self) -> None:
        (self.folder / "answers").write_bytes(marshal.dumps(self._answers))
