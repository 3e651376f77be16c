"""A conversation over a network that loses, doubles and reorders messages and cuts connections: nobody notices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import websocket

from .ground import House, Laptop, Session
from .hostile_network import HostileNetwork, Profile
from .watching import Event, Wire, of_type, text_of

pytestmark = pytest.mark.xdist_group("journeys")

HOSTILE = Profile(drop=0.1, double=0.15, hold_back=0.2, latency_ms=10, cut_after=(5, 30), cut_after_s=(0.5, 2.0))
"""What is lost is sent again after 20 s; where connections end this often, it is the next one that makes it good."""

Line = tuple[Any, ...]


@dataclass(frozen=True)
class Exchange:
    """One turn: what is said to the agent, what the agent's side says to it, and how it ends."""

    prompt: str
    said: tuple[Line, ...]
    outcome: str = "completed"
    answer: str | None = None


def says(text: str) -> Line:
    return ("agent.message", text)


def calls(name: str, path: str) -> Line:
    return ("agent.tool_use", name, {"path": path})


CONVERSATION = (
    Exchange("Hello.", (says("You said: Hello."),)),
    Exchange(
        '/think Let me see.\n/tool read {"path": "a"}',
        (("agent.thinking", "Let me see."), calls("read", "a"), ("agent.tool_result", "read ran with {'path': 'a'}")),
    ),
    Exchange("/chunks 400", (says("".join(f"{number} " for number in range(1, 401))),)),
    Exchange(
        '/ask write {"path": "b"}',
        (
            calls("write", "b"),
            ("mooring.permission_settled", "allow"),
            ("agent.tool_result", "write ran with {'path': 'b'} (allow-once)"),
        ),
        answer="allow",
    ),
    Exchange("/slow 1.5 30", (says("".join(f"piece {number} " for number in range(1, 31))),)),
    Exchange("/big 40000", (says("x" * 40_000),)),
    Exchange("/big 70000", (says("x" * 70_000),)),
    Exchange("/fail Out of paper.", (("session.error", "Out of paper."),), "failed"),
    Exchange(
        'First this.\n/tool list {"path": "."}\nThen that.',
        (
            says("You said: First this."),
            calls("list", "."),
            ("agent.tool_result", "list ran with {'path': '.'}"),
            says("You said: Then that."),
        ),
    ),
    Exchange(
        '/ask delete {"path": "c"}',
        (
            calls("delete", "c"),
            ("mooring.permission_settled", "deny"),
            ("agent.tool_result", "Denied."),
            says("delete was denied."),
        ),
        answer="deny",
    ),
    Exchange("/hold", (says("holding"),), "cancelled"),
    Exchange("/slow 1 10\nGood bye.", (says("".join(f"piece {n} " for n in range(1, 11)) + "You said: Good bye."),)),
)
HISTORY = Exchange("/history", (says("\n".join(one.prompt for one in CONVERSATION)),))
"""Said in calm: what the agent itself has seen, and behind it every earlier event is acknowledged."""

TOLD_BY_THE_PLANE = frozenset(
    {
        "mooring.session_created",
        "mooring.turn_started",
        "mooring.receipt",
        "session.status_running",
        "session.status_idle",
        "session.status_rescheduled",
        "user.interrupt",
        "user.tool_confirmation",
    }
)

WRITTEN_IN_PIECES = ("agent.message", "agent.thinking")


@pytest.fixture
def network(house: House) -> Iterator[HostileNetwork]:
    """A network that is calm until told otherwise."""
    with HostileNetwork(house.ws_url, seed=1) as made:
        yield made


@pytest.fixture
def remote(house: House, network: HostileNetwork) -> Iterator[Laptop]:
    """A laptop behind that network, hostile from its daemon's first handshake on."""
    made = house.laptop("remote")
    network.stand_before(made)
    network.profile = HOSTILE
    yield made.start()
    made.stop()


def test_a_conversation_over_a_hostile_network_is_in_the_log_exactly_as_it_was_said(
    remote: Laptop, network: HostileNetwork
) -> None:
    """Catches an event lost, doubled, moved or changed by the network, a turn run twice, and a receipt that lies."""
    daemon = remote.daemon
    assert daemon is not None
    with remote.session("always_ask") as session:
        messages = [hold(session, one) for one in CONVERSATION]
        network.calm()
        network.cut()
        messages.append(hold(session, HISTORY))
        n_asked = sum(one.answer is not None for one in CONVERSATION)
        session.reader.until(of_type("session.status_idle"), "idle again", n_asked + len(messages))

        events = session.pages()
        assert conversation_in(events) == [line for turn in lines() for line in turn]
        assert len({event["id"] for event in events}) == len(events)
        assert [session.receipts(one)[-1] for one in messages] == [one.outcome for one in (*CONVERSATION, HISTORY)]
        for one in messages:
            assert_receipts_are_true(session.receipts(one))
        live = [event for event in session.reader.events if event["processed_at"] is not None]
        assert live == events
        assert_pieces_were_beginnings(session)
    assert daemon.process.poll() is None, "one daemon saw it through"
    assert all(network.befallen[fault] for fault in ("dropped", "doubled", "held_back", "cut")), network.befallen


def hold(session: Session, exchange: Exchange) -> str:
    """Holds one exchange of the conversation to its end. Returns its message's id."""
    asked = sum(event.get("evaluated_permission") == "ask" for event in session.reader.events)
    message_id = session.say(exchange.prompt)
    if exchange.answer:
        call = session.reader.until(of_type("agent.tool_use", evaluated_permission="ask"), "a question", asked + 1)
        session.post({"type": "user.tool_confirmation", "tool_use_id": call["id"], "result": exchange.answer})
    if exchange.outcome == "cancelled":
        session.until_speaking("holding")
        session.post({"type": "user.interrupt"})
    session.reader.until_settled(message_id, exchange.outcome)
    return message_id


def lines() -> Iterator[list[Line]]:
    """The whole conversation as the log must have it, by turn."""
    for order, one in enumerate((*CONVERSATION, HISTORY), 1):
        said = [(order, *line) for line in (*one.said, ("mooring.turn_ended", one.outcome))]
        yield [(None, "user.message", one.prompt), *said]


def conversation_in(events: list[Event]) -> list[Line]:
    """What people and the agent's side say in a log, with the number of the turn that it belongs to."""
    orders = {event["turn_id"]: event["order"] for event in events if event["type"] == "mooring.turn_started"}
    told = [event for event in events if event["type"] not in TOLD_BY_THE_PLANE]
    return [(orders.get(event.get("turn_id", "")), event["type"], *gist(event)) for event in told]


def gist(event: Event) -> Line:
    """What an event says."""
    match event["type"]:
        case "user.message" | "agent.message" | "agent.tool_result":
            return (text_of(event),)
        case "agent.thinking":
            return (event["text"],)
        case "agent.tool_use":
            return (event["name"], event["input"])
        case "session.error":
            return (event["error"]["message"],)
        case "mooring.permission_settled" | "mooring.turn_ended":
            return (event["outcome"],)
        case _:
            return (event,)


def assert_receipts_are_true(receipts: list[str]) -> None:
    """They follow their order, and only the last one is terminal."""
    way = ["queued", "sent", "on_machine", "started"]
    assert receipts[:-1] == [one for one in way if one in receipts[:-1]]
    assert receipts[-1] in ("completed", "failed", "cancelled")


def assert_pieces_were_beginnings(session: Session) -> None:
    """What was shown of a message being written, over lost, doubled and late pieces, was the beginning of the whole."""
    whole = {event["id"]: gist(event)[0] for event in session.reader.events if event["type"] in WRITTEN_IN_PIECES}
    shown = dict(session.reader.pieces)
    assert shown
    for event_id, text in shown.items():
        assert whole[event_id].startswith(text)


def test_the_network_passes_on_who_asks_and_who_is_refused(house: House, network: HostileNetwork) -> None:
    """Catches a proxy between the journeys and the plane that lets in whom the plane would not, or hides why."""
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Wire(network.url, "moor_nobody")
    assert refused.value.status_code == 401
    wire = Wire(network.url, house.api.key)
    try:
        wire.send_in_pieces('{"type": "ping"}' + " " * 130_000, 30_000)
        wire.until(of_type("pong"), "an answer to a message in pieces")
        wire.send("x" * 40_000)
        assert wire.until_closed() == 1009
    finally:
        wire.close()


def test_a_half_open_connection_stands_and_carries_nothing_while_a_new_one_works(
    house: House, network: HostileNetwork
) -> None:
    """Catches a half-open connection that is merely slow, or closed: what must find it out would not be tried."""
    numb = Wire(network.url, house.api.key)
    fresh = None
    try:
        network.go_half_open()
        numb.say("ping")
        fresh = Wire(network.url, house.api.key)
        fresh.say("ping")
        fresh.until(of_type("pong"), "an answer")
        assert (numb.frames, numb.board.is_over) == ([], False)
        network.cut()
        assert numb.until_closed() is None
    finally:
        for wire in (numb, fresh):
            if wire is not None:
                wire.close()
