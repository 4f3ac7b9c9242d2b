"""A disk that says it has synced, and has not: acknowledged commits are lost with the power, the newest first.

What must hold all the same: what is found is a life that was, whole as far as it goes; each container there
comes to rest and to nothing, and to running if its layer is there; nobody else's is touched. What cannot:
that a word that was given is kept (an end, a stop, a removal), and that what was made since is known.
"""

from pathlib import Path

import pytest
from tests.engine.boundaries import OPERATIONS, alone
from tests.engine.conftest import Simulation

from lockgate import Engine, OperationFailed, Status
from lockgate.adapters.simulated import World
from lockgate.adapters.simulated.world import Left
from lockgate.effects.config import Config
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.stores import LyingStore


def found_again(lying: Simulation, store: LyingStore, kept: int, left: Left) -> Simulation:
    """The host as it is when the power is back; of its world what is on disk has stayed."""
    after = Simulation(store.after_a_loss(kept))
    after.host.restore(lying.host.snapshot())
    after.host.reboot()
    after.host.reboot(left)
    return after


def lives_on(simulation: Simulation, engine: Engine) -> None:
    for record in engine.list():
        record = engine.sync(record.id)
        if record.gone:
            continue
        assert record.pending == ()
        assert promised.replays(newborn(Config(id=record.id)), engine.history(record.id)) == record
        promised.ordered_before_heard(list(engine.history(record.id)))
    promised.in_order(list(engine.events()))
    for record in engine.list():
        world = simulation.host.world(record.id)
        if not world.layer:  # its removal was acknowledged, and is lost
            with pytest.raises(OperationFailed, match="no layer"):
                engine.start(record.id)
        else:
            if record.status is not Status.RUNNING:
                engine.start(record.id)
            running, there = engine.inspect(record.id), simulation.host.world(record.id)
            assert running.status is Status.RUNNING
            promised.settled(running, promised.footprint(there))
        engine.remove(record.id, force=True)
        assert simulation.host.world(record.id) == World()


@pytest.mark.parametrize("left", ["all", "half", "nothing"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_found_goes_on_however_much_is_lost(name: str, left: Left, tmp_path: Path) -> None:
    store = LyingStore()
    lying = alone(tmp_path, store)
    engine = lying.engine()
    OPERATIONS[name].before(engine)
    OPERATIONS[name].operation(engine)
    made = {commit.container for commit in store.acknowledged}
    for kept in range(len(store.acknowledged) + 1):
        after = found_again(lying, store, kept, left)
        survivor = after.engine()
        known = {record.id for record in survivor.list()}
        forgotten = {one: after.host.world(one) for one in made - known}
        lives_on(after, survivor)
        for one, world in forgotten.items():
            assert after.host.world(one) == world, "what nobody knows of is nobody's to touch"
        assert not survivor.list()
        after.close()
    lying.close()


def test_a_word_that_was_given_is_lost_and_nothing_is_made_up(tmp_path: Path) -> None:
    """Its end was acknowledged and is lost: it is unknown then, and not another."""
    store = LyingStore()
    lying = alone(tmp_path, store)
    engine = lying.engine()
    web = engine.start("web")
    running = len(store.acknowledged)
    lying.host.end(web.id, 7)
    assert engine.wait("web") == 7
    after = found_again(lying, store, running, "nothing")
    assert after.engine().wait("web") == -1
    lying.close()
    after.close()
