"""Installing agents from npm: what it is asked for, what is believed of it, and what a failure leaves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mooring.daemon import agent_installs
from mooring.daemon.agent_installs import install, wanted
from mooring.edge.agent_places import command_of, installed
from mooring.edge.creds import Paths
from mooring.errors import MoorError
from mooring.providers.acp_registry import read_registry, snapshot
from mooring.providers.registry import Pin

NPM = '''#!{python}
"""npm, as far as it is asked here: it says what it was asked for, and makes what the test's folder says."""
import json, os, pathlib, shutil, sys
folder = pathlib.Path(__file__).parent
with (folder / "asked").open("a") as asked:
    asked.write(json.dumps(sys.argv[1:]) + "\\n")
if (folder / "fails").exists():
    print("npm error secret " * 200 + "E404 not found")
    sys.exit(1)
if sys.argv[1] == "install":
    package, _, version = sys.argv[-1].rpartition("@")
    prefix = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1], "node_modules")
    (prefix / package).mkdir(parents=True)
    (prefix / ".bin").mkdir()
    bins = json.loads((folder / "bins").read_text())
    (prefix / package / "package.json").write_text(json.dumps({"version": version + ".0", "bin": bins}))
    for name in [package.split("/")[-1]] if isinstance(bins, str) else bins:
        (prefix / ".bin" / name).touch()
'''
PIN = Pin("@google/gemini-cli", "1.2")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home, and a PATH with an npm that asks nobody."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("npm", NPM.replace("{python}", sys.executable)), ("node", "#!/bin/sh\n")):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (tools / "bins").write_text('{"other": "x.js", "gemini-cli": "y.js", "a": "z.js"}')
    monkeypatch.setenv("PATH", str(tools))
    return Paths(tmp_path / "home")


def asked(home: Paths) -> str:
    return (home.home.parent / "tools" / "asked").read_text()


def test_a_package_is_installed_without_running_its_scripts_and_found_by_its_program(home: Paths) -> None:
    """Catches a script of somebody's that runs at the installation, another version, and another program."""
    note = install(home, "gemini", PIN, snapshot())
    assert installed(home) == {"gemini": note}
    assert (note.package, note.version) == ("@google/gemini-cli", "1.2.0")
    program, *args = command_of(home, note)
    assert Path(program).is_file()
    assert (Path(program).name, args) == ("gemini-cli", ["--acp"])
    (line,) = asked(home).splitlines()
    assert '"--ignore-scripts"' in line
    assert '"@google/gemini-cli@1.2"' in line
    assert f'"--prefix", "{home.agents}' in line


def test_only_an_agents_own_script_is_run_where_it_needs_it(home: Paths) -> None:
    """Catches OpenCode without its program, and scripts of all that it needs."""
    (home.home.parent / "tools" / "bins").write_text('"./bin/opencode.exe"')
    note = install(home, "opencode", Pin("opencode-ai", "1", has_script=True), snapshot())
    assert (Path(note.program).name, note.args) == ("opencode-ai", ("acp",))
    first, second = asked(home).splitlines()
    assert '"--ignore-scripts"' in first
    assert '"rebuild"' in second
    assert second.endswith('"--ignore-scripts=false", "opencode-ai"]')


@pytest.mark.parametrize(
    ("bins", "fails", "told"),
    [("{}", False, "has no program"), ('"x"', True, "npm ended with 1"), ('{"x": 7}', False, "read")],
)
def test_a_failed_installation_leaves_the_one_before(home: Paths, bins: str, fails: bool, told: str) -> None:
    """Catches an update that takes a working agent away, and half an agent that stays."""
    before = install(home, "gemini", PIN, snapshot())
    tools = home.home.parent / "tools"
    (tools / "bins").write_text(bins)
    if fails:
        (tools / "fails").touch()
    with pytest.raises(MoorError, match=told) as caught:
        install(home, "gemini", PIN, snapshot())
    assert caught.value.code == "install_failed"
    assert len(caught.value.message) < 800
    assert installed(home) == {"gemini": before}
    assert [one.name for one in (home.agents / "gemini").glob("*/")] == [before.folder]


def test_what_is_missing_is_said_with_its_remedy(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback where Node.js is not installed, and an npm that never ends."""
    tools = home.home.parent / "tools"
    (tools / "node").rename(tools / "node-22")
    with pytest.raises(MoorError, match=r"nodejs\.org") as caught:
        install(home, "gemini", PIN, snapshot())
    assert caught.value.code == "node_missing"
    assert not home.agents.exists()
    (tools / "node-22").rename(tools / "node")
    (tools / "npm").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(1000)\n")
    monkeypatch.setattr(agent_installs, "INSTALL_S", 0.2)
    with pytest.raises(MoorError, match="did not end"):
        install(home, "gemini", PIN, snapshot())
    (tools / "npm").write_text("#!/gone\n")
    with pytest.raises(MoorError, match="can't be started"):
        install(home, "gemini", PIN, snapshot())
    assert os.listdir(home.agents / "gemini") == []


def test_agents_that_do_not_come_from_npm_are_said_where_to_be_had() -> None:
    """Catches an installation that tries anything, and a refusal that leaves people alone."""
    registry = read_registry(
        b"""{"agents": [
        {"id": "py", "name": "Py", "version": "1", "distribution": {"uvx": {"package": "py==1"}}},
        {"id": "odd", "name": "Odd", "version": "1", "distribution": {}}]}"""
    )
    refused = {"py": "uvx", "odd": "not known here", "goose": "is known", "echo": "nothing to install"}
    for agent_id, told in refused.items():
        with pytest.raises(MoorError, match=told):
            wanted(agent_id, registry, None)
    with pytest.raises(MoorError, match="to be downloaded"):
        wanted("goose", snapshot(), None)
    assert wanted("gemini", registry, "0.60.0") == Pin("@google/gemini-cli", "0.60.0")
    assert wanted("opencode", registry, None).has_script
    for version in ("--global", "1 2", "", "../x"):
        with pytest.raises(MoorError) as caught:
            wanted("gemini", registry, version)
        assert caught.value.code == "usage"
