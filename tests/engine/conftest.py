"""Engines on the simulated host, with everything they stand on within reach."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lockgate import Engine, Record
from lockgate.adapters.simulated import SimulatedHost
from lockgate.effects.model import AnyEffect
from lockgate.effects.ports import Store
from lockgate.host import Host
from lockgate.simulation import simulated


class Simulation:
    """A host and any number of engines on it; `trouble` maps a kind of effect to what it raises."""

    def __init__(self, store: Store | None = None) -> None:
        self.trouble: dict[type[AnyEffect], Exception] = {}
        self.wiring: Host = simulated()
        if store is not None:
            self.wiring = dataclasses.replace(self.wiring, store=store)
        assert self.wiring.simulation is not None
        self.host: SimulatedHost = self.wiring.simulation
        self.host.before = self._before
        self._engines: list[Engine] = []
        self.seen: list[AnyEffect] = []

    def _before(self, effect: AnyEffect) -> None:
        self.seen.append(effect)
        problem = self.trouble.get(type(effect))
        if problem is not None:
            raise problem

    def engine(self, probe: Callable[[str], None] | None = None) -> Engine:
        engine = Engine(self.wiring, probe) if probe else Engine(self.wiring)
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        for engine in self._engines:
            engine.close()


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    made = Simulation()
    yield made
    made.close()


@pytest.fixture
def engine(simulation: Simulation, tmp_path: Path) -> Engine:
    made = simulation.engine()
    made.import_image("busybox", tmp_path, command=["sh"], env=["A=image", "B=image"])
    return made


@pytest.fixture
def web(engine: Engine) -> Record:
    return engine.create(name="web", image="busybox", command=["sleep", "60"])
