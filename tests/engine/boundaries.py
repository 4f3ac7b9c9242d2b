"""An operation on a simulated host, again and again, with something else happening at each boundary.

A boundary is a point before or after a commit, an effect, or a word about a pod: where the
interpreter calls its probe.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeAlias

from lockgate import Engine, LockgateError, Status
from lockgate.adapters.simulated import DRIFTS
from lockgate.effects.config import Config
from lockgate.effects.ports import Store, StoreError
from lockgate.statemachine.record import RESOURCES, newborn
from lockgate.statemachine.status import Presence
from lockgate.testing import properties as promised
from lockgate.testing.deaths import Killed
from lockgate.testing.rehearsal import Meanwhile

from .conftest import Simulation

Act: TypeAlias = Callable[[Engine], object]
Begin: TypeAlias = Callable[[], Simulation]
Blow: TypeAlias = Callable[[Simulation], object]

LEAST = 2
"""Boundaries of whatever writes anything down."""


class Scenario(NamedTuple):
    before: Act
    operation: Act


def alone(folder: Path, store: Store | None = None) -> Simulation:
    """A host with one container, that is only made."""
    simulation = Simulation(store)
    engine = simulation.engine()
    engine.import_image("busybox", folder, command=["sh"])
    engine.create(name="web", image="busybox")
    return simulation


def nothing(engine: Engine) -> None:
    """As it was made."""


def started(engine: Engine) -> None:
    engine.start("web")


def stopped(engine: Engine) -> None:
    engine.start("web")
    engine.stop("web")


def deferred(engine: Engine) -> None:
    engine.create(name="late", image="busybox", network="private", deferred_network=True)


def written_down(engine: Engine) -> None:
    deferred(engine)
    engine.start("late")
    engine.checkpoint("late")


OPERATIONS = {
    "create": Scenario(nothing, lambda engine: engine.create(name="new", image="busybox")),
    "init": Scenario(nothing, lambda engine: engine.init("web")),
    "start": Scenario(nothing, lambda engine: engine.start("web")),
    "start with a network set up late": Scenario(deferred, lambda engine: engine.start("late")),
    "restore with a network set up late": Scenario(
        written_down, lambda engine: engine.restore("late")
    ),
    "start of a stopped one": Scenario(stopped, lambda engine: engine.start("web")),
    "stop": Scenario(started, lambda engine: engine.stop("web")),
    "kill": Scenario(started, lambda engine: engine.kill("web")),
    "signal": Scenario(started, lambda engine: engine.kill("web", "USR1")),
    "pause": Scenario(started, lambda engine: engine.pause("web")),
    "restart": Scenario(started, lambda engine: engine.restart("web")),
    "cleanup": Scenario(stopped, lambda engine: engine.cleanup("web")),
    "remove": Scenario(stopped, lambda engine: engine.remove("web")),
    "remove by force": Scenario(started, lambda engine: engine.remove("web", force=True)),
}
"""Of one container, or of one beside it."""


def killed(simulation: Simulation) -> None:
    raise Killed


def interrupted(simulation: Simulation) -> None:
    raise KeyboardInterrupt


def drifted(name: str) -> Blow:
    """To all containers there are."""

    def blow(simulation: Simulation) -> None:
        for container in simulation.host.worlds():
            simulation.host.drift(container, DRIFTS[name])

    return blow


def everywhere(
    begin: Begin, scenario: Scenario, blow: Blow
) -> Iterator[tuple[Simulation, Engine, int]]:
    """After each time, until the operation has ended before anything could happen: the host, the engine
    it happened to, and at which boundary. What the operation then says is not judged here."""
    for place in count(1):
        simulation = begin()
        scenario.before(simulation.engine())
        probe = Meanwhile(place, partial(blow, simulation))
        engine = simulation.engine(probe)
        try:
            scenario.operation(engine)
        except (LockgateError, StoreError, Killed, KeyboardInterrupt):
            pass
        if len(probe.passed) < place:
            assert place > LEAST, "nothing ever happened"
            simulation.close()
            return
        yield simulation, engine, place
        simulation.close()


def looked_at(simulation: Simulation, engine: Engine) -> None:
    """One look, and nothing is in doubt; what was done is in order (P01, P04, P06, P08, P10, P16, P24)."""
    for record in engine.list():
        synced = engine.sync(record.id)
        if not synced.gone:
            promised.settled(synced, promised.footprint(simulation.host.world(record.id)))
    in_order(engine)


def in_order(engine: Engine) -> None:
    """Of what is on record, whatever the world is like (P08, P10, P16, P24)."""
    for record in engine.list():
        entries = list(engine.history(record.id))
        promised.replays(newborn(Config(id=record.id)), entries)
        promised.ordered_before_heard(entries)
        promised.stop_wins(entries)
    promised.in_order(list(engine.events()))


def mended(engine: Engine) -> None:
    """What has failed, and said so, is asked for again; what may be left of it is given back."""
    for record in engine.list():
        match record.status:
            case Status.STOPPING:
                engine.stop(record.id)
            case Status.REMOVING:
                engine.remove(record.id)
            case _ if any(getattr(record, one) is Presence.UNCERTAIN for one in RESOURCES):
                engine.cleanup(record.id)
            case _:
                pass


def emptied(simulation: Simulation, engine: Engine) -> None:
    """Whatever was done, each can be brought to running, and then to nothing (P05)."""
    for record in engine.list():
        if record.status not in (Status.RUNNING, Status.PAUSED):
            engine.start(record.id)
        engine.remove(record.id, force=True)
        assert simulation.host.world(record.id).empty
    assert not simulation.host.worlds()
