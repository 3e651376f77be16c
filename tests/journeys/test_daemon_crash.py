"""The daemon dies in the middle of a turn."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from .ground import House, Laptop
from .waiting import until_ended
from .watching import Event, of_type

pytestmark = pytest.mark.xdist_group("journeys")


@pytest.fixture
def fragile(house: House) -> Iterator[Laptop]:
    """A laptop whose daemon is about to end."""
    made = house.laptop("fragile").start()
    yield made
    made.stop()
    shutil.rmtree(made.home)


def test_a_turn_cut_by_the_daemons_death_ends_unknown_and_the_next_one_remembers(fragile: Laptop) -> None:
    """Catches a turn that is run again or waited for forever, an agent left behind, and a conversation that is lost."""
    with fragile.session() as session:
        assert session.ask("The word is anchor.") == ["You said: The word is anchor."]
        cut = session.say("/hold")
        session.until_speaking("holding")
        child = fragile.child(session.id)
        fragile.kill()
        until_ended(child)
        fragile.start()
        session.reader.until_settled(cut, "unknown")

        def tells(event: Event) -> bool:
            return event["type"] == "session.error" and event["turn_id"] is not None

        told = session.reader.until(tells, "an error that says so")
        assert told["error"]["retry_status"]["type"] == "terminal"
        ended = session.reader.until(of_type("mooring.turn_ended", turn_id=told["turn_id"]), "the turn's end")
        assert ended["outcome"] == "unknown"
        assert session.ask("/history") == ["The word is anchor.\n/hold"]
