"""Workspaces: where a session may work besides its own folder is the laptop owner's word, whatever leads there."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.edge.workspaces import allowable, workspace_of
from mooring.errors import MoorError


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "shop"
    (folder / "web").mkdir(parents=True)
    (folder / "notes").write_text("x")
    (tmp_path / "shop2").mkdir()
    (tmp_path / "secret").mkdir()
    return folder


def refusal(wanted: str, *allowed: str) -> str:
    with pytest.raises(MoorError) as caught:
        workspace_of(wanted, allowed)
    return caught.value.code


def test_an_allowed_folder_and_what_is_below_it_is_a_workspace(shop: Path) -> None:
    assert workspace_of(str(shop), [str(shop)]) == shop
    assert workspace_of(f"{shop}/web/../web/", ["/nowhere", str(shop)]) == shop / "web"


def test_the_owners_home_may_be_written_short(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(shop.parent))
    assert workspace_of(str(shop), ["~/shop"]) == shop
    assert refusal("~/shop", "~/shop") == "workspace_not_allowed"


def test_nothing_else_is(shop: Path) -> None:
    """Catches paths compared as text: a folder beside the allowed one begins like it, and ``..`` leads out of it."""
    outside = (shop.parent / "shop2", shop.parent, f"{shop}/../secret", "/", "shop", "", f"{shop}\0")
    assert {str(one): refusal(str(one), str(shop)) for one in outside} == dict.fromkeys(
        map(str, outside), "workspace_not_allowed"
    )
    assert refusal(str(shop)) == "workspace_not_allowed"


def test_a_link_opens_nothing_that_is_not_allowed(shop: Path) -> None:
    """Catches links that are not followed before the comparison, in what is wanted and in what is allowed."""
    (shop / "out").symlink_to(shop.parent / "secret")
    assert refusal(f"{shop}/out", str(shop)) == "workspace_not_allowed"
    assert refusal(f"{shop}/out/../shop2", str(shop)) == "workspace_not_allowed"
    (shop.parent / "in").symlink_to(shop)
    assert workspace_of(f"{shop.parent}/in/web", [str(shop)]) == shop / "web"
    assert workspace_of(str(shop / "web"), [f"{shop.parent}/in"]) == shop / "web"


def test_what_is_no_folder_is_told_only_where_it_would_be_allowed(shop: Path) -> None:
    """Catches a plane that learns from the refusals what exists on a laptop."""
    assert refusal(f"{shop}/absent", str(shop)) == "workspace_missing"
    assert refusal(f"{shop}/notes", str(shop)) == "workspace_missing"
    assert refusal(f"{shop.parent}/absent", str(shop)) == "workspace_not_allowed"


def unfit(wanted: str | Path, moor_home: Path) -> str:
    with pytest.raises(MoorError) as caught:
        allowable(str(wanted), moor_home)
    return caught.value.code


def test_a_folder_that_would_give_everything_away_can_not_be_allowed(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches paths compared before links are followed: a link to the home folder would allow all of it."""
    home = shop.parent / "me"
    moor = home / ".moor"
    (moor / "sessions").mkdir(parents=True)
    (home / "src").mkdir()
    (home / "src" / "out").symlink_to(home)
    (home / "src" / "in").symlink_to(moor / "sessions")
    monkeypatch.setenv("HOME", str(home))
    refused = ("/", "~", home, home.parent, f"{home}/src/..", "~/src/out", moor, "~/.moor/sessions", "~/src/in")
    assert {str(one): unfit(one, moor) for one in refused} == dict.fromkeys(map(str, refused), "workspace_refused")
    assert unfit("~nobody-by-this-name/src", moor) == "workspace_refused"
    assert unfit(shop / "notes", moor) == "workspace_no_folder"
    assert allowable("~/src", moor) == home / "src"
    assert allowable(str(shop / "absent"), moor) == shop / "absent"
    (shop / "link").symlink_to(shop / "web")
    assert allowable(str(shop / "link"), moor) == shop / "web"
