"""What is owed after a run, and after a reboot, is done by whoever comes next, once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate import Engine, InvalidArgument, OperationFailed, Record, Status
from lockgate.effects.config import RestartPolicy
from lockgate.effects.model import AnyEffect, CreateRuntime, DeleteLayer
from lockgate.effects.outcome import PortError
from lockgate.statemachine.status import Presence
from lockgate.testing.deaths import Fuse, Killed

from .conftest import Simulation

Make = Callable[..., Record]


@pytest.fixture
def run(engine: Engine) -> Make:
    """A container whose run has just ended with this code; nobody has looked yet."""

    def made(
        code: int, restart: RestartPolicy = "no", retries: int = 0, auto_remove: bool = False
    ) -> Record:
        engine.create(
            name="web",
            image="busybox",
            restart=restart,
            restart_retries=retries,
            auto_remove=auto_remove,
        )
        record = engine.start("web")
        ends(engine, record.id, code)
        return record

    return made


class TestSettling:
    def test_a_run_follows(self, engine: Engine, run: Make) -> None:
        first = run(1, "on-failure")
        second = engine.settle("web")
        assert second is not None
        assert (second.status, second.epoch, second.restarts) == (Status.RUNNING, 2, 1)
        assert engine.replay(first.id).unwrap() == second

    def test_so_often_and_no_more(self, engine: Engine, run: Make) -> None:
        web = run(1, "on-failure", 2)
        for restarts in (1, 2):
            engine.settle("web")
            assert engine.inspect("web").restarts == restarts
            ends(engine, web.id, 1)
        assert engine.settle("web") == engine.inspect("web")
        assert engine.inspect("web").status is Status.STOPPED

    def test_after_a_pause_that_doubles(self, engine: Engine, run: Make) -> None:
        web = run(1, "always")
        pauses: list[float] = []
        for _ in range(3):
            ended = engine.sync("web").finished_at
            revived = engine.settle("web")
            assert revived is not None
            pauses.append((revived.started_at - ended) / 1e9)
            ends(engine, web.id, 1)
        assert pauses == [pytest.approx(pause, abs=1e-6) for pause in (0.1, 0.2, 0.4)]

    def test_what_its_user_stopped_stays_so(self, engine: Engine, run: Make) -> None:
        engine.create(name="web", image="busybox", restart="always")
        engine.start("web")
        engine.stop("web")
        engine.settle("web")
        assert engine.inspect("web").status is Status.STOPPED

    def test_removal(self, engine: Engine, run: Make) -> None:
        web = run(7, auto_remove=True)
        assert engine.settle("web") is None
        assert engine.list() == ()
        assert engine.wait(web.id) == 7  # for whoever asks late

    def test_removal_after_the_last_run(self, engine: Engine, run: Make) -> None:
        web = run(1, "on-failure", 1, auto_remove=True)
        assert engine.settle("web") is not None
        ends(engine, web.id, 0)
        assert engine.settle("web") is None

    def test_of_another_run_it_is_no_news(self, engine: Engine, run: Make) -> None:
        run(1, "always")
        engine.settle("web", epoch=7)
        assert engine.inspect("web").status is Status.STOPPED

    def test_nothing_is_owed_while_it_runs(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox", restart="always", auto_remove=False)
        before = engine.start("web")
        assert engine.settle("web") == before


@pytest.mark.parametrize(
    ("policy", "retries"), [("sometimes", 0), ("always", 2), ("on-failure", -1)]
)
def test_policies_that_make_no_sense(engine: Engine, policy: str, retries: int) -> None:
    with pytest.raises(InvalidArgument):
        engine.create(image="busybox", restart=policy, restart_retries=retries)  # type: ignore[arg-type]
    assert engine.list() == ()


class TestReboot:
    @pytest.mark.parametrize(
        ("policy", "stopped", "runs"),
        [("no", False, False), ("unless-stopped", False, True), ("always", True, True),
         ("unless-stopped", True, False)],
    )  # fmt: skip
    def test_ends_every_run_and_begins_those_that_are_owed(
        self, engine: Engine, policy: RestartPolicy, stopped: bool, runs: bool
    ) -> None:
        engine.create(name="web", image="busybox", network="private", restart=policy)
        engine.start("web")
        if stopped:
            engine.stop("web")
        reboot(engine)
        assert engine.refresh() == {}
        web = engine.inspect("web")
        assert web.status is (Status.RUNNING if runs else Status.EXITED)
        if not runs:
            assert (web.mount, web.network, web.runtime) == (Presence.ABSENT,) * 3
            assert web.exit_code is not None
        assert engine.replay(web.id).unwrap() == web

    def test_is_seen_by_whoever_looks(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox")
        engine.start("web")
        reboot(engine)
        (web,) = engine.list()
        assert (web.status, web.exit_code) == (Status.EXITED, -1)

    def test_what_ran_can_run_again(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox", network="private")
        engine.start("web")
        reboot(engine)
        assert engine.start("web").status is Status.RUNNING
        assert engine.inspect("web").epoch == 2

    def test_what_only_waited_to_start_is_configured(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox")
        engine.init("web")
        reboot(engine)
        web = engine.inspect("web")
        assert (web.status, web.exit_code) == (Status.CONFIGURED, None)

    def test_a_removal_cut_short_is_completed(self, engine: Engine) -> None:
        web = engine.create(name="web", image="busybox")
        assert engine.simulation is not None

        def fail(effect: AnyEffect) -> None:
            if isinstance(effect, DeleteLayer):
                raise PortError("failed", "device busy")

        engine.simulation.before = fail
        with pytest.raises(OperationFailed, match="device busy"):
            engine.remove("web")
        engine.simulation.before = lambda effect: None
        reboot(engine)
        assert engine.inspect("web").status is Status.REMOVING
        assert engine.refresh() == {}
        assert engine.list() == ()
        assert engine.replay(web.id).unwrap().gone

    def test_one_that_cannot_start_does_not_keep_the_others(self, engine: Engine) -> None:
        broken = engine.create(name="broken", image="busybox", restart="always")
        for name in ("broken", "web"):
            if name == "web":
                engine.create(name="web", image="busybox", restart="always")
            engine.start(name)
        reboot(engine)

        def fail(effect: AnyEffect) -> None:
            if isinstance(effect, CreateRuntime) and effect.container == broken.id:
                raise PortError("missing", "no such program", dirty=False)

        assert engine.simulation is not None
        engine.simulation.before = fail
        problems = engine.refresh()
        assert set(problems) == {broken.id}
        assert "no such program" in str(problems[broken.id])
        assert engine.inspect("web").status is Status.RUNNING


def ends(engine: Engine, container: str, code: int) -> None:
    assert engine.simulation is not None
    engine.simulation.end(container, code)


def reboot(engine: Engine) -> None:
    assert engine.simulation is not None
    engine.simulation.reboot()


def test_a_creation_that_a_reboot_interrupted_is_of_the_boot_it_is_finished_in(
    simulation: Simulation, tmp_path: Path
) -> None:
    """Else the end of its first run would be taken for a reboot (B075; found by the explorer)."""
    engine = simulation.engine()
    engine.import_image("busybox", tmp_path, command=["sh"])
    with pytest.raises(Killed):
        simulation.engine(Fuse(place="after commit")).create(name="web", image="busybox")
    simulation.host.reboot()
    assert engine.start("web").boot == simulation.host.boot()
    engine.stop("web")
    assert engine.sync("web").status is Status.STOPPED
    assert engine.refresh() == {}
    assert engine.inspect("web").status is Status.STOPPED
