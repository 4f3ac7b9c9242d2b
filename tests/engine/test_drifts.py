"""What others take away, rename, hold or bind, at every boundary of every operation (FAULTS §3.8)."""

import contextlib
from functools import partial
from pathlib import Path

import pytest
from tests.engine.boundaries import (
    OPERATIONS,
    Begin,
    alone,
    drifted,
    emptied,
    everywhere,
    in_order,
    looked_at,
    mended,
)
from tests.engine.conftest import Simulation

from lockgate import Engine, OperationFailed, Status
from lockgate.adapters.simulated import DRIFTS


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    return partial(alone, tmp_path)


@pytest.mark.parametrize("what", ["layer gone", "renamed"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_without_its_layer_it_lives_on_begins_no_more_and_goes(
    name: str, what: str, begin: Begin
) -> None:
    for simulation, engine, _ in everywhere(begin, OPERATIONS[name], drifted(what)):
        with contextlib.suppress(OperationFailed):
            mended(engine)
        in_order(engine)
        for record in engine.list():
            assert engine.sync(record.id).pending == ()
            world = simulation.host.world(record.id)
            if not (world.alive or world.layer or world.mounted):
                with pytest.raises(
                    OperationFailed, match=r"no layer|needs a mounted root filesystem"
                ):
                    engine.start(record.id)
            engine.remove(record.id, force=True)
        assert not simulation.host.worlds()


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_others_hold_is_not_removed_and_that_is_said(name: str, begin: Begin) -> None:
    for simulation, engine, _ in everywhere(begin, OPERATIONS[name], drifted("held elsewhere")):
        for record in engine.list():
            if not simulation.host.world(record.id).held:
                continue
            with pytest.raises(OperationFailed, match="something is mounted below its layer"):
                engine.remove(record.id, force=True)
            assert engine.inspect(record.id).status is Status.REMOVING
            assert simulation.host.world(record.id).layer
            simulation.host.drift(record.id, DRIFTS["let go"])
            engine.remove(record.id, force=True)
        looked_at(simulation, engine)
        emptied(simulation, engine)


class TestAPortThatAnotherProgramHasTaken:
    @pytest.fixture(autouse=True)
    def network(self, engine: Engine) -> None:
        engine.create_network("net")
        engine.create(
            name="web", image="busybox", network="net", ports=["8080:80"], restart="always"
        )

    def test_is_said_and_nothing_is_kept_of_the_attempt(
        self, simulation: Simulation, engine: Engine
    ) -> None:
        simulation.host.networks.strangers = {8080}
        with pytest.raises(OperationFailed, match=r"8080/tcp .* in use by another program"):
            engine.start("web")
        (web,) = engine.list()
        assert not simulation.host.world(web.id).network
        simulation.host.networks.strangers.clear()
        assert engine.start("web").status is Status.RUNNING

    def test_between_two_runs_keeps_the_next_one_owed(
        self, simulation: Simulation, engine: Engine
    ) -> None:
        web = engine.start("web")
        simulation.host.end(web.id, 1)
        engine.cleanup("web")
        simulation.host.networks.strangers = {8080}
        with pytest.raises(OperationFailed, match="in use by another program"):
            engine.settle("web")
        simulation.host.networks.strangers.clear()
        engine.settle("web")
        assert engine.inspect("web").status is Status.RUNNING

    def test_beside_a_run_that_has_it_changes_nothing(
        self, simulation: Simulation, engine: Engine
    ) -> None:
        engine.start("web")
        simulation.host.networks.strangers = {8080}
        engine.pause("web")
        assert engine.unpause("web").status is Status.RUNNING
