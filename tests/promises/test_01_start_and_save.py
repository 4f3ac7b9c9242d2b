"""1. Killed between the start of a run and the note of it: it is known to run, and how it ends.

Established engines show what lives as never started, and how it ended as a success (FAULTS row a).
"""

from pathlib import Path

import pytest
from tests.engine.conftest import Simulation
from tests.promises.conftest import let_go, patient
from tests.victims import killed_everywhere

from lockgate import Engine, Record, Status
from lockgate.effects.config import Config
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.deaths import Fuse, Killed


def start(engine: Engine) -> None:
    engine.start("web")


def running(engine: Engine) -> Record:
    """What the next command makes of it."""
    record = engine.sync("web")
    return record if record.status is Status.RUNNING else engine.start("web")


def ended_once(engine: Engine, record: Record) -> None:
    """With 7, for whoever asks, early or late, and in the only run there was."""
    assert [engine.wait("web"), engine.wait("web")] == [7, 7]
    after = engine.inspect("web")
    assert (after.status, after.exit_code, after.epoch) == (Status.STOPPED, 7, 1)
    promised.one_exit_each(newborn(Config(id=record.id)), engine.history(record.id))
    told = [event.event for event in engine.events() if event.container == record.id]
    assert (told.count("start"), told.count("died")) == (1, 1)


@pytest.mark.parametrize("meanwhile", [False, True], ids=["it goes on", "it ends unseen"])
def test_on_the_simulated_host(meanwhile: bool, simulation: Simulation) -> None:
    place = 0
    while True:
        place += 1
        survivor = simulation.engine()
        web = survivor.create(name="web", image="busybox", network="private")
        try:
            simulation.engine(Fuse(place)).start("web")
            killed = False
        except Killed:
            killed = True
        if meanwhile and simulation.host.world(web.id).runtime == "running":
            simulation.host.end(web.id, 7)
            survivor.sync("web")
        else:
            assert running(survivor).status is Status.RUNNING
            simulation.host.end(web.id, 7)
        ended_once(survivor, web)
        survivor.remove("web")
        if not killed:
            break
    assert place > 10


@pytest.mark.real
@pytest.mark.slow
def test_on_a_real_one(engine: Engine, root: Path, runtime: str) -> None:
    patient(engine, network="private")
    for _ in killed_everywhere(root, runtime, start):
        let_go(record := running(engine))
        ended_once(engine, record)
        engine.remove("web")
        patient(engine, network="private")
