"""Engines on a host where anything may go wrong: Hypothesis gives the orders, the promises judge.

Two containers, every command, every fault of the plan, deaths of the engine, drift, the clock; whatever happened, it can all be taken apart in the end.
"""

from typing import get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from tests.soak import DONE, SOAK

from lockgate import Engine, LockgateError
from lockgate.adapters.simulated import DRIFTS, FaultPlan, World
from lockgate.adapters.simulated.faults import TURNS, Turn
from lockgate.effects.config import Config
from lockgate.effects.model import AnyEffect
from lockgate.effects.ports import NameTakenError
from lockgate.simulation import simulated
from lockgate.statemachine import inputs as i
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.containers import LENDING
from lockgate.testing.deaths import Fuse, Killed

COMMANDS: tuple[i.Command, ...] = (
    i.Init(),
    i.Start(),
    i.Stop(0),
    i.Kill(),
    i.Kill(signal=10),
    i.Pause(),
    i.Unpause(),
    i.Restart(0),
    i.Checkpoint(),
    i.Checkpoint(leave_running=True),
    i.Restore(),
    i.Restore(keep=True),
    i.Update(memory=1 << 28),
    i.Cleanup(),
    i.Remove(),
    i.Remove(force=True, timeout=0),
)
names = st.sampled_from(("web", "www"))
KINDS: tuple[type[AnyEffect], ...] = get_args(AnyEffect)


class Lives(RuleBasedStateMachine):
    """Two containers by name; `ids` of all there ever were."""

    @initialize()
    def opened(self) -> None:
        self.wiring = simulated()
        assert self.wiring.simulation is not None
        self.host = self.wiring.simulation
        self.engine = Engine(self.wiring)
        self.ids: dict[str, list[str]] = {"web": [], "www": []}
        self.frozen_by_others: set[str] = set()

    def teardown(self) -> None:
        DONE["lives"] += 1
        if not hasattr(self, "engine"):
            return
        self.host.plan.cease()
        for container in self.host.worlds():
            self.host.drift(container, DRIFTS["let go"])
        for record in self.engine.list():
            for _ in "twice at most":
                if any(record.id == other.id for other in self.engine.list()):
                    try:
                        self.engine.remove(record.id, force=True, timeout=0)
                    except LockgateError:
                        pass
        assert not self.engine.list() and not self.host.worlds(), "P05: not all could be removed"
        self.engine.close()

    # ---- what may happen -----------------------------------------------------------------

    @rule(name=names)
    def created(self, name: str) -> None:
        container = f"{name}-{len(self.ids[name])}"
        config = replace(LENDING, id=container, name=name, command=("sh",), restart="no")
        try:  # an id of our own, so that the same choices make the same life
            self.engine._interpreter.submit(container, i.Create(config))
        except NameTakenError:
            return
        self.ids[name].append(container)

    @rule(name=names, command=st.sampled_from(COMMANDS), at=st.integers(0, 12))
    def commanded(self, name: str, command: i.Command, at: int) -> None:
        """By an engine that dies at the `at`-th place it passes, if it gets there."""
        before = self.host.worlds()
        mortal = Engine(self.wiring, Fuse(at))
        try:
            mortal.submit(name, command)
        except (LockgateError, Killed):
            pass
        finally:
            mortal._interpreter.close()
        about = self.ids[name][-1] if self.ids[name] else ""
        promised.untouched(before, self.host.worlds(), about)

    @rule(kind=st.sampled_from(KINDS), turn=st.sampled_from(TURNS))
    def something_is_about_to_go_wrong(self, kind: type[AnyEffect], turn: Turn) -> None:
        self.host.plan = FaultPlan({(kind, 1): turn})

    @rule(name=names, drift=st.sampled_from(sorted(DRIFTS)))
    def others_meddle(self, name: str, drift: str) -> None:
        for container in self.ids[name][-1:]:
            self.host.drift(container, DRIFTS[drift])
            if drift == "frozen":
                self.frozen_by_others.add(container)

    @rule(name=names, code=st.integers(0, 255))
    def ended(self, name: str, code: int) -> None:
        for container in self.ids[name][-1:]:
            self.host.end(container, code)

    @rule(seconds=st.integers(-(10**6), 10**6))
    def clock_set(self, seconds: int) -> None:
        self.host.advance(seconds)

    # ---- what must hold ------------------------------------------------------------------

    @precondition(lambda self: hasattr(self, "engine"))
    @invariant()
    def nothing_is_forgotten(self) -> None:
        rows = {row.container for row in self.wiring.store.rows()}
        assert set(self.host.worlds()) <= rows, "P08: something exists that no record tells of"
        records = self.engine.list()  # which may finish what was interrupted: the world comes after
        worlds = self.host.worlds()
        for record in records:
            world = worlds.get(record.id, World())
            promised.owned(record)
            there = promised.footprint(world)
            if record.id in self.frozen_by_others:
                there = replace(there, held=there.held - {"freezer"})
            promised.intent_first(record, there)

    @precondition(lambda self: hasattr(self, "engine"))
    @invariant()
    def histories_hold(self) -> None:
        promised.in_order(list(self.engine.events()))
        for container in self.ids["web"][-1:]:
            history = list(self.engine.history(container))
            blank = newborn(Config(id=container))
            promised.replays(blank, history)
            promised.ordered_before_heard(history)
            promised.one_exit_each(blank, history)
            promised.stop_wins(history)


Lives.TestCase.settings = settings(max_examples=120 * SOAK, stateful_step_count=30, deadline=None)
TestLives = pytest.mark.sampled(Lives.TestCase)
