"""`price`: what each action costs in requests to DynamoDB and S3, invocations and messages. Exact, the same every time.

Every action goes through the mouth that it has on AWS: HTTP requests through Chalice, frames through the app's three
WebSocket functions. The one exception is the SSE reader, which is asked directly: in the streaming function it is one
invocation for as long as it reads, and what costs is each of its polls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.plane import Site, site
from bench.scene import Cost, Scene
from bench.unwatched import grow_unwatched
from chalicelib.wire.frames import Detach, ViewerPing
from chalicelib.wire.ids import SessionId
from chalicelib.wire.limits import LEASE_S


@dataclass(frozen=True)
class Action:
    """One line of the table: what it is called, what comes before it uncounted, and what is counted."""

    name: str
    before: Callable[[Scene], object]
    act: Callable[[Scene], object]


def prices() -> dict[str, Cost]:
    """What every action costs, in the table's order."""
    with site() as here:
        return {action.name: price(here, action) for action in ACTIONS}


def price(here: Site, action: Action) -> Cost:
    """What one action costs, on a plane of its own."""
    scene = Scene(here)
    action.before(scene)
    return scene.cost(lambda: action.act(scene))


# ---- what comes before


def _nothing(_scene: Scene) -> None:
    """The laptop is online, with no session."""


def _deleted(scene: Scene) -> None:
    scene.session()
    scene.delete()


def _asking(scene: Scene) -> None:
    scene.running()
    scene.ask()


def _pinged(scene: Scene) -> None:
    scene.running()
    scene.ping(working=True)


def _queued(scene: Scene) -> None:
    """A turn runs and the next message waits."""
    scene.running()
    scene.say()


def _said_twice(scene: Scene) -> None:
    scene.running()
    scene.event("next")


def _cold(scene: Scene) -> None:
    scene.running()
    scene.world.restart()


def _prompted(scene: Scene) -> None:
    scene.session()
    scene.say()


def _said_by_sdk(scene: Scene) -> None:
    scene.session()
    scene.say(x_stainless_retry_count="0")


def _uploaded(scene: Scene) -> None:
    scene.session()
    scene.upload()


def _brought(scene: Scene) -> None:
    _uploaded(scene)
    scene.say_with_file()


def _signed_in(scene: Scene) -> None:
    scene.session()
    scene.sign_in()


def _offline(scene: Scene) -> None:
    scene.session()
    scene.world.ws("$disconnect", scene.laptop.connection_id)


def _half_lease(scene: Scene) -> None:
    scene.world.clock.time += LEASE_S / 2 + 1


def _writing(scene: Scene) -> None:
    """Somebody watches the agent write."""
    scene.running().watched()
    scene.delta()


def _long(scene: Scene) -> None:
    """Fifty records are in the log; nobody has read them yet."""
    scene.running()
    for k in range(47):
        scene.event(f"old{k}")
    scene.viewers.append("viewer-0=")
    scene.connect_viewer("viewer-0=")


def _viewer(scene: Scene) -> None:
    scene.viewers.append("viewer-0=")
    scene.session().connect_viewer("viewer-0=")


def _followed(scene: Scene) -> None:
    """A reader has read all there is."""
    scene.follow()
    scene.poll()


def _followed_event(scene: Scene) -> None:
    _followed(scene.running())
    scene.event("next")


# ---- the table

ACTIONS: Final = (
    Action("connect: a laptop's WebSocket opens", _nothing, lambda s: s.reconnect()),
    Action("hello, nothing new about the laptop", lambda s: s.reconnect(), lambda s: s.hello()),
    Action("ping, nothing owed", _nothing, lambda s: s.ping()),
    Action("ping, every fourth: the lease is renewed", _half_lease, lambda s: s.ping()),
    Action("ping, one turn active", _pinged, lambda s: s.ping(working=True)),
    Action("a laptop's WebSocket closes", _nothing, lambda s: s.world.ws("$disconnect", s.laptop.connection_id)),
    Action("session create", Scene.session, lambda s: s.person.session(s.agent_id)),
    Action("the same by an SDK or with an Idempotency-Key", Scene.session, Scene.create_by_sdk),
    Action("message to an idle session, laptop online", Scene.session, lambda s: s.say()),
    Action(
        "the same with an Idempotency-Key",
        Scene.session,
        lambda s: s.say(idempotency_key="b5a2c6e0-1111-4222-8333-944445555666"),
    ),
    Action("the same by an SDK", Scene.session, lambda s: s.say(x_stainless_retry_count="0")),
    Action("the SDK's second try of it", _said_by_sdk, lambda s: s.say(x_stainless_retry_count="1")),
    Action("message to an idle session, laptop offline", _offline, lambda s: s.say()),
    Action("message to an idle session, with an uploaded file", _uploaded, Scene.say_with_file),
    Action("message behind a running turn", Scene.running, lambda s: s.say()),
    Action("the laptop fetches a session's bundle", Scene.session, Scene.fetch_bundle),
    Action("the laptop fetches a message's file", _brought, Scene.fetch_file),
    Action("accepted: the turn is on the laptop's disk", _prompted, lambda s: s.accept()),
    Action("whole event, nobody follows", Scene.running, lambda s: s.event("next")),
    Action("whole event, 1 viewer", lambda s: s.running().watched(1), lambda s: s.event("next")),
    Action("whole event, 3 viewers", lambda s: s.running().watched(3), lambda s: s.event("next")),
    Action("whole event, the container's first of its session", _cold, lambda s: s.event("next")),
    Action("repeat of an acknowledged batch", _said_twice, lambda s: s.resend("next")),
    Action("delta, 1 viewer", _writing, lambda s: s.delta()),
    Action("1,000 pieces of text that nobody watches", Scene.running, grow_unwatched),
    Action("permission question, 1 viewer", lambda s: s.running().watched(1), lambda s: s.ask()),
    Action("tool confirmation", _asking, lambda s: s.deny()),
    Action("interrupt", Scene.running, lambda s: s.post({"type": "user.interrupt"})),
    Action("turn end, queue empty", Scene.running, lambda s: s.end()),
    Action("turn end, the next one starts", _queued, lambda s: s.end()),
    Action("a viewer's WebSocket opens", Scene.session, lambda s: s.connect_viewer("viewer-0=")),
    Action("attach by WebSocket, idle session, live from now", _viewer, lambda s: s.attach("viewer-0=")),
    Action("attach by WebSocket, running turn, 50 records", _long, lambda s: s.attach("viewer-0=", after="0")),
    Action(
        "a viewer's ping",
        lambda s: s.running().watched(1),
        lambda s: s.frame("viewer-0=", ViewerPing(session_id=SessionId(s.session_id))),
    ),
    Action(
        "detach, the last one of a running turn",
        lambda s: s.running().watched(1),
        lambda s: s.frame("viewer-0=", Detach(session_id=SessionId(s.session_id))),
    ),
    Action(
        "a viewer's WebSocket closes, idle session",
        lambda s: s.session().watched(1),
        lambda s: s.world.ws("$disconnect", "viewer-0="),
    ),
    Action("SSE reader opens, idle session", Scene.session, Scene.follow),
    Action("SSE poll, idle", lambda s: _followed(s.session()), Scene.poll),
    Action("SSE poll, turn running, nothing new", lambda s: _followed(s.running()), Scene.poll),
    Action("SSE poll, one event", _followed_event, Scene.poll),
    Action("session retrieve", Scene.session, Scene.look),
    Action("the same by a browser's cookie", _signed_in, Scene.look_by_browser),
    Action("update of a session's title", Scene.session, Scene.rename),
    Action("archive an idle session", Scene.session, Scene.archive),
    Action("delete an idle session", Scene.session, Scene.delete),
    Action("disposed: the laptop has removed it", _deleted, lambda s: s.disposed()),
    Action("file upload, through the plane", _nothing, Scene.upload),
    Action("agent update", _nothing, Scene.update_agent),
    Action("a browser signs in by a key", _nothing, Scene.sign_in),
    Action("key rotation", _nothing, Scene.rotate_key),
    Action("share a runtime", _nothing, Scene.share),
    Action("sweep, nothing due", _nothing, lambda s: s.world.sweep()),
)
