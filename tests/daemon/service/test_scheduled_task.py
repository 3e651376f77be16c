"""The task of Windows: a definition in the published schema's order; and how the Task Scheduler is spoken to."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import pytest

from mooring.errors import MoorError
from mooring.service.scheduled_task import NAMESPACE, ScheduledTask, render, task_name
from mooring.service.spec import ServiceSpec
from tests.daemon.service.tools import Tools

HOME = "C:\\Users\\Ann & Bö\\<moor>"
USER = "LAPTOP\\Ann & Bö"
SPEC = ServiceSpec(
    "", HOME, ("C:\\Py thon\\pythonw.exe", "-m", "mooring", "daemon", "--service", HOME, "--json"), "C:\\"
)
QUERY = "schtasks /Query /TN Mooring daemon /XML"
DETAILS = "schtasks /Query /TN Mooring daemon /V /FO CSV /NH"
NOT_THERE = "ERROR: The system cannot find the file specified.\n"

ORDERS = {
    "LogonTrigger": ["Enabled", "StartBoundary", "EndBoundary", "Repetition", "ExecutionTimeLimit", "UserId", "Delay"],
    "TimeTrigger": ["Enabled", "StartBoundary", "EndBoundary", "Repetition", "ExecutionTimeLimit", "RandomDelay"],
}
"""The sequences of the schema: triggerBaseType, then what logonTriggerType and timeTriggerType add to it."""

SETS = {
    "Task": {"RegistrationInfo", "Triggers", "Principals", "Settings", "Data", "Actions"},
    "RegistrationInfo": {
        "URI",
        "SecurityDescriptor",
        "Source",
        "Date",
        "Author",
        "Version",
        "Description",
        "Documentation",
    },
    "Repetition": {"Interval", "Duration", "StopAtDurationEnd"},
    "Principal": {"UserId", "LogonType", "GroupId", "DisplayName", "RunLevel"},
    "Settings": {
        *("AllowStartOnDemand", "RestartOnFailure", "MultipleInstancesPolicy", "DisallowStartIfOnBatteries"),
        *("StopIfGoingOnBatteries", "AllowHardTerminate", "StartWhenAvailable", "NetworkProfileName"),
        *("RunOnlyIfNetworkAvailable", "WakeToRun", "Enabled", "Hidden", "DeleteExpiredTaskAfter", "IdleSettings"),
        *("NetworkSettings", "ExecutionTimeLimit", "Priority", "RunOnlyIfIdle"),
    },
    "Exec": {"Command", "Arguments", "WorkingDirectory"},
}
"""Types of the schema whose elements come in any order, each at most once."""


def parsed(spec: ServiceSpec = SPEC) -> ElementTree.Element:
    return ElementTree.fromstring(render(spec, USER).encode("utf-16"))


def name(element: ElementTree.Element) -> str:
    namespace, _, local = element.tag.rpartition("}")
    assert namespace == "{" + NAMESPACE
    return local


def text(root: ElementTree.Element, path: str) -> str | None:
    return root.findtext("/".join(f"{{{NAMESPACE}}}{part}" for part in path.split("/")))


def details(last_result: int | str) -> str:
    """A line of what `schtasks` prints in a language that is not ours."""
    row = ["LAPTOP", "\\Mooring daemon", "N/V", "Wird ausgeführt", "Nur interaktiv", "21.11.2026 08:00:00"]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow([*row, str(last_result), "N/V", "C:\\p.exe"])
    return out.getvalue()


@pytest.fixture
def task(tools: Tools) -> ScheduledTask:
    tools.offer("schtasks")
    tools.answer(QUERY, status=1, err=NOT_THERE)
    return ScheduledTask(SPEC, USER)


def register(tools: Tools, definition: str | None = None) -> None:
    """Lets the Task Scheduler have it, as it prints it."""
    told = definition or render(SPEC, USER)
    tools.answer(QUERY, told)
    tools.calls()


def acts(tools: Tools) -> list[str]:
    """What was asked of the Task Scheduler, but for questions."""
    calls = [one.removeprefix("schtasks ") for one in tools.calls() if not one.startswith("schtasks /Query")]
    return [one.replace(" /TN Mooring daemon", "") for one in calls]


def test_a_definition_is_in_the_schemas_order() -> None:
    """Catches an element that the Task Scheduler refuses: unknown, twice, or before another in a sequence."""
    root = parsed()
    assert (name(root), root.get("version")) == ("Task", "1.2")
    for element in root.iter():
        children = [name(child) for child in element]
        if (order := ORDERS.get(name(element))) is not None:
            assert children == sorted(children, key=order.index)
        elif (known := SETS.get(name(element))) is not None:
            assert set(children) <= known
            assert len(set(children)) == len(children)
    [principal] = root.iterfind(f".//{{{NAMESPACE}}}Principal")
    [actions] = root.iterfind(f"{{{NAMESPACE}}}Actions")
    assert principal.get("id") == actions.get("Context"), "the schema's ContextKeyRef"


def test_a_definition_says_what_runs_when() -> None:
    root = parsed()
    assert text(root, "Actions/Exec/Command") == "C:\\Py thon\\pythonw.exe"
    assert text(root, "Actions/Exec/Arguments") == f'-m mooring daemon --service "{HOME}" --json'
    assert text(root, "Triggers/LogonTrigger/UserId") == text(root, "Principals/Principal/UserId") == USER
    assert text(root, "Principals/Principal/RunLevel") == "LeastPrivilege"
    assert text(root, "Settings/ExecutionTimeLimit") == "PT0S", "else it is killed after three days"
    assert text(root, "Settings/StopIfGoingOnBatteries") == text(root, "Settings/DisallowStartIfOnBatteries") == "false"
    assert text(root, "Settings/MultipleInstancesPolicy") == "IgnoreNew", "else the second trigger makes two daemons"


def test_a_crashed_daemon_is_started_again_within_minutes_for_ever() -> None:
    """Catches RestartOnFailure taken for a restart after a crash, and a repetition that ends after a day."""
    root = parsed()
    assert text(root, "Triggers/TimeTrigger/Repetition/Interval") == "PT5M"
    assert text(root, "Triggers/TimeTrigger/Repetition/Duration") is None
    assert str(text(root, "Triggers/TimeTrigger/StartBoundary")) < "2026"


def test_a_definitions_version_changes_with_it() -> None:
    other = ServiceSpec("", HOME, ("C:\\other.exe", *SPEC.command[1:]), "C:\\")
    versions = {text(parsed(one), "RegistrationInfo/Version") for one in (SPEC, SPEC, other)}
    assert len(versions) == 2


def test_a_task_is_named_after_its_profile() -> None:
    assert (task_name(""), task_name("work")) == ("Mooring daemon", "Mooring daemon work")


def test_an_install_registers_utf_16_with_its_mark_and_runs_it(tools: Tools, task: ScheduledTask) -> None:
    """Catches XML that says UTF-16 and is none, which schtasks refuses."""
    tools.then(QUERY, render(SPEC, USER))
    task.install()
    create, *rest = acts(tools)
    assert create.startswith("/Create /XML ")
    assert create.endswith("task.xml /F")
    assert rest == ["/Change /ENABLE", "/Run"]
    written = (tools.folder / "task").read_bytes()
    assert written[:2] in (b"\xff\xfe", b"\xfe\xff")
    assert written.decode("utf-16") == render(SPEC, USER)
    register(tools)
    assert task.is_current()
    task.install()
    assert acts(tools) == ["/Change /ENABLE", "/Run"]


def test_an_older_task_is_ended_and_replaced(tools: Tools, task: ScheduledTask) -> None:
    register(tools, render(SPEC, "OLD\\ann"))
    assert not task.is_current()
    task.install()
    assert [one.split()[0] for one in acts(tools)] == ["/End", "/Create", "/Change", "/Run"]


def test_a_stopped_task_is_disabled_since_else_its_trigger_brings_it_back(tools: Tools, task: ScheduledTask) -> None:
    for verb in (task.start, task.stop, task.restart):
        with pytest.raises(MoorError, match="service_not_installed"):
            verb()
    register(tools)
    task.stop()
    assert acts(tools) == ["/Change /DISABLE", "/End"]
    task.restart()
    assert acts(tools) == ["/End", "/Change /ENABLE", "/Run"]


def test_an_uninstall_removes_it(tools: Tools, task: ScheduledTask) -> None:
    task.uninstall()
    assert acts(tools) == []
    register(tools)
    task.uninstall()
    assert acts(tools) == ["/End", "/Delete /F"]


@pytest.mark.parametrize(
    ("last", "running", "last_exit"), [(0x41301, True, None), (0x41303, False, None), (4, False, 4), ("?", False, None)]
)
def test_a_status_is_read_in_any_language(
    tools: Tools, task: ScheduledTask, last: int | str, running: bool, last_exit: int | None
) -> None:
    assert not task.status().installed
    register(tools)
    tools.answer(DETAILS, details(last))
    status = task.status()
    assert (status.installed, status.enabled, status.running, status.pid) == (True, True, running, None)
    assert status.last_exit == last_exit


def test_a_disabled_task_does_not_start_at_login(tools: Tools, task: ScheduledTask) -> None:
    register(tools, render(SPEC, USER).replace("<Settings>", "<Settings><Enabled>false</Enabled>"))
    tools.answer(DETAILS, details(0))
    assert not task.status().enabled


def test_without_a_task_scheduler_it_is_told(tools: Tools) -> None:
    task = ScheduledTask(SPEC, USER)
    with pytest.raises(MoorError, match="service_unavailable.*schtasks"):
        task.install()
    assert "schtasks" in str(task.status().trouble)
    task.uninstall()


def test_what_the_task_scheduler_refuses_is_told(tools: Tools, task: ScheduledTask) -> None:
    tools.answer("schtasks /Create", status=1, err="ERROR: Access is denied.\n")
    with pytest.raises(MoorError, match="service_failed.*Access is denied"):
        task.install()
    tools.answer(QUERY, "no XML at all")
    with pytest.raises(MoorError, match="service_failed.*can't be understood"):
        task.start()


def test_another_homes_task_of_this_name_is_left_alone(tools: Tools, task: ScheduledTask) -> None:
    """Catches a trial with MOOR_HOME that takes the owner's own service away."""
    register(tools)
    home = HOME.removesuffix(">")
    other = ScheduledTask(ServiceSpec("", home, ("C:\\p.exe", "--service", home), "C:\\"), USER)
    for verb in (other.install, other.start, other.stop, other.restart):
        with pytest.raises(MoorError, match="service_taken.*--profile"):
            verb()
    other.uninstall()
    assert acts(tools) == []
    assert (other.status().installed, other.is_current(), task.is_current()) == (False, False, True)
