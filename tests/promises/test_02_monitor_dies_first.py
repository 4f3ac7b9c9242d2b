"""2. The monitor dies first: the end is noticed by whoever looks, and what is owed is done.

Established engines show it as up for ever, and neither restart nor remove it (FAULTS row c).
"""

import os
import signal
from pathlib import Path

import pytest
from tests.engine.conftest import Simulation
from tests.promises.conftest import let_go, patient
from tests.waiting import until

from lockgate import Engine, Record, Status
from lockgate.adapters.oci.process import end
from lockgate.adapters.settlers import settling
from lockgate.adapters.simulated import DRIFTS


class TestSimulated:
    def test_the_next_list_says_that_it_has_ended(self, simulation: Simulation) -> None:
        engine = simulation.engine()
        web = engine.create(name="web", image="busybox")
        engine.start("web")
        simulation.host.drift(web.id, DRIFTS["monitor killed"])
        assert engine.inspect("web").status is Status.RUNNING
        simulation.host.end(web.id, 7)
        (seen,) = engine.list()
        assert (seen.status, seen.exit_code) == (Status.STOPPED, -1)
        assert seen.exit_reason
        assert engine.wait("web") == -1
        assert simulation.host.settlers.called == [], "nothing is owed"

    @pytest.mark.parametrize("look", ["list", "inspect"])
    def test_its_restart_policy_is_obeyed(self, look: str, simulation: Simulation) -> None:
        engine = simulation.engine()
        web = engine.create(name="web", image="busybox", restart="always")
        engine.start("web")
        simulation.host.drift(web.id, DRIFTS["both killed"])
        engine.list() if look == "list" else engine.inspect("web")
        engine.list()
        assert simulation.host.settlers.called == [(web.id, 1)], "once is enough"
        again = engine.settle(*simulation.host.settlers.called.pop())
        assert again is not None and (again.status, again.epoch) == (Status.RUNNING, 2)

    def test_it_is_removed_if_that_was_wished(self, simulation: Simulation) -> None:
        engine = simulation.engine()
        web = engine.create(name="web", image="busybox", auto_remove=True)
        engine.start("web")
        simulation.host.drift(web.id, DRIFTS["both killed"])
        engine.list()
        assert engine.settle(*simulation.host.settlers.called.pop()) is None
        assert engine.list() == ()

    def test_nobody_is_called_against_its_users_word(self, simulation: Simulation) -> None:
        engine = simulation.engine()
        web = engine.create(name="web", image="busybox", restart="always")
        engine.start("web")
        simulation.host.drift(web.id, DRIFTS["monitor killed"])
        engine.stop("web")
        engine.list()
        assert simulation.host.settlers.called == []


def monitor_killed(record: Record) -> None:
    assert record.monitor is not None
    assert end(record.monitor, 10)


@pytest.mark.real
class TestReal:
    def test_the_next_list_says_that_it_has_ended(self, engine: Engine) -> None:
        patient(engine)
        monitor_killed(record := engine.start("web"))
        assert engine.inspect("web").status is Status.RUNNING
        let_go(record)
        until(lambda: engine.list()[0].status is Status.STOPPED)
        ended = engine.inspect("web")
        assert (ended.exit_code, engine.wait("web")) == (-1, -1)
        assert "monitor" in ended.exit_reason
        engine.remove("web")

    def test_the_next_list_brings_back_what_is_restarted(self, engine: Engine, root: Path) -> None:
        patient(engine, restart="always")
        monitor_killed(first := engine.start("web"))
        assert first.process is not None
        os.kill(first.process.pid, signal.SIGKILL)
        until(lambda: engine.list()[0].status is Status.RUNNING and engine.list()[0].epoch == 2)
        second = engine.list()[0]
        assert (second.restarts, second.process != first.process) == (1, True)
        assert engine.replay("web").unwrap() == second
        until(lambda: not (root / "run" / second.id / "1").exists())

    def test_the_next_list_removes_what_was_to_go(self, engine: Engine) -> None:
        patient(engine, auto_remove=True)
        monitor_killed(record := engine.start("web"))
        let_go(record)
        until(lambda: engine.list() == ())
        assert engine.wait(record.id) == -1

    def test_one_who_is_at_it_is_left_to_it(self, engine: Engine, root: Path) -> None:
        patient(engine, restart="always")
        monitor_killed(record := engine.start("web"))
        let_go(record)
        with settling(root, record.id, 1) as mine:
            assert mine
            until(lambda: engine.list()[0].status is Status.STOPPED)
            with settling(root, record.id, 1) as another:
                assert not another
        engine.list()  # the first came to an end and did nothing: its word counts
        assert engine.inspect("web").status is Status.STOPPED
        with settling(root, record.id, 1) as another:
            assert not another
