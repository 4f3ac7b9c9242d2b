"""Killed at every commit, effect and word about a pod of every operation on one: the next command
recovers, and no member is ever left in a run of its infra's that is over."""

from functools import partial
from pathlib import Path

import pytest
from returns.result import Success

from lockgate import Engine, PodStatus, Status
from lockgate.effects.config import Config
from lockgate.statemachine.pods import lives_in

from .boundaries import Scenario, everywhere, killed, looked_at, nothing
from .conftest import Simulation


def started(engine: Engine) -> None:
    engine.start_pod("web")


def stopped(engine: Engine) -> None:
    engine.start_pod("web")
    engine.stop_pod("web")


def last_ended(engine: Engine) -> None:
    engine.start("db")
    host = engine.simulation
    assert host is not None
    host.end(engine.inspect("db").id, 0)


OPERATIONS = {
    "create": Scenario(nothing, lambda engine: engine.create_pod(name="new")),
    "create a member": Scenario(
        nothing,
        lambda engine: engine.create(name="new", image="busybox", pod="web"),
    ),
    "start": Scenario(nothing, lambda engine: engine.start_pod("web")),
    "start of a stopped one": Scenario(stopped, lambda engine: engine.start_pod("web")),
    "start of a member": Scenario(nothing, lambda engine: engine.start("app")),
    "stop": Scenario(started, lambda engine: engine.stop_pod("web")),
    "kill": Scenario(started, lambda engine: engine.kill_pod("web")),
    "pause": Scenario(started, lambda engine: engine.pause_pod("web")),
    "restart": Scenario(started, lambda engine: engine.restart_pod("web")),
    "wind down": Scenario(last_ended, lambda engine: engine.settle("db")),
    "remove": Scenario(stopped, lambda engine: engine.remove_pod("web")),
    "remove by force": Scenario(started, lambda engine: engine.remove_pod("web", force=True)),
}


def begin(folder: Path) -> Simulation:
    simulation = Simulation()
    engine = simulation.engine()
    engine.import_image("busybox", folder, command=["sh"])
    engine.create_pod(name="web", exit_policy="stop")
    engine.create(name="setup", image="busybox", pod="web", init="always")
    engine.create(name="db", image="busybox", pod="web")
    engine.create(name="app", image="busybox", pod="web", requires=["db"])
    setup = engine.inspect("setup").id
    start = simulation.host.runtime.start

    def starting(config: Config, epoch: int, *, again: bool) -> None:
        start(config, epoch, again=again)
        if config.id == setup:
            simulation.host.end(setup, 0)

    simulation.host.runtime.start = starting  # type: ignore[method-assign]
    return simulation


def nobody_is_left_alone(engine: Engine) -> None:
    """P18: who runs, runs in a run of its infra's that is not over."""
    for pod in engine.pods():
        for one in pod.members:
            if one.status in (Status.RUNNING, Status.PAUSED):
                assert pod.infra.status in (Status.RUNNING, Status.PAUSED), one.config.name
                assert lives_in(one, pod.infra), one.config.name


@pytest.mark.parametrize("name", OPERATIONS)
def test_killed_anywhere_the_next_command_recovers(name: str, tmp_path: Path) -> None:
    for simulation, _, _ in everywhere(partial(begin, tmp_path), OPERATIONS[name], killed):
        survivor = simulation.engine()
        survivor.refresh()
        looked_at(simulation, survivor)
        nobody_is_left_alone(survivor)
        assert PodStatus.REMOVING not in [one.status for one in survivor.pods()]
        # whatever was done, it can be brought to running, and then to nothing
        for pod in survivor.pods():
            if pod.infra.status is Status.PAUSED or pod.status is PodStatus.PAUSED:
                survivor.unpause_pod(pod.id)
            for one in survivor.pod(pod.id).members:
                if one.status is Status.PAUSED:
                    survivor.unpause(one.id)
            told = survivor.start_pod(pod.id)
            assert all(isinstance(one, Success) for one in told.values()), told
            assert survivor.pod(pod.id).status is PodStatus.RUNNING
            nobody_is_left_alone(survivor)
            survivor.remove_pod(pod.id, force=True)
        assert (survivor.list(), survivor.pods(), simulation.host.worlds()) == ((), (), {})
