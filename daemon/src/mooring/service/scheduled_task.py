"""Windows: a task of the Task Scheduler, ``Mooring daemon`` or ``Mooring daemon PROFILE``.

The Task Scheduler starts a program again only if it could not be started, whatever it ended with. So besides the login
a second trigger starts the task every few minutes, for ever; while the daemon runs, that does nothing. A daemon that
has ended for good is started as often, and ends again: see ``launchd`` for why that does no harm.

A stopped service is a disabled task, since else the trigger would bring it back. It stays stopped over logins, unlike
on the other platforms. Stopping ends the daemon as a crash does, because Windows has no signal for programs without a
window: turns that were running are told as ``unknown``.

Of what ``schtasks`` prints only what is the same in every language is read: XML, and numbers by their column.

Source: [MS-TSCH] 2.5 "XML Task Definition Language"; "Task Scheduler Schema", learn.microsoft.com.
"""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from ..errors import MoorError
from .spec import ServiceSpec, ServiceStatus, not_installed, taken
from .tool import call, must

NAMESPACE: Final = "http://schemas.microsoft.com/windows/2004/02/mit/task"

RETRY: Final = "PT5M"
"""How often the task is started if it does not run (ISO 8601). The Task Scheduler allows no less than a minute."""

_LONG_AGO: Final = "2020-01-01T00:00:00"
_NOT_THERE: Final = 1
_RUNNING: Final = 0x41301  # SCHED_S_TASK_RUNNING
_NEVER_RAN: Final = 0x41303  # SCHED_S_TASK_HAS_NOT_RUN
_LAST_RESULT: Final = 6  # Its column in `schtasks /Query /V /FO CSV`.


def task_name(profile: str) -> str:
    """What the Task Scheduler calls the service."""
    return f"Mooring daemon {profile}" if profile else "Mooring daemon"


def render(spec: ServiceSpec, user: str) -> str:
    """The task's definition, in which a digest of all the rest is its version.

    Args:
        spec: what it runs.
        user: whose login starts it, with its domain.
    """
    return _document(spec, user, _digest(spec, user))


class ScheduledTask:
    """The service in the Task Scheduler; see ``Service`` for the methods.

    Args:
        spec: what it runs.
        user: whose login starts it; None = this process's user's.
    """

    hints = (
        "It runs while you are logged in. Variables for agents are read from service.env, PATH from your user's own.",
    )

    def __init__(self, spec: ServiceSpec, user: str | None = None) -> None:
        self._spec = spec
        self._name = task_name(spec.profile)
        self._user = user or f"{os.environ.get('USERDOMAIN', '.')}\\{os.environ.get('USERNAME', '')}"

    def install(self) -> None:
        """See ``Service``."""
        definition = self._ours()
        if definition is None or not self._is_newest(definition):
            if definition is not None:
                self._end()
            with tempfile.TemporaryDirectory(prefix="mooring-") as folder:
                file = Path(folder) / "task.xml"
                file.write_text(render(self._spec, self._user), encoding="utf-16")  # With its mark, as schtasks wants.
                must("schtasks", "/Create", "/TN", self._name, "/XML", str(file), "/F")
        self.start()

    def uninstall(self) -> None:
        """See ``Service``."""
        try:
            definition = self._ours()
        except MoorError as exc:
            if exc.code not in ("service_unavailable", "service_taken"):
                raise
            return
        if definition is not None:
            self._end()
            must("schtasks", "/Delete", "/TN", self._name, "/F")

    def start(self) -> None:
        """See ``Service``."""
        self._must_be_installed()
        must("schtasks", "/Change", "/TN", self._name, "/ENABLE")
        must("schtasks", "/Run", "/TN", self._name)

    def stop(self) -> None:
        """See ``Service``."""
        self._must_be_installed()
        must("schtasks", "/Change", "/TN", self._name, "/DISABLE")
        self._end()

    def restart(self) -> None:
        """See ``Service``."""
        self._must_be_installed()
        self._end()
        self.start()

    def status(self) -> ServiceStatus:
        """See ``Service``."""
        try:
            definition = self._ours()
            if definition is None:
                return ServiceStatus(self._name, installed=False)
            last = self._last_result()
        except MoorError as exc:
            return ServiceStatus(self._name, installed=False, trouble=exc.message)
        return ServiceStatus(
            self._name,
            installed=True,
            enabled=_text(definition, "Settings", "Enabled") != "false",
            running=last == _RUNNING,
            last_exit=None if last in (_RUNNING, _NEVER_RAN) else last,
        )

    def is_current(self) -> bool:
        """See ``Service``. The Task Scheduler writes the definition anew in its own way, but keeps its version."""
        definition = self._definition()
        return definition is not None and self._is_newest(definition)

    def _is_newest(self, definition: ElementTree.Element) -> bool:
        return _text(definition, "RegistrationInfo", "Version") == _digest(self._spec, self._user)

    def _must_be_installed(self) -> None:
        if self._ours() is None:
            raise not_installed()

    def _ours(self) -> ElementTree.Element | None:
        """What is registered for this home. Raises MoorError ``service_taken``: it is for another one."""
        definition = self._definition()
        if definition is not None:
            arguments = _text(definition, "Actions", "Exec", "Arguments") or ""
            if f"--service {subprocess.list2cmdline([self._spec.home])} " not in f"{arguments} ":
                raise taken(self._name)
        return definition

    def _definition(self) -> ElementTree.Element | None:
        """What is registered; None = nothing."""
        answer = call("schtasks", "/Query", "/TN", self._name, "/XML", "ONE")
        if answer.status == _NOT_THERE:
            return None
        # It says UTF-16 of itself, but is printed in the console's encoding.
        _, _, body = answer.out.partition("?>")
        try:
            return ElementTree.fromstring(body or answer.out)
        except ElementTree.ParseError as exc:
            why = f"The Task Scheduler can't be understood: {answer.reason}"
            raise MoorError("service_failed", why) from exc

    def _last_result(self) -> int | None:
        answer = must("schtasks", "/Query", "/TN", self._name, "/V", "/FO", "CSV", "/NH")
        for row in csv.reader(answer.out.splitlines()):
            if len(row) > _LAST_RESULT and row[_LAST_RESULT].lstrip("-").isdecimal():
                return int(row[_LAST_RESULT])
        return None

    def _end(self) -> None:
        call("schtasks", "/End", "/TN", self._name)  # It complains if nothing runs.


def _document(spec: ServiceSpec, user: str, version: str) -> str:
    root = ElementTree.Element("Task", {"version": "1.2", "xmlns": NAMESPACE})
    _add(root, "RegistrationInfo", Version=version, Description="Keeps this laptop reachable for Mooring.")
    triggers = _add(root, "Triggers")
    _add(triggers, "LogonTrigger", UserId=user)
    regular = _add(triggers, "TimeTrigger", StartBoundary=_LONG_AGO)
    _add(regular, "Repetition", Interval=RETRY)
    principals = _add(root, "Principals")
    principal = _add(principals, "Principal", UserId=user, LogonType="InteractiveToken", RunLevel="LeastPrivilege")
    principal.set("id", "Owner")
    _add(
        root,
        "Settings",
        MultipleInstancesPolicy="IgnoreNew",
        DisallowStartIfOnBatteries="false",
        StopIfGoingOnBatteries="false",
        StartWhenAvailable="true",
        ExecutionTimeLimit="PT0S",  # None; else it would be killed after three days.
        Priority="6",  # A task's own 7 is below normal, and agents inherit it.
    )
    actions = _add(root, "Actions")
    actions.set("Context", "Owner")
    _add(actions, "Exec", Command=spec.command[0], Arguments=subprocess.list2cmdline(spec.command[1:]))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-16"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent: ElementTree.Element, tag: str, **children: str) -> ElementTree.Element:
    made = ElementTree.SubElement(parent, tag)
    for name, text in children.items():
        ElementTree.SubElement(made, name).text = text
    return made


def _text(root: ElementTree.Element, *path: str) -> str | None:
    return root.findtext("/".join(f"{{{NAMESPACE}}}{name}" for name in path))


def _digest(spec: ServiceSpec, user: str) -> str:
    return hashlib.sha256(_document(spec, user, "").encode()).hexdigest()[:16]
