"""One random schedule: built from its seed, run until everything settled, checked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Agent, RuntimeBinding
from chalicelib.core.session_state import has_work
from chalicelib.wire.ids import AgentId, SessionId

from .checks import check_all, records
from .faults import EVERYTHING, SOUND, Faults
from .laptop import Laptop, Witness
from .people import Answerer, PollingViewer, Sender, SocketViewer
from .world import RUNTIME, TENANT, World

SETTLE_S = 20_000.0
"""How long a schedule may take to settle after the faults are over (seconds of its own time)."""


@dataclass
class Outcome:
    """What a schedule came to."""

    seed: int
    flaws: list[str]
    world: World


class Schedule:
    """Builds and runs one schedule.

    Args:
        seed: which one.
        stores: makes the stores.
        small: one session, little time: the shortest way to see a broken rule.
        faults: what goes wrong in it.
    """

    def __init__(
        self, seed: int, stores: Callable[[World], Stores], *, small: bool = False, faults: Faults = EVERYTHING
    ) -> None:
        dice = random.Random(seed * 7919 + 1)
        self.seed, self.faults = seed, faults
        fault_s = dice.choice([300.0, 800.0] if small else [300.0, 1000.0, 2500.0])
        self.world = World(seed, stores, fault_s, faults)
        self.witness = Witness()
        self.second = dice.choice([None, None, "other", "clone"])
        self.cloned = False
        self.world.containers[0].rooms.open(TENANT, RUNTIME)
        self.sessions = [SessionId(f"sesn_{k}") for k in range(1 if small else dice.choice([1, 1, 2]))]
        for one in self.sessions:
            self._create(one, dice)
        self.laptops = [Laptop(self.world, "A", self.witness)]
        self.laptops[0].start()
        self._people(dice, small)
        self.world.sweeping()
        self._chaos()
        if self.second and faults.laptops_fail:
            self.world.spawn(self._second_daemon, dice.uniform(30, 300))
        self.world.spawn(self._end_of_faults, self.world.fault_until - self.world.now_s + 1.0)

    def run(self) -> Outcome:
        """Runs it to its end and checks it."""
        settled = self.world.run(self._settled, self.world.fault_until - self.world.now_s + SETTLE_S)
        flaws = check_all(
            self.world,
            self.sessions,
            self.laptops,
            self.senders,
            self.viewers,
            self.witness,
            settled=settled,
            cloned=self.cloned,
        )
        self.world.close()
        for laptop in self.laptops:
            laptop.journal.close()
        return Outcome(self.seed, flaws, self.world)

    def _create(self, session_id: SessionId, dice: random.Random) -> None:
        agent = Agent(
            tenant_id=TENANT,
            agent_id=AgentId("agent_1"),
            version=1,
            name="scripted",
            created_at=self.world.now_s,
            updated_at=self.world.now_s,
            runtime_binding=RuntimeBinding(runtime_id=RUNTIME, acp_agent_id="echo"),
            idle_limit_s=dice.choice([200.0, 600.0]),
            hard_limit_s=dice.choice([500.0, 3600.0]),
        )
        self.world.containers[0].sessions.create(
            session_id, agent, title=None, metadata={}, environment_id="env", items=(), expires_in_s=1.0
        )

    def _people(self, dice: random.Random, small: bool) -> None:
        self.senders: list[Sender] = []
        self.viewers: list[SocketViewer | PollingViewer] = []
        for one in self.sessions:
            Answerer(self.world, one).start()
            for k in range(1 if small else 2):
                deletes = k == 0 and dice.random() < 0.3
                sender = Sender(self.world, one, f"{one}-u{k}", dice.choice([1, 2, 3]), deletes)
                sender.start()
                self.senders.append(sender)
            after = [None, "0"]
            watchers: list[SocketViewer | PollingViewer] = [
                SocketViewer(self.world, one, dice.choice(after)),
                PollingViewer(self.world, one, dice.choice(after), 30.0 if small else 6.0),
            ]
            for viewer in watchers:
                viewer.start(dice.uniform(0, 300))
                self.viewers.append(viewer)

    def _chaos(self) -> None:
        world = self.world

        def strike() -> None:
            if world.now_s >= world.fault_until:
                return
            laptop = world.rng.choice(self.laptops)
            what = world.rng.random()
            if what < 0.35 or not self.faults.laptops_fail:
                open_wires = [one for one in world.wires.values() if one.open and one.line != SOUND]
                if open_wires:
                    world.hang_up(world.rng.choice(open_wires).connection_id)
            elif what < 0.6:
                laptop.die()
            elif what < 0.8:
                if world.rng.random() < 0.5:
                    laptop.say_goodnight()
                laptop.asleep_until = world.now_s + world.rng.choice([60.0, 200.0, 800.0])
                world.say("SLEEPS", laptop.name, laptop.asleep_until - 1_000_000)
            elif len(self.laptops) > 1:
                self.laptops[1].start()
            world.spawn(strike, world.rng.uniform(20, 150))

        world.spawn(strike, world.rng.uniform(20, 150))

    def _second_daemon(self) -> None:
        if self.world.now_s >= self.world.fault_until:
            return
        image = None
        if self.second == "clone":
            self.cloned = True
            image = self.laptops[0].journal.image()
        twin = Laptop(self.world, "B", self.witness, image)
        self.laptops.append(twin)
        self.world.say("SECOND DAEMON", self.second)
        twin.start()

    def _end_of_faults(self) -> None:
        self.world.say("CALM")
        for laptop in self.laptops:
            laptop.asleep_until = 0.0
        if len(self.laptops) > 1:
            self.world.rng.choice(self.laptops).switch_off()
        for laptop in self.laptops:
            self.world.spawn(laptop.start, 1.0)

    def _settled(self) -> bool:
        if self.world.plane_tasks > sum(isinstance(one, PollingViewer) for one in self.viewers) or not all(
            one.done for one in self.senders
        ):
            return False
        if not all(one.settled() for one in self.laptops):
            return False
        heads = {one: records(self.world, one)[-1] for one in self.sessions}
        if any(has_work(head.state) for head in heads.values()):
            return False
        return all(
            heads[one.session_id].state.status != "open" or one.at == heads[one.session_id].n for one in self.viewers
        )
