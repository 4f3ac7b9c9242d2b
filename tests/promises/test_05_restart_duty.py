"""5. Whoever was to restart it dies: another does, once, and the budget is right.

In established engines the exit command is the only one who can, and what it does not do is never
done (FAULTS B068, B168, B173, B065).
"""

import os
import signal
from pathlib import Path

import pytest
from tests.engine.conftest import Simulation
from tests.programs import at_work
from tests.promises.conftest import patient
from tests.victims import killed_everywhere
from tests.waiting import until

from lockgate import Engine, Record, Status
from lockgate.adapters.oci.process import end
from lockgate.effects.config import Config
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.deaths import Fuse, Killed


def settle(engine: Engine) -> None:
    engine.settle("web")


def one_run_more(engine: Engine, web: Record) -> None:
    """Exactly one, and counted once."""
    after = engine.settle("web")
    assert after is not None
    assert (after.status, after.epoch, after.restarts) == (Status.RUNNING, 2, 1)
    history = list(engine.history(web.id))
    assert promised.replays(newborn(Config(id=web.id)), history) == after
    promised.within_budget(newborn(Config(id=web.id)), history)
    told = [event.event for event in engine.events() if event.container == web.id]
    assert (told.count("init"), told.count("start"), told.count("died")) == (2, 2, 1)


class TestSimulated:
    @pytest.mark.parametrize("budget", [1, 2])
    def test_killed_anywhere(self, budget: int, simulation: Simulation) -> None:
        place = 0
        while True:
            place += 1
            survivor = simulation.engine()
            wishes = {"restart": "on-failure", "restart_retries": budget, "network": "private"}
            web = survivor.create(name="web", image="busybox", **wishes)  # type: ignore[arg-type]
            survivor.start("web")
            simulation.host.end(web.id, 1)
            try:
                settle(simulation.engine(Fuse(place)))
                killed = False
            except Killed:
                killed = True
            one_run_more(survivor, web)
            for runs in range(2, budget + 2):
                simulation.host.end(web.id, 1)
                survivor.settle("web")
                assert survivor.inspect("web").epoch == min(runs + 1, budget + 1)
            assert survivor.inspect("web").status is Status.STOPPED
            survivor.remove("web")
            if not killed:
                break
        assert place > 10

    def test_a_stop_cancels_what_was_begun(self, simulation: Simulation) -> None:
        place = 0
        while True:
            place += 1
            survivor = simulation.engine()
            web = survivor.create(name="web", image="busybox", restart="always")
            survivor.start("web")
            simulation.host.end(web.id, 1)
            try:
                settle(simulation.engine(Fuse(place)))
                killed = False
            except Killed:
                killed = True
            survivor.sync("web")
            runs = survivor.inspect("web").epoch
            try:
                survivor.stop("web")
            except Exception as already:
                assert "already" in str(already)
            survivor.settle("web")
            assert survivor.inspect("web").status in (Status.STOPPED, Status.EXITED)
            assert survivor.inspect("web").epoch == runs
            promised.stop_wins(list(survivor.history(web.id)))
            survivor.remove("web")
            if not killed:
                break
        assert place > 10


@pytest.mark.real
@pytest.mark.slow
class TestReal:
    def test_killed_anywhere(self, engine: Engine, root: Path, runtime: str) -> None:
        web = ended_unseen(engine)
        for _ in killed_everywhere(root, runtime, settle):
            one_run_more(engine, web)
            engine.remove("web", force=True, timeout=0)
            web = ended_unseen(engine)

    def test_he_whom_the_monitor_calls_is_killed(self, engine: Engine) -> None:
        """And the next who looks calls another."""
        patient(engine, restart="always")
        first = engine.start("web")
        assert first.process is not None and first.monitor is not None
        os.kill(first.process.pid, signal.SIGKILL)
        until(lambda: at_work("lockgate.settle", first.id), "nobody was called")
        for pid in at_work("lockgate.settle", first.id):
            os.kill(pid, signal.SIGKILL)
        until(lambda: engine.list()[0].epoch == 2 and engine.list()[0].status is Status.RUNNING)
        assert engine.inspect("web").restarts == 1


def ended_unseen(engine: Engine) -> Record:
    """A container whose first run has ended, whose monitor calls nobody, to which a run is owed."""
    patient(engine, restart="on-failure", restart_retries=1, network="private")
    web = engine.start("web")
    assert web.process is not None and web.monitor is not None
    assert end(web.monitor, 10) and end(web.process, 10)
    return web
