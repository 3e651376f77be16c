"""An agent works where its definition says, if the laptop's owner has allowed that; and has all its instructions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.stage import bind_agent

from .ground import House, Laptop, Session
from .watching import of_type

pytestmark = pytest.mark.xdist_group("journeys")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Somebody's project."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "AGENTS.md").write_text("The shop's own rules.")
    return folder


@pytest.fixture
def owner(house: House, shop: Path) -> Iterator[Laptop]:
    """A laptop whose owner has allowed the project."""
    made = house.laptop("owner")
    (made.home / "config.toml").write_text(f'workspaces = ["{shop}"]\n')
    yield made.start()
    made.stop()


def session_of(laptop: Laptop, name: str, **more: Any) -> Session:
    """A session with an agent of its own."""
    api = laptop.house.api
    agent = bind_agent(api, laptop.runtime_id, "echo", name=name, **more)
    return Session(laptop.house, api.ok("POST", "/v1/sessions", {"agent": agent["id"]})["id"])


def test_a_session_works_in_an_allowed_folder_and_nowhere_when_it_is_not_allowed(owner: Laptop, shop: Path) -> None:
    """Catches an agent that works elsewhere than its definition says, and nobody is told."""
    with session_of(owner, "in the shop", _oma={"workspace": str(shop)}) as session:
        assert session.ask("/system") == ["The shop's own rules."]
        assert not owner.folder(session.id).exists()
    with session_of(owner, "next door", _oma={"workspace": str(shop.parent)}) as session:
        session.reader.until_settled(session.say("/system"), "failed")
        error = session.reader.until(of_type("session.error"), "told why")
        assert "has not allowed" in error["error"]["message"]
        assert session.said() == []
        assert not owner.folder(session.id).exists()


def test_an_agent_reads_the_prompts_that_were_appended_to_its_system_prompt(laptop: Laptop) -> None:
    with session_of(laptop, "short", system="Be kind.", _oma={"appendable_prompts": ["Be short."]}) as session:
        assert session.ask("/system") == ["# short\n\n## Instructions\n\nBe kind.\n\nBe short.\n"]
