"""What must hold when a schedule has settled, whatever happened on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from chalicelib.actors.ports import session_key
from chalicelib.actors.spill import Spill
from chalicelib.core.record import SessionRecord, open_session, seal, verify
from chalicelib.core.render import shown
from chalicelib.core.session_state import has_work
from chalicelib.wire import events as ev
from chalicelib.wire.codec import encode
from chalicelib.wire.ids import EventId, SessionId

from .laptop import Laptop, Said, Witness
from .people import PollingViewer, Sender, SocketViewer, Watching, place
from .world import TENANT, World

MAX_STATE_BYTES = 2048


def records(world: World, session_id: SessionId) -> list[SessionRecord]:
    """A session's whole log."""
    found: list[SessionRecord] = []
    while True:
        page = world.stores.objects.read(session_key(TENANT, session_id), len(found), 100)
        if not page:
            return found
        found += [open_session(one.body) for one in page]


def events_of(world: World, session_id: SessionId, log: list[SessionRecord]) -> list[ev.Event]:
    """A log's events in order, those put aside fetched."""
    spill = Spill(world.stores.bodies)
    return [spill.whole(TENANT, session_id, event) for record in log for event in record.events]


def check_log(log: list[SessionRecord]) -> list[str]:
    """Numbers dense, hashes intact, states small, one turn at a time, first in first out."""
    flaws = [f"log: record {flaw.n} {flaw.why}" for flaw in verify([(one.n, seal(one)) for one in log])]
    big = max((len(seal(one)) - len(seal(_without_state(one))) for one in log), default=0)
    if big > MAX_STATE_BYTES:
        flaws.append(f"a state of {big} bytes")
    for before, after in zip(log, log[1:], strict=False):
        if after.state.epoch < before.state.epoch:
            flaws.append(f"a replaced connection was believed: record {after.n} fell to epoch {after.state.epoch}")
        if after.state.epoch == before.state.epoch and before.state.outbox not in (None, after.state.outbox):
            flaws.append(f"the outbox changed under one epoch: record {after.n}")
    queued: list[EventId] = []
    begun: list[EventId] = []
    for record in log:
        for event in record.events:
            match event:
                case ev.Receipt(status="queued"):
                    queued += event.event_ids
                case ev.Receipt(status="sent"):
                    begun += event.event_ids
                case _:
                    pass
    if [one for one in queued if one in set(begun)] != begun:
        flaws.append("first in first out is broken")
    return flaws


def check_receipts(log: list[SessionRecord], sender_keys: set[str], witness: Witness) -> list[str]:
    """Every message accepted once, and ended once, truthfully."""
    flaws: list[str] = []
    ended: dict[EventId, list[tuple[str, str | None]]] = defaultdict(list)
    messages: list[EventId] = []
    for record in log:
        for event in record.events:
            if _is_message(event):
                messages.append(event.id)
            if isinstance(event, ev.Receipt) and event.status in ev.TERMINAL:
                for one in event.event_ids:
                    ended[one].append((event.status, event.turn_id))
    causes = Counter(one.cause for one in log if one.cause and any(map(_is_message, one.events)))
    flaws += [f"request {key} applied {count} times" for key, count in causes.items() if count > 1]
    flaws += [f"accepted request {key} is not in the log" for key in sender_keys if key not in causes]
    for one in messages:
        if len(ended[one]) != 1:
            flaws.append(f"message {one} has {len(ended[one])} terminal receipts: {ended[one]}")
        for status, turn_id in ended[one]:
            if status == "expired" and turn_id is not None:
                flaws.append(f"a lie: {one} expired after its turn was sent")
    return flaws


def check_events(
    log: list[SessionRecord], session_id: SessionId, laptops: list[Laptop], witness: Witness, cloned: bool
) -> list[str]:
    """What the agents did is in the log: once, in their order, and complete for a machine that is still there."""
    flaws: list[str] = []
    deleted = log[-1].state.status != "open"
    ids = [event.id for record in log for event in record.events]
    if not cloned:
        flaws += [f"event {one} twice" for one, n in Counter(ids).items() if n > 1 and not _is_message_id(log, one)]
    ends = Counter(event.turn_id for record in log for event in record.events if isinstance(event, ev.TurnEnded))
    if len(laptops) == 1:
        flaws += [f"turn {turn} ended {n} times" for turn, n in ends.items() if n > 1]
    known: set[str] = set(ids)
    for laptop in laptops:
        mine = [str(one.id) for one in witness.emitted[laptop.name, session_id]]
        if not cloned and [one for one in ids if one in set(mine)] != [one for one in mine if one in known]:
            flaws.append(f"the order of {laptop.name}'s events is broken")
        missing = [one for one in mine if one not in known]
        if missing and laptop.switched_on and not deleted:
            flaws.append(f"events of {laptop.name} never arrived: {missing[:3]}")
    return flaws


def check_contents(events: list[ev.Event], said: Sequence[Said]) -> list[str]:
    """Whatever the log has of the agents, it has word for word."""
    words = {str(one.id): encode(one) for one in said}
    return [f"{one.id} is not what was said" for one in events if words.get(one.id, encode(one)) != encode(one)]


def check_log_is_what_the_agent_said(
    events: Sequence[ev.Event], said: Sequence[Said], *, deleted: bool = False
) -> list[str]:
    """The agent's side of a log is what the agent said: event for event, word for word, in its order.

    This holds for every session whose laptop had one daemon that never died, however its turns ended.

    Args:
        events: the log's.
        said: what the agent said, by its own account.
        deleted: the log ends with the session's delete, and so with a beginning of what was said.
    """
    turns = {str(one.turn_id) for one in said}
    logged = [encode(one) for one in events if _is_of_agent(one, turns)]
    spoken = [encode(one) for one in said][: len(logged) if deleted else None]
    unlike = [
        f"not what the agent said: {place}. in the log is {heard!r:.200} for {meant!r:.200}"
        for place, (heard, meant) in enumerate(zip_longest(logged, spoken))
        if heard != meant
    ]
    return unlike[:1]


def check_machines(witness: Witness, cloned: bool) -> list[str]:
    """No turn ran twice, on two machines, beside another one of its session, or in a session that was gone."""
    flaws = [f"turn {turn} ran {n} times on {name}" for (name, turn), n in witness.runs.items() if n > 1]
    if not cloned:
        flaws += [f"turn {turn} ran on {where}" for turn, where in witness.where.items() if len(where) > 1]
    flaws += [f"two turns of {session} at once: {turn}" for session, turn in witness.overlaps]
    flaws += [f"turn {turn} ran in a removed session" for turn in witness.ghosts]
    return flaws


def check_viewer(
    world: World, log: list[SessionRecord], viewer: SocketViewer | PollingViewer, witness: Witness
) -> list[str]:
    """Replay and live together are the log: each event once, in order, none missing; texts were never wrong."""
    who = f"{type(viewer).__name__} after {viewer.after}"
    watching: Watching = viewer.watching
    flaws = [f"{who}: {cursor} twice" for cursor in watching.doubles]
    if [place(one) for one in watching.order] != sorted(place(one) for one in watching.order):
        flaws.append(f"{who}: out of order")
    at = viewer.at or 0
    first = place(watching.order[0])[0] if watching.order else at + 1
    first = 1 if viewer.after == "0" else first
    by_n = {record.n: record for record in log}
    for record in log:
        if not first <= record.n <= at:
            continue
        for one in shown(record, by_n.__getitem__, ours=True):
            seen = watching.seen.get(one.cursor)
            if seen is None:
                if one.event["type"] != "user.message" or one.event["processed_at"] is not None:
                    flaws.append(f"{who}: {one.cursor} {one.event['type']} is missing")
            elif not _is_alike(seen, one.event):
                flaws.append(f"{who}: {one.cursor} is not what the log has: {seen} {one.event}")
    for event_id, text in watching.written.items():
        whole = witness.texts.get(event_id)
        if whole is not None and not whole.startswith(text):
            flaws.append(f"{who}: text of {event_id} was shown as {text!r}, and is {whole!r}")
    left = [one for one in watching.texts if one in watching.whole]
    if left:
        flaws.append(f"{who}: pieces outlived their whole event {left}")
    return flaws


def check_all(
    world: World,
    sessions: list[SessionId],
    laptops: list[Laptop],
    senders: list[Sender],
    viewers: list[SocketViewer | PollingViewer],
    witness: Witness,
    *,
    settled: bool,
    cloned: bool,
) -> list[str]:
    """Everything; an empty list when all is well."""
    flaws = check_machines(witness, cloned)
    for session_id in sessions:
        log = records(world, session_id)
        keys = {key for one in senders if one.session_id == session_id for key in one.accepted}
        flaws += check_log(log)
        flaws += check_events(log, session_id, laptops if settled else [], witness, cloned)
        events = events_of(world, session_id, log)
        said = [one for laptop in laptops for one in witness.emitted[laptop.name, session_id]]
        flaws += check_contents(events, said)
        if settled and [laptop.lives for laptop in laptops] == [1]:
            flaws += check_log_is_what_the_agent_said(events, said, deleted=log[-1].state.status != "open")
        if settled:
            flaws += check_receipts(log, keys, witness)
        for viewer in viewers:
            if viewer.session_id == session_id:
                flaws += check_viewer(world, log, viewer, witness)
        if not settled and has_work(log[-1].state):
            flaws.append(f"STUCK {session_id}: {log[-1].state}")
    if not settled and not any("STUCK" in one for one in flaws):
        flaws.append("STUCK: a laptop or a viewer never settled")
    return flaws


def _is_alike(seen: dict[str, Any], logged: dict[str, Any]) -> bool:
    """Whether two views of an event say the same, but for what is left out of one that is too large."""
    if "truncated" in seen or "truncated" in logged:
        left_out = ("truncated", "content", "n_bytes")
        seen, logged = ({k: v for k, v in one.items() if k not in left_out} for one in (seen, logged))
    return seen == logged


def _is_of_agent(event: ev.Event, turns: set[str]) -> bool:
    match event:
        case ev.SessionError(error=ev.ErrorBody(code="turn_unknown")):
            return False  # The plane's word: it gave the turn up.
        case ev.TurnEnded(turn_id=turn_id, outcome="cancelled"):
            return turn_id in turns  # Else the desk's: the turn was cancelled before the agent was called.
        case _:
            return isinstance(event, ev.DaemonEvent)


def _is_message(event: ev.Event) -> bool:
    return isinstance(event, ev.UserMessage) or (isinstance(event, ev.Spilled) and event.of == "user.message")


def _is_message_id(log: list[SessionRecord], event_id: EventId) -> bool:
    """A message stands twice: where it was accepted and where it was placed."""
    return any(_is_message(event) and event.id == event_id for record in log for event in record.events)


def _without_state(record: SessionRecord) -> SessionRecord:
    from msgspec.structs import replace

    return replace(record, state=None)
