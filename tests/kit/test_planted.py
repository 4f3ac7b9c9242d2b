"""The promises about many at once, about whole lives, and about progress: each bites."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from lockgate import simulation
from lockgate.adapters.simulated import SimulatedHost
from lockgate.adapters.simulated.world import HOOKS, World, carried_out, process
from lockgate.effects.config import SHARED, Config, PortMapping, volume_mounts
from lockgate.effects.model import AnyEffect, DeleteLayer, Halt, LeaveNetwork, Order, RunPoststop
from lockgate.effects.network import Link
from lockgate.effects.sessions import Session, Standing, Wish
from lockgate.statemachine import inputs as i
from lockgate.statemachine.history import Entry
from lockgate.statemachine.record import Answer, Record, Refused, Step, newborn
from lockgate.statemachine.status import Presence, Status
from lockgate.statemachine.step import step
from lockgate.testing import properties as promised
from lockgate.testing import rig
from lockgate.testing.containers import LENDING, OneContainer
from lockgate.testing.explore import Broken, explore
from lockgate.testing.linear import Call
from lockgate.testing.models import MODELS
from lockgate.testing.properties import lives
from lockgate.testing.rehearsal import Explored
from lockgate.testing.rig import Place, Rig

HERE = Presence.PRESENT
ID, OTHER = "a" * 64, "b" * 64


def running(name: str, **wishes: object) -> Record:
    config = Config(id=name, name=name, **wishes)  # type: ignore[arg-type]
    return replace(
        newborn(config),
        status=Status.RUNNING,
        epoch=2,
        layer=HERE,
        mount=HERE,
        network=HERE,
        runtime=HERE,
        netns=f"/netns/{name}",
        process=process(2),
    )


WEB = running("web")
EXITED = replace(WEB, status=Status.EXITED, exit_code=1)
PORT = (PortMapping(8080, 80, host_ip="192.0.2.1"),)
EVERYWHERE = (PortMapping(8080, 80),)
LINKS = (Link("net", "eth0", "", ("10.0.0.2/24",)),)
SESSION = Session(id="s", container="web", epoch=2, wish=Wish(command=("ls",)), created_at=1)
HALT = Halt("web", 2, None, None, 15, 1, False)


def register(state: str, asked: str, answered: str) -> Iterable[str]:
    """One that may be set once."""
    return (asked,) if (state == "", answered) == (True, "done") else ()


def owing(status: Status, effect: object) -> Step:
    record = replace(WEB, status=status, poststop=HOOKS, runtime=HERE)
    if not isinstance(effect, RunPoststop):
        record = replace(record, runtime=Presence.ABSENT, operation=i.Remove())
    return Step(record, (Order(1, effect),))  # type: ignore[arg-type]


def refuses(record: Record, given: i.Input) -> Answer:
    """Whatever one asks for."""
    if isinstance(given, i.Remove):
        return Refused(given.verb, record.status, False, ())
    return step(record, given)


def deaf(record: Record, given: i.Input) -> Answer:
    """Whatever is told."""
    return Step(record)


PLANTED: list[tuple[str, Callable[[], object]]] = [
    (
        "P04",
        lambda: Rig(deaf).comes_to_rest(
            Place(replace(WEB, todo=("halt",), pending=(Order(1, HALT),)), World())
        ),
    ),
    (
        "P05",
        lambda: Rig(refuses).removable(
            Place(replace(newborn(WEB.config), status=Status.CONFIGURED, layer=HERE), World(True))
        ),
    ),
    ("P11", lambda: promised.only_marked([WEB, EXITED], [WEB], "web")),
    ("P11", lambda: promised.only_marked([WEB], [EXITED], "other")),
    (
        "P12",
        lambda: promised.explained(
            [Call(0, 1, "a", "done"), Call(2, 3, "b", "done")], "", register
        ),
    ),
    ("P14", lambda: promised.one_lock_each([ID, OTHER], {ID})),
    ("P18", lambda: promised.needs_met([running("web", requires=("db",))])),
    (
        "P18",
        lambda: promised.needs_met([running("a", requires=("b",)), running("b", requires=("a",))]),
    ),
    ("P18", lambda: promised.needs_met([WEB, running("app", network=f"{SHARED}web")])),
    (
        "P19",
        lambda: promised.nobody_elses([running("a", ports=PORT), running("b", ports=EVERYWHERE)]),
    ),
    (
        "P19",
        lambda: promised.nobody_elses([replace(running(name), links=LINKS) for name in "ab"]),
    ),
    ("P20", lambda: promised.hooks_kept(owing(Status.STOPPED, RunPoststop("web", 2, HOOKS)))),
    ("P20", lambda: promised.hooks_kept(owing(Status.EXITED, DeleteLayer("web")))),
    ("P20", lambda: promised.hooks_kept(owing(Status.EXITED, RunPoststop("web", 2, ())))),
    ("P20", lambda: promised.owed_on_record(WEB, World(owes=2))),
    ("P20", lambda: promised.owed_on_record(replace(WEB, poststop=HOOKS), World(owes=1))),
    ("P21", lambda: promised.joined_to(WEB, [replace(SESSION, epoch=1)])),
    ("P21", lambda: promised.joined_to(EXITED, [replace(SESSION, standing=Standing.RUNNING)])),
    ("P21", lambda: promised.joined_to(WEB, [replace(SESSION, standing=Standing.STOPPED)])),
    (
        "P21",
        lambda: promised.joined_to(
            WEB, [replace(SESSION, standing=Standing.STOPPED, exit_code=-1)]
        ),
    ),
    ("P25", lambda: promised.freed((4, 4), (5, 4))),
]


@pytest.mark.parametrize(("number", "planted"), PLANTED)
def test_a_planted_bug_is_found_by_its_number(number: str, planted: Callable[[], object]) -> None:
    with pytest.raises(Broken) as found:
        planted()
    assert found.value.promise == number and str(found.value).startswith(f"{number}: ")


def test_a_sound_place_breaks_nothing() -> None:
    app = replace(running("app", network=f"{SHARED}web", requires=("web",)), netns=WEB.netns)
    promised.needs_met([WEB, app])
    promised.needs_met([EXITED, app])
    promised.nobody_elses(
        [running("a", ports=PORT), running("b", ports=(PortMapping(8080, 80, "192.0.2.2"),))]
    )
    promised.nobody_elses([replace(WEB, links=LINKS), replace(app, links=LINKS)])
    ended = replace(SESSION, standing=Standing.STOPPED, exit_code=-1, exit_reason="nobody saw")
    promised.joined_to(WEB, [replace(SESSION, standing=Standing.RUNNING), ended])
    promised.one_lock_each([ID, "networks"], {ID})
    promised.only_marked([WEB, EXITED], [EXITED, EXITED], "web")
    promised.freed((0, 0), (1, 1))
    assert promised.explained([Call(0, 1, "a", "done")], "", register) == (0,)


# ---- a host that keeps, or loses, what it should not ----------------------------------------


def hoarding(world: World, effect: AnyEffect, config: Config, at: int) -> tuple[World, Any]:
    """Its own volumes stay when the layer goes."""
    after, fact = carried_out(world, effect, config, at)
    kept = isinstance(effect, DeleteLayer)
    return (replace(after, volumes=world.volumes) if kept else after), fact


def leaving_memory(world: World, effect: AnyEffect, config: Config, at: int) -> tuple[World, Any]:
    """The memory it lends stays mounted when it leaves."""
    after, fact = carried_out(world, effect, config, at)
    kept = isinstance(effect, LeaveNetwork)
    return (replace(after, shm=world.shm) if kept else after), fact


def making_half(world: World, effect: AnyEffect, config: Config, at: int) -> tuple[World, Any]:
    """One of its volumes is forgotten, and nothing said."""
    after, fact = carried_out(world, effect, config, at)
    return replace(after, volumes=after.volumes[:1]), fact


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (hoarding, "P06: gone, but something is left: ['volumes']"),
        (leaving_memory, "P08: forgot the shm"),
        (making_half, "P06: believes in a layer whose volumes are not there"),
    ],
)
def test_a_host_that_keeps_or_forgets_what_it_made_is_found_out(
    planted: Callable[..., tuple[World, Any]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig, "carried_out", planted)
    assert explore(OneContainer(faults=False, config=LENDING)).problem == said


class Sweeping(SimulatedHost):
    """With a container go all volumes it mounts."""

    def delete(self, config: Config) -> None:
        super().delete(config)
        mounted = [one.volume for one in volume_mounts(config)]
        self.volumes.restore([one for one in self.volumes.named() if one.name not in mounted])


def test_a_host_that_removes_volumes_with_a_name_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulation, "SimulatedHost", Sweeping)
    report = explore(MODELS["one container, volumes"]())
    assert report.problem == "P07: volume data has gone, and nobody has removed it", report


class Heedless(Explored):
    """Removes a volume whoever uses it."""

    def remove_volume(self, name: str, *, force: bool = False) -> None:
        self.host.volumes.remove(name, lambda volume: ())


class Trusting(Explored):
    """Takes a container whose record was lost for one that mounts nothing."""

    def _may_use(self, record: Record, name: str) -> bool:
        return record.status is not Status.UNKNOWN and super()._may_use(record, name)


@pytest.mark.parametrize("engine", [Heedless, Trusting])
def test_an_engine_that_removes_a_volume_in_use_is_found_out(engine: type[Explored]) -> None:
    model = MODELS["one container, volumes"]
    assert isinstance(model, partial)
    report = explore(model(engine=engine))
    assert report.problem == "P06: a uses volume data, which is not there", report


# ---- whole lives, told by a machine that is broken ---------------------------------------


def immortal(record: Record, given: i.Input) -> Answer:
    """Runs on, whatever the host does."""
    if isinstance(given, i.Booted) and given.boot != record.boot:
        return Step(replace(record, boot=given.boot))
    return step(record, given)


def surprised(record: Record, given: i.Input) -> Answer:
    """By the same boot, each time."""
    if isinstance(given, i.Booted):
        ended = replace(record, status=Status.EXITED, exit_code=-1, process=None)
        return Step(replace(ended, tickets=record.tickets + 1))
    return step(record, given)


def endless(record: Record, given: i.Input) -> Answer:
    """A run that is over in a boot, without an end."""
    if isinstance(given, i.Booted):
        return Step(replace(record, status=Status.EXITED, process=None, boot=given.boot))
    return step(record, given)


@pytest.mark.parametrize("machine", [immortal, surprised, endless])
def test_a_boot_that_ends_nothing_is_found(
    machine: Callable[[Record, i.Input], Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    booted = [Entry(0, 1, i.Booted("b"))]
    promised.ended_by_boots(EXITED, booted)
    monkeypatch.setattr(lives, "step", machine)
    with pytest.raises(Broken, match="P17"):
        promised.ended_by_boots(WEB, booted)


def counting_nothing(record: Record, given: i.Input) -> Answer:
    answer = step(record, given)
    if isinstance(given, i.Revive) and isinstance(answer, Step):
        return Step(replace(answer.record, restarts=record.restarts), answer.orders)
    return answer


def generous(record: Record, given: i.Input) -> Answer:
    """Starts what nobody owes."""
    if isinstance(given, i.Revive):
        return Step(replace(record, restarts=record.restarts + 1))
    return step(record, given)


@pytest.mark.parametrize(
    ("machine", "from_where", "inputs"),
    [
        (counting_nothing, EXITED, (i.Revive(),)),
        (generous, EXITED, (i.Revive(), i.Revive())),
        (generous, replace(EXITED, stopped_by_user=True), (i.Revive(),)),
    ],
)
def test_a_restart_too_many_is_found(
    machine: Callable[[Record, i.Input], Answer],
    from_where: Record,
    inputs: tuple[i.Input, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = replace(WEB.config, restart="on-failure", restart_retries=1)
    owed = replace(from_where, config=config)
    history = [Entry(seq, 1, given) for seq, given in enumerate(inputs)]
    monkeypatch.setattr(lives, "step", machine)
    with pytest.raises(Broken, match="P16"):
        promised.within_budget(owed, history)
