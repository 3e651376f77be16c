"""The session: one conversation with an agent, as a machine.

Life of a message: accepted (it waits) -> its turn starts, as soon as no other runs and the machine is online (it has
its place in the log, and is *sent*) -> on the machine's disk -> started -> one terminal receipt. Inputs:

    Post      somebody posts messages, interrupts and answers to questions; all of it or nothing.
    Accepted  the daemon has the turn on disk.
    Batch     the daemon's whole events, numbered per outbox.
    Tick      hello, ping or sweep looked at the session: it binds to the room's outbox, starts what can start, and ends
              what is over its limits.
    Update    somebody changes what the session is called by.
    Archive   the session is read only from here on; only one at rest can be archived, and it stays on its machine.
    Delete, Disposed   the session ends here, then there.

Invariants: one turn runs; first in, first out; a message accepted gets exactly one terminal receipt, and it does not
change; a batch is applied once; what a replaced connection says is refused.

What can cross, and the rule that settles it:
- A replaced connection's frame after its successor's: the state keeps the highest epoch and refuses lower ones. Reading
  the room alone would not fence, since the read may be old by the time of the commit.
- A batch resent because its ack was lost: the watermark of its outbox, kept for every outbox followed.
- A cloned or restored disk using a number again: the hash beside the watermark.
- A second machine taking over while a turn is out: the turn ends ``unknown`` and is never sent again.
- A turn given up here that still runs there: the daemon's ping names the turns it has open, and one that is not the
  session's running turn is cancelled (``stray``). Its end still enters the log when it comes.
- A batch for a deleted session: answered with the dispose, never refused in silence.
- A post that an SDK sends again beside the post itself, in either order: the state remembers which tries were carried
  out (``repeats``), and both read it before either of them can commit after the other.
"""

from __future__ import annotations

from typing import Any, assert_never

from ..wire import events as ev
from ..wire.events import Event
from ..wire.ids import OutboxId
from ..wire.limits import MAX_MARKS, MAX_QUESTIONS, MAX_WAITING
from . import details, repeats
from .errors import Refused
from .naming import message_ids
from .session_cues import Accepted as Accepted
from .session_cues import Acked as Acked
from .session_cues import Archive as Archive
from .session_cues import Batch as Batch
from .session_cues import ConfirmationIn as ConfirmationIn
from .session_cues import Delete as Delete
from .session_cues import Disposed as Disposed
from .session_cues import Gone as Gone
from .session_cues import InterruptIn as InterruptIn
from .session_cues import Item as Item
from .session_cues import MessageIn as MessageIn
from .session_cues import Post as Post
from .session_cues import Repeated as Repeated
from .session_cues import SessionCue as SessionCue
from .session_cues import Tick as Tick
from .session_cues import Update as Update
from .session_draft import Draft
from .session_state import Mark, Question, RoomView, SessionState, Turn, Waiting
from .step import Stale, Step

KEPT_LAPSED = 6
"""How many outboxes without a watermark are remembered, so that a batch of theirs is known for old."""


SessionStep = Step[SessionState, Event]


def decide(state: SessionState, cue: SessionCue, *, n: int, now: float) -> SessionStep:
    """What follows from ``cue``. ``n`` is the number the new record would have; ``now`` epoch seconds.

    Returns:
        A step. Its ``answer`` is ``Refused`` for what people may not do, ``Repeated`` for a post that was carried out
        before, ``Stale`` for a frame of a replaced connection, ``Acked`` or ``Gone`` for a batch, None otherwise.
    """
    draft = Draft(state, n, now)
    match cue:
        case Post():
            return _post(draft, cue)
        case Accepted():
            return _accepted(draft, cue)
        case Batch():
            return _batch(draft, cue)
        case Tick():
            return _tick(draft, cue)
        case Update():
            return _update(draft, cue)
        case Archive():
            return _archive(draft)
        case Delete():
            return _delete(draft)
        case Disposed():
            if cue.epoch < state.epoch:
                return Step(state, answer=Stale(state.epoch))
            if state.status == "deleting":
                draft.set(status="deleted")
            return draft.step()
        case _:
            assert_never(cue)


# ---- what people do


def _post(draft: Draft, cue: Post) -> SessionStep:
    before = draft.state
    done = repeats.repeated(before.tried, cue.attempt) if cue.attempt and before.status == "open" else None
    if done is not None:
        return Step(before, answer=Repeated(done))
    closed = _closed(before)
    if closed:
        return Step(before, answer=closed)
    count = sum(isinstance(item, MessageIn) for item in cue.items)
    if count and len(before.waiting) >= MAX_WAITING:
        why = f"Session {before.session_id} has {MAX_WAITING} messages waiting; send again when fewer wait."
        return Step(before, answer=Refused("queue_full", why))
    if count:
        draft.set(waiting=(*before.waiting, Waiting(draft.n, count, draft.now + cue.expires_in_s)))
    ids = iter(message_ids(before.session_id, draft.n, count))
    for item in cue.items:
        match item:
            case MessageIn():
                expires_at = draft.now + cue.expires_in_s
                draft.tell(ev.UserMessage(id=next(ids), content=item.content, expires_at=expires_at))
            case InterruptIn():
                _interrupt(draft)
            case ConfirmationIn():
                refused = _confirm(draft, item, cue.by)
                if refused:
                    return Step(before, answer=refused)
            case _:
                assert_never(item)
    if count and any(one.n == draft.n for one in draft.state.waiting):
        draft.receipt(message_ids(before.session_id, draft.n, count), "queued")
    if cue.attempt and cue.items:
        draft.set(tried=(*before.tried, repeats.Tried(draft.n, cue.attempt)))
    _advance(draft, cue.room)
    return draft.step()


def _closed(state: SessionState) -> Refused | None:
    """Why people can't do anything with the session but read it, or None."""
    if state.status != "open":
        return Refused("session_not_found", f"There is no session {state.session_id}.")
    if state.archived_at is not None:
        return Refused("session_archived", f"Session {state.session_id} is archived: it can be read, and deleted.")
    return None


def _interrupt(draft: Draft) -> None:
    draft.tell(ev.UserInterrupt(id=draft.next_id()))
    turn = draft.state.turn
    if turn is None:
        for waiting in draft.state.waiting:
            if waiting.n != draft.n:
                draft.drop(waiting, "cancelled")
    elif not turn.cancel:
        draft.set_turn(cancel=True)


def _confirm(draft: Draft, item: ConfirmationIn, by: str | None) -> Refused | None:
    for question in draft.state.questions:
        if question.tool_use_id == item.tool_use_id:
            if question.verdict_n is not None:
                return Refused("already_answered", f"The question {item.tool_use_id} has been answered.")
            answered = Question(item.tool_use_id, question.asked_n, draft.n)
            draft.set(questions=tuple(answered if q is question else q for q in draft.state.questions))
            draft.tell(
                ev.UserToolConfirmation(
                    id=draft.next_id(),
                    tool_use_id=item.tool_use_id,
                    result=item.result,
                    deny_message=item.deny_message,
                    answered_by=by,
                )
            )
            return None
    return Refused("no_such_question", f"No question {item.tool_use_id} is open in this session.")


def _update(draft: Draft, cue: Update) -> SessionStep:
    closed = _closed(draft.state)
    if closed:
        return Step(draft.state, answer=closed)
    names = details.changed(cue.before, cue.after)
    if names:
        draft.set(details_n=draft.n)
        after = cue.after
        draft.tell(ev.SessionUpdated(id=draft.next_id(), title=after.title, metadata=after.metadata, changed=names))
    return draft.step()


def _archive(draft: Draft) -> SessionStep:
    state = draft.state
    if state.status == "open" and state.archived_at is not None:
        return draft.step()
    closed = _closed(state)
    if closed:
        return Step(state, answer=closed)
    if state.turn or state.waiting:
        why = f"Session {state.session_id} has work; interrupt it, or archive it when it is idle."
        return Step(state, answer=Refused("session_running", why))
    draft.archive()
    return draft.step()


def _delete(draft: Draft) -> SessionStep:
    if draft.state.status != "open":
        return draft.step()
    for waiting in draft.state.waiting:
        draft.drop(waiting, "cancelled")
    if draft.state.turn:
        draft.end_turn("cancelled")
    draft.set(status="deleting", questions=())
    draft.tell(ev.SessionDeleted(id=draft.next_id()))
    return draft.step()


# ---- what the daemon says


def _accepted(draft: Draft, cue: Accepted) -> SessionStep:
    state, turn = draft.state, draft.state.turn
    if cue.epoch < state.epoch:
        return Step(state, answer=Stale(state.epoch))
    if turn and (turn.turn_id, turn.outbox, turn.receipt) == (cue.turn_id, cue.outbox, "sent"):
        draft.set_turn(receipt="on_machine", touched_at=draft.now, began_at=draft.now)
        draft.receipt(draft.ids_of(turn.message), "on_machine", turn.turn_id)
    return draft.step()


def _batch(draft: Draft, cue: Batch) -> SessionStep:
    state = draft.state
    if state.status != "open":
        return Step(state, answer=Gone())
    if not _bind(draft, cue.room, cue.outbox):
        return Step(state, answer=Stale(state.epoch))
    mark = next((one for one in draft.state.marks if one.outbox == cue.outbox), None)
    if mark is None and cue.outbox in state.lapsed:
        return Step(state, answer=Acked(0, "renew"))
    done = mark.batch if mark else 0
    if cue.batch <= done:
        clash = mark is not None and cue.batch == done and mark.hash != cue.hash
        return Step(state, answer=Acked(done, "conflict" if clash else "ok"))
    if cue.batch > done + 1:
        return Step(state, answer=Acked(done, "gap"))
    _raise_mark(draft, Mark(cue.outbox, cue.batch, cue.hash))
    for event in cue.events:
        _agent_event(draft, event)
    if draft.state.turn:
        draft.set_turn(live_from=(cue.room.epoch, cue.live_from))
    _advance(draft, cue.room)
    return draft.step(Acked(cue.batch))


def _raise_mark(draft: Draft, mark: Mark) -> None:
    kept = tuple(one for one in draft.state.marks if one.outbox != mark.outbox)
    evicted = kept[: max(0, len(kept) + 1 - MAX_MARKS)]
    lapsed = (*draft.state.lapsed, *(one.outbox for one in evicted))[-KEPT_LAPSED:]
    draft.set(marks=(*kept[len(evicted) :], mark), lapsed=lapsed)


def _agent_event(draft: Draft, event: ev.DaemonEvent) -> None:
    turn = draft.state.turn
    if turn is None or getattr(event, "turn_id", None) != turn.turn_id:
        draft.tell(event)
        return
    changes: dict[str, Any] = {"touched_at": draft.now}
    if turn.receipt != "started" and not isinstance(event, ev.TurnEnded):
        changes |= {"receipt": "started", "began_at": turn.began_at or draft.now}
        draft.receipt(draft.ids_of(turn.message), "started", turn.turn_id)
    draft.set_turn(**changes)
    draft.tell(event)
    match event:
        case ev.AgentToolUse(evaluated_permission="ask") if len(draft.state.questions) < MAX_QUESTIONS:
            draft.set(questions=(*draft.state.questions, Question(event.id, draft.n)))
        case ev.PermissionSettled():
            left = tuple(one for one in draft.state.questions if one.tool_use_id != event.tool_use_id)
            draft.set(questions=left)
        case ev.TurnEnded():
            draft.end_turn(event.outcome, event.stop_reason)
        case _:
            pass


# ---- what time and the room bring


def _tick(draft: Draft, cue: Tick) -> SessionStep:
    state = draft.state
    if state.status != "open":
        return draft.step()
    if cue.room.epoch < state.epoch:
        return Step(state, answer=Stale(state.epoch))
    if cue.room.outbox is not None:
        _bind(draft, cue.room, cue.room.outbox)
    for waiting in draft.state.waiting:
        if waiting.expires_at <= draft.now:
            draft.drop(waiting, "expired")
    turn = draft.state.turn
    if turn is not None:
        # Without an idle limit nobody asks for the last sign of activity, and a ping is to cost no write.
        limit_s = state.idle_limit_s
        if limit_s and turn.turn_id in cue.active and draft.now - turn.touched_at > limit_s / 2:
            draft.set_turn(touched_at=draft.now)
        why = _over_limit(draft.state, draft.state.turn or turn, cue.room, draft.now)
        if why:
            draft.end_turn("unknown", why=why)
    _advance(draft, cue.room)
    return draft.step()


def _over_limit(state: SessionState, turn: Turn, room: RoomView, now: float) -> str | None:
    """Why the turn is given up, or None. The idle limit rests while the machine is away, and counts from its return."""
    if turn.began_at is None:
        return "it was sent, and its machine never confirmed it" if turn.message.expires_at <= now else None
    if state.hard_limit_s and now - turn.began_at > state.hard_limit_s:
        return f"it ran longer than {state.hard_limit_s:g} s"
    quiet_since = max(turn.touched_at, room.since)
    if state.idle_limit_s and room.online(now) and now - quiet_since > state.idle_limit_s:
        return f"it showed no activity for {state.idle_limit_s:g} s"
    return None


def _bind(draft: Draft, room: RoomView, outbox: OutboxId) -> bool:
    """Follows ``outbox`` under the room's epoch. False, changing nothing, when the session has seen a newer one.

    Another outbox is only followed under a higher epoch; a turn that is out on the former one ends ``unknown``.
    """
    state = draft.state
    if room.epoch < state.epoch or (room.epoch == state.epoch and state.outbox not in (None, outbox)):
        return False
    if room.epoch > state.epoch:
        draft.set(epoch=room.epoch)
    if state.outbox != outbox:
        draft.set(outbox=outbox)
    if state.turn and state.turn.outbox != outbox:
        draft.end_turn("unknown", why="another daemon took over its runtime")
    return True


def _advance(draft: Draft, room: RoomView) -> None:
    """Starts the next turn if none runs, something waits, and its machine is online."""
    state = draft.state
    if state.turn or not state.waiting or room.outbox is None or not room.online(draft.now):
        return
    if not _bind(draft, room, room.outbox):
        return
    draft.begin_turn(state.waiting[0], room.outbox)
