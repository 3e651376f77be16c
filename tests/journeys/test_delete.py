"""Deleting a session ends it on the laptop too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .ground import House, Laptop, Session
from .waiting import eventually, until_ended
from .watching import of_type

pytestmark = pytest.mark.xdist_group("journeys")


@pytest.fixture
def sleepy(house: House) -> Iterator[Laptop]:
    """A laptop of this journey's own."""
    made = house.laptop("sleepy").start()
    yield made
    made.stop()


def delete(session: Session, message_id: str) -> None:
    """Deletes a session and watches it end for its viewers."""
    session.api.ok("DELETE", f"/v1/sessions/{session.id}")
    session.reader.until_settled(message_id, "cancelled")
    session.reader.until(of_type("session.deleted"), "told that it is deleted")
    session.reader.until_over()
    assert session.api.call("GET", f"/v1/sessions/{session.id}")[0] == 404
    listed = session.api.ok("GET", "/v1/sessions?limit=100")["data"]
    assert session.id not in [one["id"] for one in listed]


def test_deleting_a_session_ends_its_agent_and_removes_its_folder(laptop: Laptop) -> None:
    """Catches an agent that works on for nobody, and a folder that keeps what was deleted."""
    with laptop.session() as session:
        message_id = session.say("/hold")
        session.until_speaking("holding")
        child = laptop.child(session.id)
        delete(session, message_id)
        until_ended(child)
        eventually("the folder is gone", lambda: not laptop.folder(session.id).exists())


def test_a_session_deleted_while_the_machine_is_away_is_removed_there_when_it_is_back(sleepy: Laptop) -> None:
    """Catches a dispose that is sent once and forgotten."""
    with sleepy.session() as session:
        assert session.ask("Hello.") == ["You said: Hello."]
        sleepy.go_away()
        assert sleepy.folder(session.id).is_dir()
        delete(session, session.say("Too late."))
        assert sleepy.folder(session.id).is_dir()
        sleepy.start()
        eventually("the folder is gone", lambda: not sleepy.folder(session.id).exists())
