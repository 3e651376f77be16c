"""A hostile network for journeys: a WebSocket proxy before a plane, which treats what passes through it badly.

It knows messages, not bytes. Each text message, in either direction, may be dropped, doubled, or held back so that
later ones overtake it, and a connection ends in the midst of things. What is no message passes as it is: the headers of
a handshake, the status of a refused one, the fragments of a message, close codes.

The proxy has an event loop in a thread of its own. With the same seed, the n-th message of a connection's direction
meets the same fate, whatever happens elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import random
import threading
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Request, Response

from .ground import Laptop
from .waiting import PATIENCE_S

T = TypeVar("T")
Peer = ClientConnection | ServerConnection

_OF_THE_HOP = frozenset(
    {"host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"}
)
"""Headers of a handshake that each connection makes for itself."""

_UNSPOKEN = (1005, 1006, 1015)
"""Close codes that never stand in a close frame. Source: RFC 6455 §7.4.1."""


@dataclass(frozen=True)
class Profile:
    """How a network behaves: numbers are probabilities of one message, pairs bound what is drawn for each connection.

    Attributes:
        drop: it never arrives.
        double: it arrives twice, the second time up to ``hold_back_ms`` later.
        hold_back: it arrives up to ``hold_back_ms`` later, and those behind it may overtake it.
        hold_back_ms: in milliseconds.
        latency_ms: each message takes this long, and each leg of a handshake (milliseconds).
        cut_after: the connection ends at its message of this number, both directions counted.
        cut_after_s: it ends after so many seconds, if it still lives.
    """

    drop: float = 0.0
    double: float = 0.0
    hold_back: float = 0.0
    hold_back_ms: float = 300.0
    latency_ms: float = 0.0
    cut_after: tuple[int, int] | None = None
    cut_after_s: tuple[float, float] | None = None


CALM = Profile()


class HostileNetwork:
    """What stands between daemons or viewers and one plane.

    Args:
        plane_url: the plane's WebSocket address.
        seed: of its chances.
        profile: how it behaves until told otherwise.

    Attributes:
        url: where to connect instead.
        profile: may be set at any time; connections that stand obey it from their next message on.
        befallen: how many messages ``passed``, how many of them ``doubled`` or ``held_back``, how many were
            ``dropped``, and how many connections ``cut``.
    """

    def __init__(self, plane_url: str, seed: int, profile: Profile = CALM) -> None:
        self.profile, self.befallen = profile, Counter[str]()
        self._plane_url, self._seed = plane_url, seed
        self._far: dict[ServerConnection, ClientConnection] = {}
        self._passages: set[_Passage] = set()
        self._dialed = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hostile network")
        self._thread.start()
        self._server = self._call(self._open())
        self.url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    def __enter__(self) -> HostileNetwork:
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def stand_before(self, laptop: Laptop) -> None:
        """Has a laptop's daemon, which is not started yet, dial here."""
        credentials = laptop.home / "credentials.json"
        known = json.loads(credentials.read_text())
        credentials.write_text(json.dumps({**known, "ws_url": self.url}))

    def calm(self) -> None:
        """Nothing is done to messages and connections from now on; what is half open stays so."""
        self.profile = CALM

    def cut(self) -> None:
        """Ends every connection now, on both sides, without a word."""
        self._call(self._cut_all())

    def go_half_open(self) -> None:
        """Every connection stays as it is and carries nothing any more; new ones work."""
        self._call(self._numb_all())

    # ---- in the thread

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _open(self) -> Server:
        return await serve(
            self._talk,
            "127.0.0.1",
            0,
            process_request=self._handshake,
            open_timeout=None,
            ping_interval=None,
            compression=None,
            max_size=None,
        )

    async def _close(self) -> None:
        await self._cut_all()
        self._server.close()
        await self._server.wait_closed()

    async def _cut_all(self) -> None:
        for passage in list(self._passages):
            passage.cut()
        for far in self._far.values():  # Of handshakes that are not done yet.
            far.transport.abort()

    async def _numb_all(self) -> None:
        for passage in self._passages:
            passage.is_numb = True

    async def _handshake(self, near: ServerConnection, request: Request) -> Response | None:
        """Knocks at the plane with the same headers. A refusal is handed back as it came."""
        headers = [(name, value) for name, value in request.headers.raw_items() if name.lower() not in _OF_THE_HOP]
        await self._lag()
        try:
            self._far[near] = await connect(
                self._plane_url.rstrip("/") + request.path,
                additional_headers=headers,
                user_agent_header=None,
                open_timeout=None,
                ping_interval=None,
                compression=None,
                max_size=None,
                proxy=None,
            )
        except InvalidStatus as exc:
            return exc.response
        except (OSError, InvalidHandshake):  # The plane is gone.
            return Response(502, http.HTTPStatus.BAD_GATEWAY.phrase, Headers())
        finally:
            await self._lag()
        return None

    async def _lag(self) -> None:
        await asyncio.sleep(self.profile.latency_ms / 1000)

    async def _talk(self, near: ServerConnection) -> None:
        self._dialed += 1
        passage = _Passage(self, f"{self._seed}/{self._dialed}", near, self._far.pop(near))
        self._passages.add(passage)
        try:
            await passage.live()
        finally:
            self._passages.discard(passage)


class _Passage:
    """One connection of a daemon and the one of ours that carries it on to the plane."""

    def __init__(self, network: HostileNetwork, seed: str, near: ServerConnection, far: ClientConnection) -> None:
        self.is_numb = False
        self._network, self._near, self._far = network, near, far
        self._seed, self._dice = seed, random.Random(seed)
        self._late: set[asyncio.Task[None]] = set()
        self._carried = 0
        bounds = network.profile.cut_after
        self._cut_at = self._dice.randint(*bounds) if bounds else None

    async def live(self) -> None:
        """Carries messages until both connections have ended."""
        clock = asyncio.create_task(self._run_out())
        try:
            await asyncio.gather(self._carry(self._near, self._far, "up"), self._carry(self._far, self._near, "down"))
        finally:
            clock.cancel()

    def cut(self) -> None:
        """Ends both connections without a word; what is on its way is lost."""
        self._network.befallen["cut"] += 1
        for task in self._late:
            task.cancel()
        for peer in (self._near, self._far):
            peer.transport.abort()

    async def _carry(self, source: Peer, target: Peer, direction: str) -> None:
        dice = random.Random(f"{self._seed}/{direction}")
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._befall([fragment async for fragment in source.recv_streaming()], target, dice)
        if not self.is_numb:
            await self._pass_on_the_end(source, target)

    def _befall(self, message: list[str | bytes], target: Peer, dice: random.Random) -> None:
        """Lets chance decide what becomes of a message."""
        profile, befallen = self._network.profile, self._network.befallen
        dropped, doubled, held = (dice.random() < p for p in (profile.drop, profile.double, profile.hold_back))
        later_ms = profile.latency_ms + dice.uniform(0.0, profile.hold_back_ms)
        self._carried += 1
        if profile.cut_after and self._carried == self._cut_at:
            self.cut()
        elif dropped:
            befallen["dropped"] += 1
        else:
            befallen.update(passed=1, doubled=doubled, held_back=held)
            self._deliver(message, target, later_ms if held else profile.latency_ms)
            if doubled:
                self._deliver(message, target, later_ms)

    def _deliver(self, message: list[str | bytes], target: Peer, after_ms: float) -> None:
        task = asyncio.create_task(self._arrive(message, target, after_ms))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _arrive(self, message: list[str | bytes], target: Peer, after_ms: float) -> None:
        await asyncio.sleep(after_ms / 1000)
        if self.is_numb:
            return
        with contextlib.suppress(ConnectionClosed):
            await target.send(message[0] if len(message) == 1 else message)

    async def _pass_on_the_end(self, source: Peer, target: Peer) -> None:
        """Closes the other side as this one was closed, behind what is on its way."""
        if self._late:
            await asyncio.wait(self._late)
        code = source.close_code
        if code is None or code in _UNSPOKEN:
            target.transport.abort()
        else:
            await target.close(code, source.close_reason or "")

    async def _run_out(self) -> None:
        """Ends the connection when its time is over."""
        bounds = self._network.profile.cut_after_s
        if bounds:
            await asyncio.sleep(self._dice.uniform(*bounds))
            if self._network.profile.cut_after_s:
                self.cut()
