"""The import contracts in pyproject.toml know every blueprint there is."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from tests.house.tree import ROOT, modules


def defines_blueprint(module: Path) -> bool:
    """Whether the module makes a Chalice `Blueprint`, under whatever name it was imported."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    names = {"Blueprint"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "chalice":
            names |= {alias.asname for alias in node.names if alias.name == "Blueprint" and alias.asname}
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(
        (isinstance(f, ast.Name) and f.id in names) or (isinstance(f, ast.Attribute) and f.attr in names) for f in calls
    )


def independent_modules() -> set[str]:
    """The modules that the blueprints' contract keeps apart."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    return {
        module
        for contract in contracts
        if contract["type"] == "independence"
        for module in contract["modules"]
        if module.startswith("chalicelib.api.")
    }


def test_every_blueprint_is_kept_apart_from_the_others() -> None:
    blueprints = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in modules("chalicelib/api")
        if defines_blueprint(path)
    }
    assert blueprints
    assert blueprints - independent_modules() == set()


def test_a_blueprint_is_seen_under_any_name(tmp_path: Path) -> None:
    module = tmp_path / "pages.py"
    for text, expected in {
        "from chalice import Blueprint\npages = Blueprint(__name__)": True,
        "from chalice import Blueprint as B\npages = B(__name__)": True,
        "import chalice\npages = chalice.Blueprint(__name__)": True,
        "from chalice import Blueprint\ndef render(pages: Blueprint) -> None: ...": False,
    }.items():
        module.write_text(text, encoding="utf-8")
        assert defines_blueprint(module) is expected, text
