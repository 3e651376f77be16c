"""The daemon's wheel: it carries the wire itself, and needs nothing of the plane."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.house.tree import DAEMON, ROOT, WIRE, WIRE_LINK, canonical, python, run

pytestmark = pytest.mark.xdist_group("wheel")

OF_THE_PLANE = ("app", "aws_lambda_powertools", "boto3", "botocore", "chalice", "chalicelib", "pynamodb", "starlette")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The daemon's wheel, built from this tree with what is installed."""
    out = tmp_path_factory.mktemp("wheel")
    python("-m", "build", "--wheel", "--no-isolation", "--outdir", out, DAEMON)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def required(wheel: Path) -> set[str]:
    """Every distribution that installing the wheel brings along on this machine, by canonical name."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        headers = Parser().parsestr(archive.read(name).decode("utf-8"))
    reached: set[str] = set()
    waiting = [Requirement(text) for text in headers.get_all("Requires-Dist") or []]
    while waiting:
        wanted = waiting.pop()
        if canonical(wanted.name) in reached or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        reached.add(canonical(wanted.name))
        waiting += [Requirement(text) for text in metadata.requires(wanted.name) or []]
    return reached


@pytest.fixture(scope="module")
def laptop(wheel: Path, required: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of a fresh virtual environment that has the wheel and what it requires, nothing else.

    The required distributions are links to this environment's own, so that no network is needed.
    """
    home = tmp_path_factory.mktemp("laptop")
    venv.create(home, with_pip=False, symlinks=True)
    programs = home / "bin"
    python("-m", "pip", "--python", programs / "python", "install", "--quiet", "--no-index", "--no-deps", wheel)
    (site,) = home.glob("lib/python*/site-packages")
    for name in required:
        for top in {file.parts[0] for file in metadata.files(name) or [] if file.parts[0] not in {"..", "__pycache__"}}:
            (site / top).symlink_to(Path(str(metadata.distribution(name).locate_file(top))))
    return programs


def ask(laptop: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the laptop's programs away from this checkout, seeing none of it."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "COV_", "VIRTUAL_ENV"))}
    env["MOOR_HOME"] = str(laptop.parent / "moor-home")
    return subprocess.run(
        [str(laptop / program), *arguments], cwd=laptop.parent, env=env, capture_output=True, text=True, check=False
    )


def test_the_daemons_wire_is_a_link_to_the_planes() -> None:
    assert WIRE_LINK.is_symlink()
    assert os.readlink(WIRE_LINK) == "../../../chalicelib/wire"
    assert WIRE_LINK.resolve() == WIRE


def test_git_keeps_the_wire_as_a_link() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("Only a git checkout knows what a clone gets.")
    mode = run("git", "ls-files", "--stage", "--", WIRE_LINK.relative_to(ROOT)).split()[:1]
    assert mode == ["120000"]


def test_wheel_holds_every_file_of_the_wire_byte_for_byte(wheel: Path) -> None:
    sources = {path.relative_to(WIRE).as_posix(): path.read_bytes() for path in WIRE.rglob("*.py")}
    with zipfile.ZipFile(wheel) as archive:
        packed = {
            name.removeprefix("mooring/wire/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("mooring/wire/")
        }
    assert sources
    assert packed == sources


def test_wheel_holds_every_module_of_the_daemon(wheel: Path) -> None:
    package = WIRE_LINK.parent
    sources = {
        f"mooring/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and WIRE_LINK not in path.parents
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert sources <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mooring", "mooring_daemon"}


def test_nothing_the_wheel_requires_is_of_the_plane(required: set[str]) -> None:
    assert {"msgspec", "agent-client-protocol", "websocket-client"} <= required
    assert required & {canonical(name) for name in OF_THE_PLANE} == set()


def test_daemon_starts_where_nothing_of_the_plane_is_installed(laptop: Path) -> None:
    looked = ask(
        laptop, "python", "-c", f"import importlib.util as u; print([n for n in {OF_THE_PLANE!r} if u.find_spec(n)])"
    )
    assert looked.stdout.strip() == "[]", looked.stderr
    version = re.search(r'__version__ = "(.+)"', (WIRE_LINK.parent / "__init__.py").read_text(encoding="utf-8"))
    assert version
    said = ask(laptop, "moor", "--version")
    assert said.returncode == 0, said.stderr
    assert version[1] in said.stdout


@pytest.mark.parametrize("module", ["mooring.wire.frames", "mooring.cli", "mooring.echo_agent"])
def test_modules_behind_the_programs_import_alone(laptop: Path, module: str) -> None:
    said = ask(laptop, "python", "-c", f"import {module} as m; print(m.__file__)")
    assert said.returncode == 0, said.stderr
    assert str(laptop.parent) in said.stdout
    assert sys.prefix not in said.stdout
