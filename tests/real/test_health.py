"""Health checks in real containers, with no program about that embeds the engine."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.programs import at_work
from tests.waiting import until

from lockgate import Engine, Status
from lockgate.adapters.checks import watching
from lockgate.effects.health import SECOND, HealthCheck, HealthStatus, StartupCheck
from lockgate.effects.outcome import PortError
from lockgate.errors import NotRunning

pytestmark = pytest.mark.real
SOON = 30.0
AWHILE = ["sh", "-c", "touch /well; exec sleep 600"]


WATCHER = "lockgate.watch"


def shell(line: str) -> tuple[str, ...]:
    return ("sh", "-c", line)


WELL = HealthCheck(command=shell("test -e /well"), interval=SECOND // 20, retries=2)


def the_watcher(container: str) -> int:
    """The one; a second that was begun beside it finds that out and ends."""
    until(lambda: len(at_work(WATCHER, container)) == 1)
    return at_work(WATCHER, container)[0]


def over(root: Path, container: str, epoch: int) -> Callable[[], bool]:
    """Nobody sees to this run any more."""

    def true() -> bool:
        try:
            with watching(root, container, epoch) as free:
                return free
        except PortError:
            return True

    return true


def test_somebody_sees_to_it_as_long_as_it_runs(engine: Engine, tmp_path: Path) -> None:
    web = engine.create(name="web", image="busybox", command=AWHILE, health=WELL)
    engine.start("web")
    assert engine.wait_for("web", {"healthy"}, SOON) == "healthy"
    engine.call("web", ["sh", "-c", "rm /well"], (0, 1, 2))
    assert engine.wait_for("web", {"unhealthy"}, SOON) == "unhealthy"
    assert engine.inspect("web").status is Status.RUNNING
    pid = the_watcher(web.id)
    engine.stop("web", timeout=0)
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert engine.health("web") is None
    assert [event.health for event in engine.events() if event.health] == ["healthy", "unhealthy"]
    assert engine.replay(web.id).unwrap() == engine.inspect("web")


def test_one_that_is_killed_is_followed_by_another(engine: Engine, tmp_path: Path) -> None:
    web = engine.create(name="web", image="busybox", command=AWHILE, health=WELL)
    engine.start("web")
    engine.wait_for("web", {"healthy"}, SOON)
    pid = the_watcher(web.id)
    os.kill(pid, signal.SIGKILL)
    until(over(tmp_path / "root", web.id, 1))
    engine.call("web", ["sh", "-c", "rm /well"], (0, 1, 2))
    assert engine.wait_for("web", {"unhealthy"}, SOON) == "unhealthy"
    assert the_watcher(web.id) != pid


def test_who_restarts_it_lives_to_see_it_run(engine: Engine) -> None:
    """It is the watcher of the run that it ends."""
    check = HealthCheck(
        command=shell("test $(cat /runs | wc -l) -gt 1"),
        interval=SECOND // 20,
        retries=1,
        on_failure="restart",
    )
    command = ["sh", "-c", "echo >> /runs; exec sleep 600"]
    web = engine.create(name="web", image="busybox", command=command, health=check, stop_timeout=0)
    engine.start("web")
    assert engine.wait_for("web", {"healthy"}, SOON) == "healthy"
    record = engine.inspect("web")
    assert record.epoch == 2
    the_watcher(web.id)
    assert engine.replay(web.id).unwrap() == record


def test_what_is_killed_for_its_health_is_its_policys(engine: Engine) -> None:
    check = HealthCheck(command=shell("false"), interval=SECOND // 20, retries=1, on_failure="kill")
    engine.create(
        name="web",
        image="busybox",
        command=["sleep", "600"],
        health=check,
        restart="on-failure",
        restart_retries=1,
    )
    engine.start("web")
    until(
        lambda: (engine.inspect("web").epoch, engine.inspect("web").status) == (2, Status.STOPPED)
    )
    assert engine.inspect("web").exit_code == 137


def test_one_that_takes_too_long_is_killed_and_has_failed(engine: Engine) -> None:
    check = HealthCheck(command=shell("echo begun; sleep 600"), timeout=SECOND // 4)
    engine.create(name="web", image="busybox", command=["sleep", "600"], health=check)
    engine.start("web")
    result = engine.check("web")
    assert (result.code, result.output) == (-1, "begun\n")
    assert [one.command for one in engine.top("web") if "echo begun" in one.command] == []


def test_of_what_it_writes_the_beginning_is_kept(engine: Engine) -> None:
    check = HealthCheck(command=shell("yes"), timeout=SECOND // 2, size=10)
    engine.create(name="web", image="busybox", command=["sleep", "600"], health=check)
    engine.start("web")
    assert engine.check("web").output == "y\ny\ny\ny\ny\n"


def test_none_is_run_while_it_is_paused(engine: Engine) -> None:
    engine.create(name="web", image="busybox", command=AWHILE, health=WELL)
    engine.start("web")
    engine.wait_for("web", {"healthy"}, SOON)
    engine.pause("web")
    with pytest.raises(NotRunning, match="it is paused"):
        engine.check("web")
    assert engine.health("web") is HealthStatus.HEALTHY
    before = engine.checks("web")
    engine.unpause("web")
    until(lambda: engine.checks("web")[-1].began > before[-1].began)


def test_its_start_up_has_a_check_of_its_own(engine: Engine) -> None:
    startup = StartupCheck(
        command=shell("echo once >> /up; test $(cat /up | wc -l) -ge 3"),
        interval=SECOND // 20,
        successes=2,
    )
    check = HealthCheck(command=shell("cat /up"), interval=SECOND // 20, startup=startup)
    engine.create(name="web", image="busybox", command=["sleep", "600"], health=check)
    engine.start("web")
    assert engine.wait_for("web", {"healthy"}, SOON) == "healthy"
    assert engine.checks("web")[-1].output == "once\n" * 4


def test_a_program_that_embeds_the_engine_may_see_to_it_itself(
    tmp_path: Path, engine: Engine
) -> None:
    with Engine.open(tmp_path / "root", watchers=False) as embedded:
        web = embedded.create(name="web", image="busybox", command=AWHILE, health=WELL)
        embedded.start("web")
        assert at_work(WATCHER, web.id) == []
        embedded.watch_all(lambda: embedded.health("web") is HealthStatus.HEALTHY)
