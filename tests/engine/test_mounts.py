"""Mounting for its user: counts, refusals, listings, and what outlives what."""

import pytest

from lockgate import Engine, IllegalState, NotMounted, OperationFailed, Record, Status, StillMounted
from lockgate.effects import model as e
from lockgate.effects.outcome import PortError
from lockgate.testing.deaths import Fuse, Killed

from .conftest import Simulation


def test_mounted_counted_given_back(engine: Engine, web: Record) -> None:
    place = engine.mount("web")
    assert place and engine.mount("web") == place
    (seen,) = engine.mounted()
    assert (seen.mounts, seen.mountpoint) == (2, place)
    assert engine.unmount("web").mounts == 1
    assert engine.unmount("web").mountpoint == ""
    assert engine.mounted() == ()
    with pytest.raises(NotMounted, match=r"its user has not mounted it; legal now: .*mount"):
        engine.unmount("web")
    assert engine.unmount("web", force=True).mounts == 0


def test_its_own_run_counts_for_itself(engine: Engine, web: Record) -> None:
    engine.start("web")
    with pytest.raises(StillMounted, match="its own run is mounted"):
        engine.unmount("web", force=True)
    assert [one.mounts for one in engine.mounted()] == [0]
    engine.mount("web")
    engine.stop("web")
    engine.cleanup("web")
    assert engine.inspect("web").mountpoint
    engine.unmount("web")
    assert not engine.inspect("web").mountpoint


def test_who_has_it_mounted_keeps_it(engine: Engine, simulation: Simulation, web: Record) -> None:
    engine.mount("web")
    with pytest.raises(StillMounted, match=r"mounted once.*unmount it first, or remove it with"):
        engine.remove("web")
    assert simulation.host.world(web.id).mounted
    engine.remove("web", force=True)
    assert simulation.host.world(web.id).empty


def test_a_live_one_is_refused_for_being_alive(engine: Engine, web: Record) -> None:
    engine.start("web")
    engine.mount("web")
    with pytest.raises(IllegalState, match="stop it first") as refusal:
        engine.remove("web")
    assert type(refusal.value) is IllegalState


def test_what_should_go_by_itself_waits_for_who_has_it_mounted(
    engine: Engine, simulation: Simulation
) -> None:
    engine.create(name="web", image="busybox", auto_remove=True)
    engine.start("web")
    engine.mount("web")
    simulation.host.end(engine.inspect("web").id, 3)
    left = engine.settle("web")
    assert left is not None and left.status is Status.STOPPED
    engine.unmount("web")
    assert engine.settle("web") is None


def test_one_that_fails_is_not_counted(engine: Engine, simulation: Simulation, web: Record) -> None:
    simulation.trouble[e.Mount] = PortError("refused", "taken", dirty=False)
    with pytest.raises(OperationFailed, match="cannot mount container web: taken"):
        engine.mount("web")
    assert engine.inspect("web").mounts == 0


@pytest.mark.parametrize("place", ["before Mount", "after Mount"])
def test_killed_while_it_mounts(
    simulation: Simulation, engine: Engine, web: Record, place: str
) -> None:
    with pytest.raises(Killed):
        simulation.engine(Fuse(place=place)).mount("web")
    assert (
        engine.sync("web").mounts == 1
    )  # it was asked for and is done: seen, and to be given back
    assert simulation.host.world(web.id).mounted
    engine.unmount("web")
    assert not simulation.host.world(web.id).mounted


def test_what_was_unmounted_behind_our_back_is_mounted_again(
    engine: Engine, simulation: Simulation, web: Record
) -> None:
    from lockgate.adapters.simulated.faults import DRIFTS

    engine.mount("web")
    simulation.host.drift(web.id, DRIFTS["unmounted"])
    engine.start("web")
    assert simulation.host.world(web.id).mounted


def test_after_a_reboot_nobody_has_anything_mounted(
    engine: Engine, simulation: Simulation, web: Record
) -> None:
    engine.mount("web")
    simulation.host.reboot()
    assert not engine.refresh()
    assert (engine.inspect("web").mounts, engine.mounted()) == (0, ())
    assert not engine.refresh()
    engine.remove("web")
