"""Checks that are run when they are due, by whoever sees to it, and what is done about those that fail."""

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace
from tests.engine.conftest import Simulation

from lockgate import Engine, InvalidArgument, NoSuchContainer, OperationFailed, Record, Status
from lockgate.effects.config import RestartPolicy
from lockgate.effects.health import (
    SECOND,
    HealthCheck,
    HealthStatus,
    OnFailure,
    StartupCheck,
)
from lockgate.effects.model import Watch
from lockgate.effects.outcome import PortError
from lockgate.errors import NotRunning
from lockgate.statemachine.history import Entry
from lockgate.statemachine.inputs import Checked

CHECK = HealthCheck(command=("check",), interval=5 * SECOND, retries=2)
Make = Callable[..., Record]


@pytest.fixture
def run(engine: Engine) -> Make:
    def made(
        on_failure: OnFailure = "none",
        restart: RestartPolicy = "no",
        startup: StartupCheck | None = None,
    ) -> Record:
        check = HealthCheck(
            command=("check",), retries=2, on_failure=on_failure, startup=startup, keep=3
        )
        engine.create(name="web", image="busybox", health=check, restart=restart)
        return engine.start("web")

    return made


@pytest.fixture
def answers(engine: Engine) -> list[int | None]:
    """What the next checks end with; the last one for ever; None: there is no such program."""
    codes: list[int | None] = [0]
    assert engine.simulation is not None
    engine.simulation.sessions.answer = lambda session: codes.pop(0) if len(codes) > 1 else codes[0]
    return codes


class TestOneCheck:
    def test_it_is_told_kept_and_on_record(
        self, engine: Engine, run: Make, answers: list[int | None]
    ) -> None:
        web = run()
        assert engine.health("web") is HealthStatus.STARTING
        result = engine.check("web")
        assert (result.passed, result.code, result.output) == (True, 0, "")
        assert web.started_at <= result.began <= result.ended
        assert engine.checks("web") == (result,)
        assert engine.health("web") is HealthStatus.HEALTHY
        answers[:] = [3]
        engine.check("web")
        assert engine.check("web").code == 3
        assert engine.health("web") is HealthStatus.UNHEALTHY
        told = [event.health for event in engine.events() if event.event == "health_status"]
        assert told == ["healthy", "unhealthy"]
        assert engine.replay(web.id).unwrap() == engine.inspect("web")

    def test_only_the_newest_are_kept(
        self, engine: Engine, run: Make, answers: list[int | None]
    ) -> None:
        run()
        answers[:] = [1, 2, 0, 4]
        for _ in range(4):
            engine.check("web")
        assert [one.code for one in engine.checks("web")] == [2, 0, 4]

    def test_those_of_a_run_go_with_it(self, engine: Engine, run: Make) -> None:
        run()
        engine.check("web")
        engine.restart("web")
        assert engine.checks("web") == ()
        assert engine.health("web") is HealthStatus.STARTING

    def test_one_that_passes_and_passes_is_written_down_once(
        self, engine: Engine, run: Make
    ) -> None:
        web = run()
        for _ in range(4):
            engine.check("web")
        history: Iterator[Entry] = engine.history(web.id)
        assert sum(isinstance(entry.given, Checked) for entry in history) == 1

    def test_a_program_that_is_not_there_has_not_passed(
        self, engine: Engine, run: Make, answers: list[int | None]
    ) -> None:
        run()
        answers[:] = [None]
        result = engine.check("web")
        assert (result.passed, result.code) == (False, -1)
        assert "executable file not found" in result.output


class TestWhatCannotBeChecked:
    def test_what_has_no_check(self, engine: Engine, web: Record) -> None:
        engine.start("web")
        with pytest.raises(InvalidArgument, match="web has no health check: create it with one"):
            engine.check("web")
        assert engine.health("web") is None

    def test_what_does_not_run(self, engine: Engine, run: Make) -> None:
        run()
        engine.pause("web")
        with pytest.raises(NotRunning, match="it is paused"):
            engine.check("web")
        engine.kill("web")
        with pytest.raises(NotRunning, match="it is stopped"):
            engine.check("web")
        assert engine.health("web") is None

    def test_what_ends_meanwhile(self, engine: Engine, run: Make) -> None:
        web = run()
        simulation = engine.simulation
        assert simulation is not None

        def ends(session: object) -> int:
            simulation.end(web.id, 1)
            raise PortError("missing", "the run it would join is over", dirty=False)

        simulation.sessions.answer = ends
        with pytest.raises(NotRunning, match="it is stopped"):
            engine.check("web")
        assert engine.checks("web") == ()

    def test_what_somebody_else_checks(self, engine: Engine, run: Make) -> None:
        quick = HealthCheck(command=("check",), timeout=1)
        other = engine.create(name="other", image="busybox", health=quick)
        engine.start("other")
        with engine.host.checks.alone(other.id, 1, 0) as mine:
            assert mine
            with pytest.raises(TimeoutError, match="another check of other has not ended"):
                engine.check("other")

    @pytest.mark.parametrize(
        "wrong",
        [
            HealthCheck(command=()),
            HealthCheck(command=("a\0b",)),
            HealthCheck(command=("a",), interval=0),
            HealthCheck(command=("a",), timeout=-1),
            HealthCheck(command=("a",), timeout=10**19),
            HealthCheck(command=("a",), retries=0),
            HealthCheck(command=("a",), start_period=-1),
            HealthCheck(command=("a",), keep=0),
            HealthCheck(command=("a",), size=-1),
            HealthCheck(command=("a",), size=1 << 20, keep=2),
            HealthCheck(command=("a",), on_failure="pray"),  # type: ignore[arg-type]
            HealthCheck(command=("a",), startup=StartupCheck(command=())),
            HealthCheck(command=("a",), startup=StartupCheck(command=("a",), interval=0)),
            HealthCheck(command=("a",), startup=StartupCheck(command=("a",), retries=-1)),
            HealthCheck(command=("a",), startup=StartupCheck(command=("a",), successes=0)),
        ],
    )
    def test_a_check_that_makes_no_sense(self, engine: Engine, wrong: HealthCheck) -> None:
        with pytest.raises(InvalidArgument):
            engine.create(image="busybox", health=wrong)
        assert engine.list() == ()


class TestWhatFollows:
    def test_nothing_was_wished_for(
        self, engine: Engine, run: Make, answers: list[int | None]
    ) -> None:
        answers[:] = [1]
        run()
        for _ in range(3):
            engine.check("web")
        assert engine.inspect("web").status is Status.RUNNING

    @pytest.mark.parametrize(
        ("on_failure", "status", "by_user"),
        [("kill", Status.STOPPED, False), ("stop", Status.STOPPED, True)],
    )
    def test_its_run_ends(
        self,
        engine: Engine,
        run: Make,
        answers: list[int | None],
        on_failure: OnFailure,
        status: Status,
        by_user: bool,
    ) -> None:
        answers[:] = [1]
        run(on_failure, restart="always")
        engine.check("web")
        assert engine.inspect("web").status is Status.RUNNING, "before its retries were used"
        engine.check("web")
        web = engine.inspect("web")
        assert (web.status, web.stopped_by_user) == (status, by_user)
        engine.settle("web")
        revived = engine.inspect("web").epoch == 2
        assert revived is not by_user, "a kill leaves the policy its say, a stop does not"

    def test_another_run_begins(self, engine: Engine, run: Make, answers: list[int | None]) -> None:
        answers[:] = [1]
        run("restart")
        engine.check("web")
        engine.check("web")
        web = engine.inspect("web")
        assert (web.status, web.epoch, web.restarts) == (Status.RUNNING, 2, 0)
        assert engine.health("web") is HealthStatus.STARTING

    def test_one_that_never_came_up_is_started_anew(
        self, engine: Engine, run: Make, answers: list[int | None]
    ) -> None:
        answers[:] = [1]
        run(startup=StartupCheck(command=("up",), retries=2))
        engine.check("web")
        engine.check("web")
        assert engine.inspect("web").epoch == 2

    def test_its_user_was_first(self, engine: Engine, run: Make, answers: list[int | None]) -> None:
        web = run("restart")
        simulation = engine.simulation
        assert simulation is not None

        def stopped(session: object) -> int:
            engine.stop("web")
            return 1

        answers[:] = [1]
        engine.check("web")
        simulation.sessions.answer = stopped
        engine.check("web")
        assert (engine.inspect("web").status, engine.inspect("web").epoch) == (Status.STOPPED, 1)
        assert web.epoch == 1

    def test_what_fails_is_told_and_stays_owed(
        self, simulation: Simulation, engine: Engine, run: Make, answers: list[int | None]
    ) -> None:
        answers[:] = [1]
        run("restart")
        engine.check("web")
        simulation.trouble[Watch] = PortError("failed", "no process for it")
        with pytest.raises(OperationFailed, match="no process for it"):
            engine.check("web")


class TestWatching:
    def test_whoever_watches_checks_when_it_is_due_until_the_run_ends(
        self, engine: Engine, run: Make, answers: list[int | None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lockgate.engine.health.SLEEP", 0.01)  # ten seconds go by in each
        answers[:] = [0, 1, 1]
        web = run("kill")
        simulation = engine.simulation
        assert simulation is not None

        def some_time_goes_by() -> bool:
            simulation.advance(10)
            return False

        engine.watch("web", 1, some_time_goes_by)
        assert engine.inspect("web").status is Status.STOPPED
        began = [one.began for one in engine.checks("web")]
        assert began[0] - web.started_at < 11 * SECOND
        for earlier, later in itertools.pairwise(began):
            assert 30 * SECOND <= later - earlier < 41 * SECOND

    def test_none_while_it_is_paused(self, engine: Engine, run: Make) -> None:
        web = run()
        engine.pause("web")
        looks = iter((False, False, True))
        engine.watch("web", web.epoch, lambda: next(looks))
        assert engine.checks("web") == ()

    @pytest.mark.parametrize("epoch", [0, 2])
    def test_of_another_run_nothing_is_to_be_done(
        self, engine: Engine, run: Make, epoch: int
    ) -> None:
        run()
        engine.watch("web", epoch)
        assert engine.checks("web") == ()

    def test_of_what_is_gone_nothing_is_to_be_done(self, engine: Engine, run: Make) -> None:
        web = run()
        engine.remove("web", force=True)
        with pytest.raises(NoSuchContainer):
            engine.watch(web.id, 1)

    def test_one_that_embeds_the_engine_sees_to_all(
        self, engine: Engine, answers: list[int | None]
    ) -> None:
        for name in ("one", "two"):
            engine.create(name=name, image="busybox", health=CHECK)
            engine.start(name)
        engine.create(name="three", image="busybox")
        engine.start("three")
        done = threading.Event()
        seeing = threading.Thread(target=engine.watch_all, args=(done.is_set,))
        seeing.start()
        for name in ("one", "two"):
            assert engine.wait_for(name, {"healthy"}, 20) == "healthy"
        done.set()
        seeing.join(20)
        assert not seeing.is_alive()
        assert engine.health("three") is None


class TestWaiting:
    def test_for_health(self, engine: Engine, run: Make) -> None:
        run()
        threading.Timer(0.05, engine.check, ("web",)).start()
        assert engine.wait_for("web", {"healthy"}, 20) == "healthy"

    def test_it_is_over_when_the_run_is(self, engine: Engine, run: Make) -> None:
        run()
        threading.Timer(0.05, engine.kill, ("web",)).start()
        with pytest.raises(
            NotRunning, match="cannot wait for the health of container web: it is stopped"
        ):
            engine.wait_for("web", {"healthy", "unhealthy"}, 20)


class TestWhoSeesToIt:
    def test_whoever_asks_for_health_looks_whether_somebody_does(
        self, simulation: Simulation, engine: Engine, run: Make
    ) -> None:
        web = run()
        host = simulation.host
        for ask in (
            lambda: engine.check("web"),
            lambda: engine.wait_for("web", {"healthy"}, 20),
            engine.refresh,
        ):
            host.drift(web.id, lambda world: replace(world, watched=0))
            ask()
            assert host.world(web.id).watched == 1

    def test_nobody_when_nobody_can(self, simulation: Simulation, engine: Engine) -> None:
        engine.create(name="web", image="busybox", health=CHECK)
        simulation.trouble[Watch] = PortError("failed", "no process for it")
        with pytest.raises(OperationFailed, match="cannot start container web: no process for it"):
            engine.start("web")
        assert engine.inspect("web").status is Status.CONFIGURED


class TestOfTheImage:
    def test_its_check_is_the_containers(self, simulation: Simulation, engine: Engine) -> None:
        health_of_the_image(simulation)
        assert engine.create(image="busybox").config.health == CHECK

    def test_unless_another_or_none_is_wished_for(
        self, simulation: Simulation, engine: Engine
    ) -> None:
        health_of_the_image(simulation)
        other = HealthCheck(command=("other",))
        assert engine.create(image="busybox", health=other).config.health == other
        assert engine.create(image="busybox", health="none").config.health is None


def health_of_the_image(simulation: Simulation) -> None:
    images = simulation.host.images
    images.restore([replace(images.lookup("busybox"), health=CHECK)])
