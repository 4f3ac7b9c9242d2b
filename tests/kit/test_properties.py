"""Each promise bites: a life that breaks it is refused, by number, and a sound one is not."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockgate import Engine
from lockgate.adapters.simulated.world import World, monitor, process
from lockgate.effects.config import SHAREABLE, Config, Namespaces, VolumeMount
from lockgate.effects.health import Health, HealthCheck, HealthStatus
from lockgate.effects.model import (
    CheckpointRuntime,
    ConnectNetwork,
    CreateLayer,
    CreateRuntime,
    Effect,
    Halt,
    JoinNetwork,
    Mount,
    Order,
    Process,
    Signal,
    StartRuntime,
    Unmount,
)
from lockgate.effects.outcome import Done, Exited, Fault
from lockgate.effects.ports import Event
from lockgate.statemachine import inputs as i
from lockgate.statemachine.history import Entry
from lockgate.statemachine.record import Answer, Notice, Record, Step, newborn
from lockgate.statemachine.status import Presence, Status
from lockgate.statemachine.step import step
from lockgate.testing import properties as promised
from lockgate.testing.explore import Broken
from lockgate.testing.properties import Footprint
from lockgate.testing.rehearsal import Kept

CONFIG = Config(id="c", name="c", network="private")
HERE = Presence.PRESENT
ALL = frozenset({"layer", "mount", "network", "runtime"})
RUNNING = replace(
    newborn(CONFIG),
    status=Status.RUNNING,
    epoch=1,
    layer=HERE,
    mount=HERE,
    network=HERE,
    runtime=HERE,
    process=process(1),
    monitor=monitor(1),
)
CONFIGURED = replace(newborn(CONFIG), status=Status.CONFIGURED, layer=HERE)
STOPPED = replace(RUNNING, status=Status.STOPPED, exit_code=7)
THERE = Footprint(ALL, lives=True, runtime="running")
ENDED = World(True, True, True, True, "stopped", 1, code=7, reported=True)
OTHER = Order(1, Mount("other"))
HOSTS = newborn(replace(CONFIG, network="host"))
CONNECT = ConnectNetwork("c", 1, process(1), "/merged")


def ordered(effect: object, record: Record = CONFIGURED) -> Step:
    assert isinstance(effect, Effect)
    return Step(record, (Order(1, effect),))  # type: ignore[arg-type]


def signalled(whom: Process, record: Record = RUNNING) -> Step:
    return ordered(Signal("c", 1, whom, 9), record)


def dice() -> Callable[[Record, i.Input], Answer]:
    answers = iter((Step(RUNNING), Step(STOPPED)))
    return lambda record, given: next(answers)


def believes_anything(record: Record, given: i.Input) -> Answer:
    return Step(replace(record, epoch=record.epoch + 1))


def forgetful(world: World) -> None:
    promised.untouched({"a": world, "b": world}, {"a": World()}, "a")


STARTED = Order(1, StartRuntime("c", 1))
STARTING = replace(RUNNING, status=Status.CREATED, operation=i.Start(), todo=("launch",))
BORN = newborn(CONFIG)
OWED = replace(STOPPED, config=replace(CONFIG, restart="always"))
UNWELL = Health(HealthStatus.UNHEALTHY, 3)
CHECKED = replace(
    RUNNING, config=replace(CONFIG, health=HealthCheck(command=("true",))), health=UNWELL
)
DEFERRED = replace(RUNNING, config=replace(CONFIG, deferred_network=True))
WATCHED = World(True, True, True, True, "running", 1, watched=1)
HEAL = i.Kill(by_health=True)


def life(*inputs: i.Input) -> list[Entry]:
    """The history of these inputs, as a store would have kept it; no digests."""
    record, entries = newborn(CONFIG), []
    for seq, given in enumerate(inputs):
        answer = step(record, given)
        assert isinstance(answer, Step), given
        entries.append(Entry(seq, 1, given, answer.orders))
        record = answer.record
    return entries


def event(name: str, number: int, container: str = "c") -> Event:
    return Event(container, container, name, 1, number=number)


def unmounting(operation: i.Command, mounts: int) -> Step:
    """Something unmounts what its user holds so often."""
    record = replace(CONFIGURED, operation=operation, mounts=mounts)
    return Step(record, (Order(1, Unmount("c")),))


TROUBLE = (Fault("failed", "something"),)
PAUSED_BY_FAULT = {"status": Status.PAUSED, "faults": TROUBLE}
DUMP = CheckpointRuntime("c", 1, 1, True, False, False)
DUMPING = replace(RUNNING, operation=i.Checkpoint(leave_running=True), todo=("snap",))
KEPT = replace(THERE, held=ALL | {"checkpoint"})
CREATED = replace(CONFIGURED, status=Status.CREATED)
HALF = replace(CONFIGURED, network=HERE)
OWN = tuple(
    VolumeMount(destination=f"/{name}", volume=name, anonymous=True) for name in ("one", "two")
)
OWNING = replace(CONFIGURED, config=replace(CONFIG, mounts=OWN))
LENDING = replace(HALF, config=replace(CONFIG, namespaces=Namespaces(ipc=SHAREABLE)))
RESTORING = replace(CONFIGURED, operation=i.Restore(), todo=("restore",))
RESTORING_AND_KEEPING = replace(RESTORING, operation=i.Restore(keep=True))
HALF_MADE = replace(RUNNING, status=Status.CREATED)
UPDATING = replace(RUNNING, operation=i.Update(memory=1 << 30), todo=("adjust",))
LIMITED = World(True, True, True, True, "running", 1, memory=1 << 30)
KILLED_FOR_MEMORY = Exited(137, 1, oom=True)
WHOLE_LIFE = life(i.Create(CONFIG), Done(1))

BITES: list[tuple[str, Callable[[], object]]] = [
    ("P01", lambda: promised.agreement(RUNNING, replace(THERE, lives=False))),
    ("P01", lambda: promised.agreement(STOPPED, THERE)),
    ("P01", lambda: promised.agreement(CONFIGURED, Footprint(ALL, lives=True))),
    ("P01", lambda: promised.agreement(RUNNING, replace(THERE, runtime="created"))),
    ("P01", lambda: promised.can_work(RUNNING, Footprint(ALL - {"network"}, True))),
    ("P01", lambda: promised.settled(STOPPED, THERE)),
    ("P02", lambda: promised.one_truthful_exit(replace(STOPPED, exit_code=0), ENDED)),
    ("P02", lambda: promised.one_truthful_exit(STOPPED, replace(ENDED, reported=False))),
    ("P03", lambda: promised.waits_agree([7, 7, 0])),
    ("P04", lambda: promised.owned(replace(RUNNING, todo=("halt",)))),
    ("P04", lambda: promised.settled(replace(RUNNING, pending=(STARTED,)), THERE)),
    ("P06", lambda: promised.exact_footprint(RUNNING, Footprint(ALL - {"mount"}, True))),
    ("P06", lambda: promised.nothing_left(BORN, Footprint(frozenset({"layer"})))),
    ("P06", lambda: promised.nothing_left(CONFIGURED, Footprint(frozenset({"layer", "mount"})))),
    ("P06", lambda: promised.settled(replace(RUNNING, mount=Presence.UNCERTAIN), THERE)),
    ("P06", lambda: promised.settled(RUNNING, Footprint(ALL - {"mount"}, True))),
    ("P06", lambda: promised.held_by_its_user(replace(CONFIGURED, mounts=1))),
    ("P06", lambda: promised.whole(OWNING, World(layer=True))),
    ("P06", lambda: promised.whole(OWNING, World(layer=True, volumes=("one",)))),
    ("P06", lambda: promised.whole(CONFIGURED, World(layer=True, volumes=("one",)))),
    ("P06", lambda: promised.whole(LENDING, World(network=True))),
    ("P06", lambda: promised.nothing_left(CONFIGURED, Footprint(frozenset({"layer", "shm"})))),
    ("P06", lambda: promised.nothing_left(BORN, Footprint(frozenset({"volumes"})))),
    ("P07", lambda: promised.nobodys_mount(unmounting(i.Cleanup(), 1))),
    ("P07", lambda: promised.nobodys_mount(unmounting(i.Unmount(), 2))),
    ("P07", lambda: promised.about_itself(CONFIGURED, ordered(OTHER.effect))),
    ("P07", lambda: forgetful(ENDED)),
    ("P07", lambda: promised.only_its_run(STARTED, replace(ENDED, epoch=2), World())),
    ("P08", lambda: promised.intent_first(CONFIGURED, THERE)),
    ("P08", lambda: promised.intent_first(BORN, Footprint(frozenset({"volumes"})))),
    ("P08", lambda: promised.intent_first(CONFIGURED, Footprint(frozenset({"layer", "shm"})))),
    ("P08", lambda: promised.ordered_before_heard(life(i.Create(CONFIG), Done(1))[1:])),
    ("P09", lambda: promised.stale_is_no_news(believes_anything, RUNNING)),
    ("P09", lambda: promised.nothing_needless(RUNNING, ordered(Mount("c"), RUNNING))),
    ("P09", lambda: promised.nothing_needless(BORN, ordered(Unmount("c"), BORN))),
    ("P09", lambda: promised.plugged_once(BORN, ordered(JoinNetwork("c", 1), HOSTS))),
    ("P09", lambda: promised.plugged_once(replace(RUNNING, netns="/n"), ordered(CONNECT))),
    ("P10", lambda: promised.same_again(dice(), RUNNING, i.Stop())),
    ("P10", lambda: promised.replays(BORN, WHOLE_LIFE[1:])),
    (
        "P13",
        lambda: promised.patient_alone(
            Step(RUNNING, (Order(1, Halt("c", 1, None, None, 9, 0, False)), STARTED))
        ),
    ),
    ("P15", lambda: promised.identified(signalled(Process(1, 5, "boot")))),
    ("P15", lambda: promised.identified(signalled(Process(99, 0, "boot")))),
    ("P15", lambda: promised.identified(signalled(Process(99, 5, "")))),
    ("P15", lambda: promised.identified(signalled(Process(99, 5, "boot"), STOPPED))),
    ("P16", lambda: promised.stop_wins([Entry(0, 1, i.Stop()), Entry(1, 1, Done(1), (STARTED,))])),
    (
        "P02",
        lambda: promised.one_exit_each(
            replace(RUNNING, epoch=0), [Entry(0, 1, i.Died(0, Exited(7, 1)))]
        ),
    ),
    ("P22", lambda: promised.health_of_a_run(replace(RUNNING, health=UNWELL))),
    ("P22", lambda: promised.health_of_a_run(replace(CHECKED, status=Status.STOPPED))),
    ("P22", lambda: promised.health_of_a_run(replace(CHECKED, health=replace(UNWELL, failures=4)))),
    ("P22", lambda: promised.health_of_a_run(replace(CHECKED, health=replace(UNWELL, failures=2)))),
    ("P22", lambda: promised.health_of_a_run(replace(CHECKED, health=Health(failures=3)))),
    ("P22", lambda: promised.watched(CHECKED, replace(WATCHED, watched=0))),
    ("P22", lambda: promised.watched(CHECKED, replace(WATCHED, watched=2))),
    ("P22", lambda: promised.owed_for_health(replace(CHECKED, health=None), HEAL)),
    ("P22", lambda: promised.owed_for_health(replace(CHECKED, health=Health(failures=2)), HEAL)),
    ("P22", lambda: promised.owed_for_health(replace(CHECKED, status=Status.PAUSED), HEAL)),
    (
        "P23",
        lambda: promised.oom_of_this_run(
            replace(RUNNING, oom_killed=True), [Entry(0, 1, i.Kill(signal=1))]
        ),
    ),
    ("P24", lambda: promised.in_order([event("start", 1), event("died", 3)])),
    ("P24", lambda: promised.in_order([event("start", 1), event("start", 2)])),
    ("P24", lambda: promised.in_order([event("died", 1), event("start", 2)])),
    ("P24", lambda: promised.in_order([event("died", 1), event("died", 2)])),
    ("P16", lambda: promised.accepted_rightly(replace(OWED, stopped_by_user=True), i.Revive())),
    ("P26", lambda: promised.accepted_rightly(CONFIGURED, i.Restore())),
    ("P26", lambda: promised.accepted_rightly(CONFIGURED, i.Unmount())),
    ("P26", lambda: promised.announced_in_time(Step(RUNNING, (), (Notice("cleanup"),)))),
    ("P26", lambda: promised.announced_in_time(Step(CONFIGURED, (), (Notice("init"),)))),
    ("P26", lambda: promised.announced_in_time(Step(CONFIGURED, (), (Notice("remove"),)))),
    ("P26", lambda: promised.kept_its_word(STARTING, Step(CONFIGURED))),
    (
        "P26",
        lambda: promised.kept_its_word(replace(CONFIGURED, operation=i.Mount()), Step(CONFIGURED)),
    ),
    (
        "P26",
        lambda: promised.kept_its_word(
            replace(CONFIGURED, operation=i.Unmount(force=True)),
            Step(replace(CONFIGURED, mount=Presence.UNCERTAIN)),
        ),
    ),
    ("P26", lambda: promised.kept_its_word(RESTORING, Step(replace(RUNNING, checkpoint=HERE)))),
    ("P26", lambda: promised.kept_its_word(RESTORING_AND_KEEPING, Step(RUNNING))),
    ("P27", lambda: promised.former_state(STARTING, Step(replace(HALF_MADE, faults=TROUBLE)))),
    ("P27", lambda: promised.frozen_iff_paused(RUNNING, Footprint(ALL | {"freezer"}, True))),
    ("P27", lambda: promised.frozen_iff_paused(replace(RUNNING, status=Status.PAUSED), THERE)),
    ("P27", lambda: promised.frozen_with_intent(RUNNING, ordered(DUMP, RUNNING))),
    ("P27", lambda: promised.checkpointed(replace(RUNNING, checkpoint=HERE), THERE)),
    ("P27", lambda: promised.checkpointed(replace(STOPPED, checkpointed=True), THERE)),
    ("P27", lambda: promised.checkpointed(replace(STOPPED, checkpointed=True), KEPT)),
    ("P27", lambda: promised.checkpointed(replace(RUNNING, checkpointed=True), KEPT)),
    ("P27", lambda: promised.former_state(DUMPING, Step(replace(RUNNING, **PAUSED_BY_FAULT)))),
    ("P27", lambda: promised.former_state(RESTORING, Step(replace(CREATED, faults=TROUBLE)))),
    ("P27", lambda: promised.former_state(RESTORING, Step(replace(HALF, faults=TROUBLE)))),
    ("P26", lambda: promised.kept_its_word(DUMPING, Step(RUNNING))),
    ("P26", lambda: promised.kept_its_word(UPDATING, Step(RUNNING))),
    ("P26", lambda: promised.limits_kept(RUNNING, LIMITED)),
    ("P26", lambda: promised.connected(DEFERRED, WATCHED)),
]


@pytest.mark.parametrize(("number", "planted"), BITES)
def test_a_planted_bug_is_found_by_its_number(number: str, planted: Callable[[], object]) -> None:
    with pytest.raises(Broken) as found:
        planted()
    assert found.value.promise == number and str(found.value).startswith(f"{number}: ")


def test_an_effect_that_is_not_idempotent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from lockgate.testing.properties import steps

    def counting(world: World, *_: object) -> tuple[World, None]:
        return replace(world, epoch=world.epoch + 1), None

    monkeypatch.setattr(steps, "carried_out", counting)
    with pytest.raises(Broken, match="P09: Mount twice is not once"):
        promised.twice_is_once(World(), Mount("c"))


@pytest.mark.parametrize(
    "effect", [CreateLayer("c"), Mount("c"), CreateRuntime("c", 1), STARTED.effect]
)
def test_the_simulated_effects_are_idempotent(effect: object) -> None:
    for world in (World(), World(layer=True), ENDED, replace(ENDED, runtime="created")):
        promised.twice_is_once(world, effect)  # type: ignore[arg-type]


def test_a_sound_place_breaks_nothing() -> None:
    for record, there in (
        (RUNNING, THERE),
        (STOPPED, Footprint(ALL, runtime="stopped")),
        (CONFIGURED, Footprint(frozenset({"layer"}))),
        (BORN, Footprint()),
    ):
        promised.everywhere(record, there)
        promised.at_rest(record, there)
        promised.settled(record, there)
    promised.one_truthful_exit(STOPPED, ENDED)
    promised.health_of_a_run(CHECKED)
    promised.watched(CHECKED, WATCHED)
    promised.connected(DEFERRED, replace(WATCHED, plugged=1))
    promised.connected(RUNNING, WATCHED)
    promised.owed_for_health(CHECKED, HEAL)
    promised.accepted_rightly(OWED, i.Revive())
    promised.accepted_rightly(CONFIGURED, i.Restore(source="/archive"))
    promised.accepted_rightly(CONFIGURED, i.Unmount(force=True))
    promised.kept_its_word(STARTING, Step(RUNNING))
    promised.kept_its_word(STARTING, Step(replace(CONFIGURED, faults=(Fault("failed", "no"),))))


def test_a_whole_life_breaks_nothing(tmp_path: Path) -> None:
    with Engine.simulated() as engine:
        engine.import_image("busybox", tmp_path, command=["sh"])
        for _ in "two lives":
            web = engine.create(name="web", image="busybox")
            for _ in "two runs":
                engine.start("web")
                engine.stop("web")
            engine.remove("web")
            history = list(engine.history(web.id))
            blank = newborn(Config(id=web.id))
            assert promised.replays(blank, history).gone
            promised.ordered_before_heard(history)
            promised.stop_wins(history)
            promised.one_exit_each(blank, history)
            promised.oom_of_this_run(blank, history)
        promised.in_order(list(engine.events()))


def test_a_death_for_memory_is_told_of_its_own_run() -> None:
    promised.oom_of_this_run(RUNNING, [Entry(0, 1, i.Died(1, KILLED_FOR_MEMORY))])


# ---- the catalogue -----------------------------------------------------------------------

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("one", promised.PROPERTIES.values(), ids=lambda one: one.id)
def test_every_check_the_catalogue_names_exists(one: promised.Property) -> None:
    assert one.checks or one.missing, "neither checked nor explained"
    for check in one.checks:
        path, _, name = check.partition("::")
        if path.startswith("tests/"):
            assert (ROOT / path).is_file(), path
            assert not name or f"def {name}(" in (ROOT / path).read_text(), check
        else:
            from lockgate.testing import rig

            assert hasattr(promised, check) or hasattr(rig.Rig, check), check


def test_there_are_all_of_them_and_the_documentation_says_so() -> None:
    assert list(promised.PROPERTIES) == [f"P{number:02}" for number in range(1, 28)]
    page = (ROOT / "docs" / "reference" / "properties.md").read_text()
    assert promised.table() in page, "run: python -m lockgate.testing --properties"


# ---- of several --------------------------------------------------------------------------

OWNER = Kept(CONFIG, RUNNING, WATCHED, namespace="here")
GUEST_CONFIG = replace(CONFIG, id="g", name="g", network="container:c")
GUEST = Kept(GUEST_CONFIG, replace(RUNNING, config=GUEST_CONFIG, netns="here"), WATCHED)
GONE = replace(OWNER, record=None, world=World(), namespace="")


@pytest.mark.parametrize(
    ("check", "members", "promise"),
    [
        (promised.never_without, (GONE, GUEST), "P18"),
        (
            promised.never_without,
            (replace(OWNER, record=replace(RUNNING, status=Status.REMOVING)), GUEST),
            "P18",
        ),
        (promised.guests_at_home, (replace(OWNER, namespace="elsewhere"), GUEST), "P18"),
        (
            promised.guests_at_home,
            (replace(OWNER, world=replace(WATCHED, network=False)), GUEST),
            "P18",
        ),
        (promised.sessions_of_a_run, (replace(OWNER, world=ENDED, sessions=1),), "P21"),
        (
            promised.sessions_of_a_run,
            (replace(OWNER, record=replace(RUNNING, status=Status.STOPPED, sessions=("a",))),),
            "P21",
        ),
    ],
)
def test_checks_of_several_bite(
    check: Callable[[Sequence[Kept]], None], members: tuple[Kept, ...], promise: str
) -> None:
    with pytest.raises(Broken, match=promise):
        check(members)


def test_several_that_are_well_break_nothing() -> None:
    for check in (promised.never_without, promised.guests_at_home, promised.sessions_of_a_run):
        check((OWNER, GUEST))
        check((OWNER, replace(GUEST, record=None, damaged=True)))
