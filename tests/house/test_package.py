"""The zip that is deployed works where Lambda runs it: alone. Every handler in it answers an event.

The events in `events/` have the shapes that AWS documents. Source: AWS docs, "Input format of a Lambda function for
proxy integration", "WebSocket API mapping template reference", "Amazon EventBridge scheduled events".
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from packaging.requirements import Requirement

from tests.house.pins import Pin, pins
from tests.house.tree import ROOT, canonical, python, run

HERE = Path(__file__).parent
SOURCES = ("app.py", "chalicelib", "requirements.txt", ".chalice/config.json", ".chalice/policy-dev.json")
MAX_UNZIPPED_BYTES = 250_000_000  # Lambda's quota for code and layers, AWS docs "Lambda quotas".
REGION = "eu-central-1"

pytestmark = [
    pytest.mark.xdist_group("package"),
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"),
        reason="The zip holds compiled modules for Lambda's Linux.",
    ),
]


@dataclass(frozen=True)
class Package:
    """What `make package` builds, unpacked."""

    folder: Path
    template: dict[str, Any]

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """The template's Lambda functions' properties by logical name."""
        resources: dict[str, Any] = self.template["Resources"]
        return {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::Serverless::Function"}

    def function(self, name: str) -> dict[str, Any]:
        """Return the function of that logical name, or the only one that a schedule starts for the name `schedule`."""
        if name != "schedule":
            return self.functions[name]
        (found,) = (
            properties
            for properties in self.functions.values()
            if any(event["Type"] == "Schedule" for event in properties.get("Events", {}).values())
        )
        return found


def variables(function: dict[str, Any]) -> dict[str, str]:
    """The environment variables that the template gives a function; it says nothing of any when there are none."""
    found: dict[str, str] = function.get("Environment", {}).get("Variables", {})
    return found


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package of a copy of this tree; Chalice downloads the pinned wheels for Lambda."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        (tree / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    env = {"AWS_DEFAULT_REGION": REGION, "PYTHONPATH": ""}
    run(
        Path(sys.executable).with_name("chalice"),
        "package",
        "--pkg-format",
        "cloudformation",
        "dist",
        cwd=tree,
        env=env,
    )
    with zipfile.ZipFile(tree / "dist" / "deployment.zip") as archive:
        archive.extractall(tree / "unpacked")
    return Package(tree / "unpacked", json.loads((tree / "dist" / "sam.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def lambda_env(package: Package) -> Iterator[dict[str, str]]:
    """What the functions find in their environment: what the template sets, and an AWS of our own with the tables."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        env = variables(package.function("APIHandler")) | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }
        create = "import sys; from infra.tables import create_tables; create_tables(sys.argv[1])"
        python("-c", create, env["AWS_ENDPOINT_URL"], env=env)
        yield env
    finally:
        server.stop()


def test_zip_holds_the_wire_itself_every_module_and_every_page(package: Package) -> None:
    files = [*(ROOT / "chalicelib").rglob("*.py"), *(ROOT / "chalicelib" / "console").iterdir()]
    sources = {path.relative_to(ROOT): path.read_bytes() for path in files}
    assert {path: (package.folder / path).read_bytes() for path in sources} == sources
    assert not any(path.is_symlink() for path in package.folder.rglob("*"))


def test_zip_holds_exactly_the_pinned_requirements(package: Package) -> None:
    packed = {tuple(path.name.removesuffix(".dist-info").split("-")) for path in package.folder.glob("*.dist-info")}
    wanted = [Requirement(pin.requirement) for pin in set[Pin]().union(*pins(ROOT / "requirements.txt").values())]
    pinned = {(canonical(r.name), str(r.specifier)) for r in wanted if not r.marker or r.marker.evaluate()}
    assert {(canonical(name), f"=={version}") for name, version in packed} == pinned


def test_zip_fits_into_a_function(package: Package) -> None:
    assert sum(path.stat().st_size for path in package.folder.rglob("*") if path.is_file()) < MAX_UNZIPPED_BYTES


@pytest.mark.parametrize(
    ("function", "event", "status"),
    [
        ("APIHandler", "http_get_root", 200),
        ("WebsocketConnect", "ws_connect_without_credentials", 401),
        ("WebsocketMessage", "ws_default_ping", 200),
        ("WebsocketDisconnect", "ws_disconnect", 200),
        ("schedule", "scheduled", None),
    ],
)
def test_every_handler_answers_from_the_zip_alone(
    package: Package, lambda_env: dict[str, str], function: str, event: str, status: int | None
) -> None:
    properties = package.function(function)
    env = lambda_env | variables(properties) | {"AWS_LAMBDA_FUNCTION_NAME": function}
    said = python(
        "-I",
        "-S",
        HERE / "invoke.py",
        package.folder,
        properties["Handler"],
        HERE / "events" / f"{event}.json",
        env=env,
    )
    answer = json.loads(said.splitlines()[-1])
    assert not [path for path in answer["origins"] if "site-packages" in path or path.startswith(f"{ROOT}/chalicelib")]
    if status is not None:
        assert answer["result"]["statusCode"] == status, said


def test_every_function_is_tried(package: Package) -> None:
    tried = [package.function(n) for n in ("APIHandler", "WebsocketConnect", "WebsocketMessage", "WebsocketDisconnect")]
    tried.append(package.function("schedule"))
    assert {f["Handler"] for f in package.functions.values()} == {f["Handler"] for f in tried}
