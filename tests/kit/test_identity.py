"""What is one place to the explorer is one to the law: from everywhere else like it, the same moves
lead to the same places."""

import pickle
from collections import deque
from itertools import islice

import pytest
from msgspec.structs import replace

from lockgate.adapters.simulated.world import RUNS, monitor, process
from lockgate.effects.config import Config
from lockgate.testing.containers import CHECKED, CONFIG, OneContainer
from lockgate.testing.identity import Identity, of_run, ranked
from lockgate.testing.rig import Place, Rig

LATER, MORE = 4, 70
MANY = 1_000


def places(model: OneContainer) -> list[Place]:
    """The first of all there are."""
    known = dict.fromkeys(model.begin())
    queue = deque(known)
    while queue and len(known) < MANY:
        for _, place in model.moves(queue.popleft()):
            if place not in known:
                known[place] = None
                queue.append(place)
    return list(islice(known, MANY))


def elsewhere(place: Place) -> Place:
    """The same in another life: later runs, later tickets, other words and times."""
    record, world = place.record, place.world
    epoch = record.epoch and record.epoch + LATER
    runs = {name: getattr(world, name) and getattr(world, name) + LATER for name in RUNS}
    return Place(
        replace(
            record,
            epoch=epoch,
            process=record.process and process(epoch),
            monitor=record.monitor and monitor(epoch),
            tickets=record.tickets + MORE,
            pending=tuple(
                replace(of_run(order, epoch), ticket=order.ticket + MORE)
                for order in record.pending
            ),
            restarts=3,
            boot="some other",
            exit_reason="words",
            finished_at=5,
        ),
        replace(world, **runs),
        place.adrift,
    )


def folded(place: Place) -> Place:
    rig = Rig()
    return rig.place(rig.identity.folded(place.record), place.world, place.adrift)


@pytest.mark.parametrize("config", [CONFIG, CHECKED], ids=["plain", "with health checks"])
@pytest.mark.parametrize("faults", [False, True], ids=["without faults", "with faults"])
def test_from_everywhere_like_it_the_same_moves_lead_to_the_same_places(
    config: Config, faults: bool
) -> None:
    model = OneContainer(faults=faults, mounts=1, config=config)
    for place in places(model):
        there = [(label, folded(after)) for label, after in model.moves(elsewhere(place))]
        assert [move for move in there if move[1] != place] == [
            move for move in model.moves(place) if move[1] != place
        ], str(place)


def test_folding_again_changes_nothing() -> None:
    identity = Identity()
    for place in places(OneContainer()):
        assert folded(elsewhere(place)) == place == folded(place)
        assert identity.folded(place.record) == place.record


def test_runs_keep_their_order_and_none_stays_none() -> None:
    assert ranked((7, 0, 3, 7)) == (2, 0, 1, 2)


def test_equal_records_are_at_home_in_one_place_whatever_they_are_made_of() -> None:
    """A process that was told of a record has its own copy of all that it holds."""
    for place in places(OneContainer(faults=False)):
        copy = pickle.loads(pickle.dumps(place.record))
        assert Identity().home(copy) == Identity().home(place.record)
