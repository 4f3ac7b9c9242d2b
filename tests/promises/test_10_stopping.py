"""10. Stops from any number of operators, while their owners die: one end, no later start, and every
stopper who lives has succeeded.

In established engines a killed stopper leaves a container that can neither be stopped nor started
(FAULTS row h, B012, B016).
"""

import os
import signal
import threading
from collections.abc import Collection, Iterator
from itertools import combinations
from pathlib import Path

import pytest
from tests.effects.test_interpreter import House
from tests.promises.conftest import patient
from tests.soak import WHOLE
from tests.victims import Victim
from tests.waiting import until

from lockgate import AlreadyStopped, Engine, Record, Status
from lockgate.adapters.oci.process import end
from lockgate.adapters.simulated import DRIFTS
from lockgate.effects.config import Config
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.deaths import Killed

STOPPERS = 5


def subsets() -> Iterator[frozenset[int]]:
    for size in range(STOPPERS + 1):
        yield from map(frozenset, combinations(range(STOPPERS), size))


def ended_once(engine: Engine, web: Record, code: int) -> None:
    """And nothing is begun again, though its policy is to restart it always."""
    after = engine.sync("web")
    assert (after.status, after.epoch) == (Status.STOPPED, 1)
    assert after.exit_code == code
    assert engine.wait("web") == code
    again = engine.settle("web")
    assert again is not None and (again.status, again.epoch) == (Status.STOPPED, 1)
    history = list(engine.history(web.id))
    promised.one_exit_each(newborn(Config(id=web.id)), history)
    promised.stop_wins(history)
    assert promised.replays(newborn(Config(id=web.id)), history) == again
    told = [event.event for event in engine.events() if event.container == web.id]
    assert (told.count("start"), told.count("died")) == (1, 1)


class Stopper(threading.Thread):
    """An engine that stops `web`, and is told at the moment when it would act whether to live."""

    def __init__(self, house: House, number: int, doomed: bool) -> None:
        super().__init__()
        self.arrived, self.told = threading.Event(), threading.Event()
        self._doomed, self._pid, self._house = doomed, number + 10, house
        self.engine = house.process(self._pid, self._meets)
        self.outcome: object = None

    def _meets(self, place: str) -> None:
        if place == "before Halt":
            self.arrived.set()
            assert self.told.wait(30)
            if self._doomed:
                raise Killed(place)

    def run(self) -> None:
        try:
            self.outcome = self.engine.stop("web").status
        except AlreadyStopped:
            self.outcome = Status.STOPPED
        except Killed:
            self.outcome = Killed
            self._house.living.discard(self._pid)
        finally:
            self.arrived.set()


@pytest.mark.parametrize("monitor", [True, False], ids=["watched", "monitor dead"])
@pytest.mark.parametrize(
    "doomed", list(subsets()), ids=lambda one: "".join(map(str, sorted(one))) or "-"
)
def test_on_the_simulated_host(doomed: frozenset[int], monitor: bool, tmp_path: Path) -> None:
    house = House(tmp_path)
    try:
        engine = house.process(1)
        web = engine.create(name="web", image="busybox", restart="always")
        engine.start("web")
        stoppers = [Stopper(house, number, number in doomed) for number in range(STOPPERS)]
        for stopper in stoppers:
            stopper.start()
            assert stopper.arrived.wait(30)  # every one of them waits to act, none holds the lock
        if not monitor:
            house.simulation.drift(web.id, DRIFTS["monitor killed"])
        for number in (*doomed, *(set(range(STOPPERS)) - doomed)):
            stoppers[number].told.set()
        for number, stopper in enumerate(stoppers):
            stopper.join(30)
            assert stopper.outcome is (Killed if number in doomed else Status.STOPPED)
        ended_once(engine, web, 143 if monitor else -1)
    finally:
        house.close()


def stop(engine: Engine) -> None:
    try:
        engine.stop("web", timeout=1)
    except AlreadyStopped:
        pass


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("doomed", "monitor"),
    [((1, 3), True), ((0,), False), ((0, 1, 2, 3, 4), False)]
    + [(one, alive) for one in subsets() for alive in (True, False) if WHOLE],
)
def test_on_a_real_one(
    doomed: Collection[int], monitor: bool, engine: Engine, root: Path, runtime: str
) -> None:
    """As process 1 it takes no notice of the stop signal: all of them wait for it together."""
    patient(engine, restart="always")
    web = engine.start("web")
    assert web.monitor is not None
    stoppers = [Victim(root, runtime, stop, 1, at="before Halt", number=signal.SIGSTOP)]
    stoppers += [
        Victim(root, runtime, stop, 1, at="before Halt", number=signal.SIGSTOP)
        for _ in range(STOPPERS - 1)
    ]
    for stopper in stoppers:
        assert stopper.stopped(), "it never got there"
    if not monitor:
        assert end(web.monitor, 10)
    for number in doomed:
        stoppers[number].end()
    for number in set(range(STOPPERS)) - set(doomed):
        stoppers[number].go_on()
        stoppers[number].process.join()
        assert stoppers[number].process.exitcode == 0
    until(lambda: engine.sync("web").status is Status.STOPPED)
    ended_once(engine, web, 137 if monitor else -1)
    assert web.process is not None and not os.path.exists(f"/proc/{web.process.pid}/exe")  # noqa: PTH110
