"""The machine is away: what is said to it waits, and is done or expires."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .ground import House, Laptop, assert_completed
from .watching import of_type

pytestmark = pytest.mark.xdist_group("journeys")


@pytest.fixture
def away(house: House) -> Iterator[Laptop]:
    """A laptop that was here once."""
    made = house.laptop("away").start()
    made.go_away()
    yield made
    made.stop()


def test_a_message_for_a_machine_that_is_away_waits_and_runs_when_it_is_back_or_expires(away: Laptop) -> None:
    """Catches a message that fails at once, is forgotten, runs after it expired, or never gets its last receipt."""
    with away.session() as session, away.session() as other:
        kept = session.say("Are you there?")
        brief = other.say("Now or never.", expires_in=1)
        session.reader.until(of_type("session.status_rescheduled"), "told that it waits")
        assert session.receipts(kept) == ["queued"]
        assert session.api.ok("GET", f"/v1/sessions/{session.id}")["status"] == "rescheduling"
        assert [(e["id"], e["processed_at"]) for e in session.pages() if e["type"] == "user.message"] == [(kept, None)]

        other.reader.until_settled(brief, "expired")
        assert other.receipts(brief) == ["queued", "expired"]

        away.start()
        session.reader.until_settled(kept)
        assert_completed(session.receipts(kept))
        (message,) = [e for e in session.pages() if e["type"] == "user.message"]
        assert message["processed_at"] is not None
        assert session.said() == ["You said: Are you there?"]
        assert other.ask("/count") == ["This session has seen 1 prompts."], "the expired one was never seen"
