"""A host that was suspended: the time of day has gone on, and the clock by which waits are measured has
stood still. And clocks that are set back, and deadlines of days (FAULTS §3.9)."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from tests.engine.conftest import Simulation
from tests.waiting import until

from lockgate import Engine, HealthCheck, Record, Status
from lockgate.effects.config import RestartPolicy
from lockgate.effects.health import SECOND
from lockgate.effects.outcome import Exited, PortError

DAY = 86_400
YEAR = 365 * DAY
MONTHS = 90 * DAY

Meanwhile = Callable[[Callable[[], object]], Future[object]]


@pytest.fixture
def meanwhile() -> Iterator[Meanwhile]:
    with ThreadPoolExecutor() as pool:
        yield pool.submit


class TestWaiting:
    """Whoever gives a number of seconds gives them awake."""

    @pytest.mark.parametrize("timeout", [60, MONTHS])
    def test_for_an_end(
        self,
        timeout: int,
        simulation: Simulation,
        engine: Engine,
        web: Record,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Suspended in the middle, and woken to look again, one waits for what is left."""
        engine.start("web")
        await_exit = simulation.host.runtime.await_exit
        patience: list[float] = []

        def awoken(*run: Any) -> Exited | None:
            patience.append(run[-1])
            if len(patience) == 1:
                simulation.host.advance(DAY)
                raise PortError("missing", "something else has happened")
            simulation.host.end(web.id, 7)
            return await_exit(*run)

        monkeypatch.setattr(simulation.host.runtime, "await_exit", awoken)
        assert engine.wait("web", timeout=timeout) == 7
        assert patience == [pytest.approx(timeout, abs=20)] * 2

    @pytest.mark.parametrize("timeout", [60, MONTHS])
    def test_a_container_has_its_time_to_stop(
        self, simulation: Simulation, engine: Engine, meanwhile: Meanwhile, timeout: int
    ) -> None:
        """Of months, too: and whoever is in more of a hurry does not wait for them."""
        slow = engine.create(name="slow", image="busybox", stop_signal="USR1")
        for hurried in (False, True):
            engine.start("slow")
            stopping = meanwhile(lambda: engine.stop("slow", timeout=timeout))
            until(lambda: engine.inspect("slow").status is Status.STOPPING)
            simulation.host.advance(DAY)
            with pytest.raises(TimeoutError):
                stopping.result(0.2)
            if hurried:
                assert engine.stop("slow", timeout=0).exit_code == 137
            else:
                simulation.host.end(slow.id, 5)
                until(lambda: engine.inspect("slow").exit_code == 5)
            stopping.result(20)


class TestRestarting:
    @pytest.fixture
    def ended(self, simulation: Simulation, engine: Engine) -> Record:
        """A run that was short, so that a pause is due; its end is on record."""
        web = engine.create(name="web", image="busybox", restart="always")
        engine.start("web")
        simulation.host.end(web.id, 1)
        return engine.sync("web")

    def test_a_pause_is_over_at_once_after_a_suspension(
        self, simulation: Simulation, engine: Engine, ended: Record
    ) -> None:
        simulation.host.advance(DAY)
        began = simulation.host.now()
        again = engine.settle("web")
        assert again is not None
        assert (again.status, again.epoch, again.restarts) == (Status.RUNNING, 2, 1)
        assert again.started_at - began < SECOND // 100

    def test_nobody_waits_until_a_clock_that_was_set_back_has_come_so_far_again(
        self, simulation: Simulation, engine: Engine, ended: Record
    ) -> None:
        simulation.host.advance(-YEAR)
        began = simulation.host.now()
        again = engine.settle("web")
        assert again is not None
        assert again.status is Status.RUNNING
        assert again.started_at - began < SECOND

    @pytest.mark.parametrize("restart", ["no", "on-failure"])
    def test_a_suspension_is_no_reboot(
        self, simulation: Simulation, engine: Engine, restart: RestartPolicy
    ) -> None:
        engine.create(name="web", image="busybox", restart=restart)
        before = engine.start("web")
        simulation.host.advance(DAY)
        assert not engine.refresh()
        assert engine.inspect("web") == before


class TestChecks:
    @pytest.fixture
    def web(self, engine: Engine) -> Record:
        check = HealthCheck(command=("check",), interval=30 * SECOND, retries=2, on_failure="kill")
        engine.create(name="web", image="busybox", health=check)
        return engine.start("web")

    @pytest.mark.parametrize("jump", [DAY, -YEAR])
    def test_one_is_due_and_not_all_that_were_slept_through(
        self, simulation: Simulation, engine: Engine, web: Record, jump: int
    ) -> None:
        """One failure is one, however long ago the last success was."""
        codes = iter((0, 1))
        simulation.host.sessions.answer = lambda session: next(codes)
        engine.check("web")
        simulation.host.advance(jump)
        looks = iter((False, True))
        engine.watch("web", web.epoch, lambda: next(looks))
        assert [check.code for check in engine.checks("web")] == [0, 1]
        assert engine.inspect("web").status is Status.RUNNING
