"""Models whose moves are whole commands of the shipped engine, over containers that need each other.

What the models of single steps leave out is all here, and none of it is written a second time: the
store's rules, who is started and stopped with whom, what is owed and who does it, sessions. A command
is carried to its end, and in that, at every place, one thing may go wrong: an effect, the engine's own
life, or a container that ends meanwhile. Between commands anything may end, and the host restart.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.simulated.faults import TURNS, Turn
from lockgate.adapters.simulated.world import RUNS, Left
from lockgate.effects.config import Config, needs, volume_mounts
from lockgate.effects.model import Order
from lockgate.effects.outcome import Home
from lockgate.errors import LockgateError
from lockgate.statemachine.inputs import Remove
from lockgate.statemachine.policy import has_duties, owes_removal, owes_restart
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status
from lockgate.testing import properties as promised
from lockgate.testing.deaths import Killed
from lockgate.testing.explore import Broken
from lockgate.testing.identity import FORGOTTEN, Identity, epochs_of, ranked
from lockgate.testing.rehearsal import (
    Explored,
    Kept,
    Meanwhile,
    Shelf,
    Stage,
    Turned,
    Waits,
    dies,
    joined,
)
from lockgate.testing.rig import RESTARTS, Place, Rig, ended, restarted

Act: TypeAlias = Callable[[Explored], object]
BY_ITSELF = 3
RUNS_NOW = (Status.RUNNING, Status.PAUSED)
LEAVING = (Status.REMOVING, Status.ABSENT)


class Household(Struct, frozen=True, cache_hash=True):
    """Containers, in the order of their making; how much has gone wrong on the way here; the volumes
    that are no container's."""

    kept: tuple[Kept, ...]
    troubles: int = 0
    volumes: tuple[Shelf, ...] = ()

    def __str__(self) -> str:
        said = [f"{one.config.name}: {_said(one)}" for one in self.kept]
        if self.volumes:
            shown = (f"{one.name}{' (fresh)' if one.fresh else ''}" for one in self.volumes)
            said.append(f"volumes: {', '.join(shown)}")
        return "; ".join(said)


SOME_EARLIER = -1
"""Stands for every run of another that is not its newest."""


def _numbered(one: Kept) -> Iterator[tuple[Home, int]]:
    """The newest run of this container, by the number it will have."""
    if one.record is not None:
        ranks = ranked(epochs_of(one.record, one.world))
        yield Home(one.config.id, one.record.epoch), ranks[0]


def _said(one: Kept) -> str:
    if one.damaged:
        return "cannot be read"
    record = one.record
    return str(Place(record, one.world)) if record else "not there"


class Trouble(Struct, frozen=True):
    """What goes wrong in a command: its `at`-th effect turns out so, or at its `at`-th place the
    engine is killed, or this container ends, or somebody else gives a command. `way`: in which of those
    there are something is done by half."""

    at: int
    turn: Turn = "done"
    way: int = 0
    ends: str = ""
    name: str = ""
    other: "Command | None" = None

    def __str__(self) -> str:
        if self.turn != "done":
            way = f" ({self.way})" if self.way else ""
            return f"its {self.at}. effect, {self.name}, {self.turn}{way}"
        happens = f"{self.ends} ends" if self.ends else str(self.other or "killed")
        return f"{happens} at {self.at}., {self.name}"


class Command(Struct, frozen=True):
    """What is asked of the engine, and of which container or volume."""

    verb: str
    container: str
    act: Act

    def __str__(self) -> str:
        return f"{self.verb} {self.container}".strip()


class Households:
    """`configs`: containers in the order of their making, whose ids are their names. `troubles`: how
    many things may go wrong in one life; `turns`: how an effect may. `execs`: whether processes join
    them. `verbs`: what is asked of them, all there is if none is named. `others`: what another operator
    asks for, wherever it does not have to wait for the first; then that is all that goes wrong. `halves`:
    whether a restart may leave half of the runtime's files of several, too: of one it always may.
    `volumes`: the names of those that are made and removed."""

    def __init__(
        self,
        configs: Sequence[Config],
        *,
        troubles: int = 1,
        turns: Sequence[Turn] = TURNS,
        execs: bool = False,
        verbs: Collection[str] = (),
        others: Collection[str] = (),
        halves: bool = False,
        volumes: Sequence[str] = (),
        engine: type[Explored] = Explored,
    ) -> None:
        self._configs, self._troubles, self._execs = tuple(configs), troubles, execs
        self._turns: tuple[Turn, ...] = tuple(turn for turn in turns if turn not in SAME)
        self._engine, self._volumes = engine, tuple(volumes)
        forgotten = {name: FORGOTTEN[name] for name in ("exit_reason", "finished_at")}
        self._identity, self._rig = Identity(forgotten), Rig()
        halves = halves or len(self._configs) == 1
        self._restarts = RESTARTS if halves else (RESTARTS[0], RESTARTS[-1])
        known = tuple(self._known())
        self._commands = tuple(one for one in known if not verbs or one.verb in verbs)
        self._others = tuple(one for one in known if one.verb in others)

    def begin(self) -> Iterable[Household]:
        yield Household(tuple(map(Kept, self._configs)))

    # ---- what may happen -----------------------------------------------------------------

    def _known(self) -> Iterator[Command]:
        for config in self._configs:
            for verb, act in ACTS.items():
                idle = verb in SETTLING and not has_duties(config)
                if not idle and (verb not in JOINING or self._execs):
                    yield Command(verb, config.id, partial(act, config))
        for name in self._volumes:
            for verb, kept in KEEPING.items():
                yield Command(verb, name, partial(kept, name))
        if len(self._configs) > 1:
            yield Command("remove --depend", self._configs[0].id, partial(_all, self._configs[0]))
        yield Command("refresh", "", lambda engine: engine.refresh())

    def moves(self, node: Household) -> Iterator[tuple[str, Household]]:
        for command in self._commands:
            if self._possible(node, command):
                yield from self._commanded(node, command)
        yield from self._by_themselves(node)
        if any(one.record or one.damaged for one in node.kept):
            for left, label in self._restarts:
                kept = tuple(self._restarted(one, left) for one in node.kept)
                # the last that goes wrong
                yield label, self._household(kept, self._troubles, node.volumes)

    def _possible(self, node: Household, command: Command) -> bool:
        if command.verb in KEEPING:
            there = any(one.name == command.container for one in node.volumes)
            return there == (command.verb == REMOVES)
        for one in node.kept:
            if one.config.id == command.container:
                there = one.record is not None or one.damaged
                if command.verb in JOINING and (one.sessions > 0) == (command.verb == "exec"):
                    return False
                return there != (command.verb == "create")
        return any(one.record or one.damaged for one in node.kept)

    def _commanded(self, node: Household, command: Command) -> Iterator[tuple[str, Household]]:
        effects, places = Turned(), Meanwhile()
        yield str(command), self._played(node, command, None, effects, places)
        if node.troubles >= self._troubles:
            return
        for trouble in self._troubles_of(effects.seen, places.passed, node):
            turned = Turned(trouble.at, trouble.turn)
            with suppress(Waits):
                yield f"{command}; {trouble}", self._played(node, command, trouble, turned)
            for way in range(1, turned.ways):
                other = replace(trouble, way=way)
                yield f"{command}; {other}", self._played(node, command, other)

    def _troubles_of(
        self, effects: Sequence[str], places: Sequence[str], node: Household
    ) -> Iterator[Trouble]:
        if self._others:
            for at, name in enumerate(places, 1):
                for other in self._others:
                    if self._possible(node, other):
                        yield Trouble(at, name=name, other=other)
            return
        for at, name in enumerate(effects, 1):
            for turn in self._turns:
                yield Trouble(at, turn, name=name)
        for at, name in enumerate(places, 1):
            yield Trouble(at, name=name)
            if name.startswith("before") and "commit" not in name:
                for one in node.kept:
                    yield Trouble(at, ends=one.config.id, name=name)

    def _played(
        self,
        node: Household,
        command: Command,
        trouble: Trouble | None,
        effects: Turned | None = None,
        places: Meanwhile | None = None,
    ) -> Household:
        """The command carried out by an engine of its own, and what came of it judged."""
        stage = Stage(node.kept, node.volumes)
        if trouble is None:
            plan, probe = effects or Turned(), places or Meanwhile()
        elif trouble.turn != "done":
            plan = effects or Turned(trouble.at, trouble.turn, trouble.way)
            probe = Meanwhile()
        elif trouble.other:
            plan, probe = (
                Turned(),
                Meanwhile(trouble.at, partial(self._asked, stage, trouble.other)),
            )
        elif trouble.ends:
            end = partial(stage.host.end, trouble.ends, BY_ITSELF)
            plan, probe = Turned(), Meanwhile(trouble.at, end)
        else:
            plan, probe = Turned(), Meanwhile(trouble.at, dies)
        stage.host.plan = plan
        said: LockgateError | None = None
        killed = False
        with self._engine(stage.wiring, probe) as engine:
            try:
                command.act(engine)
            except LockgateError as problem:
                said = problem
            except Killed:
                killed = True
            except Exception as bug:
                raise Broken("P26", f"{command} ended with {bug!r}") from bug
            kept = stage.kept()
        self._joined(stage, kept)
        after = self._household(kept, node.troubles + (trouble is not None), stage.volumes())
        self._judged(node, command, trouble, said, killed, after)
        return after

    def _asked(self, stage: Stage, other: Command) -> None:
        """By somebody else, on the same host."""
        with stage.another(self._engine) as engine, suppress(LockgateError):
            other.act(engine)

    @staticmethod
    def _joined(stage: Stage, kept: Sequence[Kept]) -> None:
        """P21: what somebody who asks is told of those that have joined."""
        if any(one.sessions for one in kept):
            with stage.engine() as engine:
                for record in engine.list():
                    promised.joined_to(record, engine.sessions(record.id))

    def _by_themselves(self, node: Household) -> Iterator[tuple[str, Household]]:
        for place, one in enumerate(node.kept):
            name, world = one.config.id, one.world
            if world.alive:
                gone = replace(one, world=ended(world, BY_ITSELF), sessions=0)
                yield f"{name} ends by itself", self._with(node, place, gone)
            if node.troubles >= self._troubles:
                continue
            if world.alive and world.monitor:
                alone = replace(one, world=replace(world, monitor=False))
                yield f"the monitor of {name} dies", self._with(node, place, alone, 1)
            if one.record is not None:
                bad = replace(one, record=None, damaged=True)
                yield f"the record of {name} is damaged", self._with(node, place, bad, 1)

    def _with(self, node: Household, place: int, one: Kept, troubles: int = 0) -> Household:
        kept = (*node.kept[:place], one, *node.kept[place + 1 :])
        return self._household(kept, node.troubles + troubles, node.volumes)

    @staticmethod
    def _restarted(one: Kept, left: Left) -> Kept:
        world = restarted(one.world, left) if not one.world.empty else one.world
        record = replace(one.record, boot=BEFORE) if one.record else None
        return replace(one, record=record, world=world, namespace="", sessions=0)

    # ---- what is one place ---------------------------------------------------------------

    def _household(
        self, kept: Sequence[Kept], troubles: int, volumes: tuple[Shelf, ...]
    ) -> Household:
        """By the numbers and names that all places like it have."""
        spaces = {one.namespace: f"{one.config.id}, now" for one in kept if one.namespace}
        runs = {home: number for one in kept for home, number in _numbered(one)}
        folded = tuple(self._folded(one, spaces, runs) for one in kept)
        return Household(folded, troubles, volumes)

    def _folded(self, one: Kept, spaces: Mapping[str, str], runs: Mapping[Home, int]) -> Kept:
        namespace = spaces.get(one.namespace, "")
        if one.record is None:
            numbers = tuple(getattr(one.world, name) for name in RUNS)
            world = self._identity.world(one.world, ranked(numbers))
            return replace(one, world=world, namespace=namespace)
        record, config, world = one.record, one.record.config, one.world
        if (record.exit_code or 0) > 0:
            record = replace(record, exit_code=BY_ITSELF)
        if world.code:
            world = replace(world, code=BY_ITSELF)

        def renamed(netns: str) -> str:
            return spaces.get(netns, "before") if netns else ""

        told: dict[str, Any] = {
            "netns": renamed(record.netns),
            "homes": tuple(
                replace(home, epoch=runs.get(home, SOME_EARLIER)) for home in record.homes
            ),
            "boot": NOW if record.boot in (NOW, "") else BEFORE,
            "pending": tuple(_elsewhere(order, renamed) for order in record.pending),
            "sessions": tuple(joined(config.id, number) for number in range(len(record.sessions))),
        }
        if config.restart != "on-failure":
            told["restarts"] = 0
        if config.restart == "no" and len(self._configs) == 1:
            told["stopped_by_user"] = False
        folded = self._identity.folded(replace(record, **told))
        ranks = ranked(epochs_of(folded, world))
        return replace(
            one,
            record=self._identity.record(folded, ranks[0]),
            world=self._identity.world(world, ranks[1:]),
            namespace=namespace,
        )

    def home(self, node: Household) -> int:
        return sum(self._identity.home(one.record) for one in node.kept if one.record)

    # ---- what must hold of a command -----------------------------------------------------

    def _judged(
        self,
        before: Household,
        command: Command,
        trouble: Trouble | None,
        said: LockgateError | None,
        killed: bool,
        after: Household,
    ) -> None:
        other = trouble.other if trouble else None
        named = {one.name for one in after.volumes}
        asked = (command, other) if other else (command,)
        removed = [one.container for one in asked if one.verb == REMOVES]
        promised.volumes_stay([one.name for one in before.volumes], named, removed)
        if other is None or other.verb not in STARTING:
            for was, now in zip(before.kept, after.kept, strict=True):
                self._started_for_a_reason(command, was, now)
        if killed or other or (trouble and (trouble.ends or trouble.turn == "reverts")):
            return
        for was, now in zip(before.kept, after.kept, strict=True):
            hastened = was.record is not None and type(was.record.operation) is Remove
            if said is None and now.config.id == command.container and not hastened:
                self._kept_its_word(command, now, after)
        done = said is None and command.verb in KEEPING
        if done and (command.container in named) == (command.verb == REMOVES):
            raise Broken("P26", f"{command} succeeded, and the volumes are {sorted(named)}")
        if trouble is None and command.verb in ("settle", "refresh") and said is None:
            held = [now.config.id for now in after.kept if _stopped_by_its_user(now)]
            for now in after.kept:
                waits = any(one in held for one in needs(now.config))
                if (
                    now.record
                    and not waits
                    and now.config.id in (command.container or now.config.id)
                ):
                    self._nothing_owed(now.record)

    @staticmethod
    def _started_for_a_reason(command: Command, was: Kept, now: Kept) -> None:
        """P16: a policy starts what it owes another run to, and never against its user's last word."""
        if was.record is None or now.record is None or command.verb in STARTING:
            return
        runs = now.record.status in RUNS_NOW and was.record.status not in RUNS_NOW
        policy = was.config.restart
        if not runs or was.record.todo or now.record.todo:
            return  # or somebody had asked, and did not live to see it
        if command.verb not in ("settle", "refresh"):
            raise Broken("P16", f"{command} has started {was.config.id}")
        rebooted = was.record.boot == BEFORE
        if was.record.stopped_by_user and not (policy == "always" and rebooted):
            raise Broken("P16", f"{command} has started what its user had stopped")
        if policy == "on-failure" and now.record.restarts > was.config.restart_retries > 0:
            raise Broken("P16", f"{now.record.restarts} restarts of {was.config.restart_retries}")

    def _kept_its_word(self, command: Command, one: Kept, after: Household) -> None:
        """P26, P18: who is told that all went well finds it so."""
        record = one.record
        status = record.status if record else Status.ABSENT
        expected = EXPECTED.get(command.verb)
        if expected is not None and status not in expected:
            raise Broken("P26", f"{command} succeeded, and it is {status}")
        if record is not None and status is Status.RUNNING and command.verb in ("start", "restart"):
            self._provided(one.config, after)

    @staticmethod
    def _provided(config: Config, after: Household) -> None:
        for one in after.kept:
            if one.config.id in needs(config):
                status = one.record.status if one.record else Status.ABSENT
                if status is not Status.RUNNING:
                    raise Broken("P18", f"{config.id} was started, and {one.config.id} is {status}")

    @staticmethod
    def _nothing_owed(record: Record) -> None:
        if owes_restart(record):
            raise Broken("P16", f"{record.id} is settled, and another run is owed to it")
        if owes_removal(record):
            raise Broken("P16", f"{record.id} is settled, and its removal is owed")

    # ---- what must hold everywhere -------------------------------------------------------

    def always(self, node: Household) -> None:
        for one in node.kept:
            there = promised.footprint(one.world)
            if one.record is None:
                if not one.damaged and there.held:
                    raise Broken("P06", f"{one.config.id} is gone, but not {sorted(there.held)}")
                continue
            promised.intent_first(one.record, there)
            promised.one_truthful_exit(one.record, one.world)
            if one.record.boot == BEFORE:
                continue  # nobody has looked since
            promised.everywhere(one.record, there)
            promised.whole(one.record, one.world)
            promised.owed_on_record(one.record, one.world)
            if not one.record.todo and not self._rig.observed(one.record, one.world):
                promised.at_rest(one.record, there)
        promised.never_without(node.kept)
        promised.guests_at_home(node.kept)
        promised.memory_shared(node.kept)
        promised.volumes_there(node.kept, {one.name for one in node.volumes})
        promised.sessions_of_a_run(node.kept)

    # ---- where it must get ---------------------------------------------------------------

    def drains(self, node: Household) -> None:
        """Faults ceasing: whatever is in flight ends, all can be run, then removed, and then what they
        have used."""
        stage = Stage(node.kept, node.volumes)
        with self._engine(stage.wiring) as engine:
            there = [one.config.id for one in node.kept if one.record or one.damaged]
            for id in there:
                record = engine.sync(id)
                if record.pending:
                    raise Broken("P04", f"{id} does not come to rest")
            there = [record.id for record in engine.list()]
            well = all(
                record.status not in (Status.UNKNOWN, Status.REMOVING) for record in engine.list()
            )
            if there and well:
                self._can_run(engine, there[-1])
                self._judge_running(stage.kept(), there[-1])
            for id in reversed(there):
                self._removable(engine, id)
            self._clearable(engine)
        left = [one.config.id for one in stage.kept() if one.record or not one.world.empty]
        if left:
            raise Broken("P05", f"removed, but something is left of {left}")

    @staticmethod
    def _can_run(engine: Explored, id: str) -> None:
        """By a start; a stop that failed is asked for again, as whoever is told of it does."""
        for record in engine.list():
            if record.status is Status.STOPPING:
                engine.stop(record.id)
        running = engine.inspect(id).status in RUNS_NOW
        try:
            engine.restart(id) if running else engine.start(id)
        except LockgateError as problem:
            raise Broken("P04", f"{id} cannot be brought to running: {problem}") from problem

    def _judge_running(self, kept: Sequence[Kept], id: str) -> None:
        wanted = {id}
        for one in kept:
            if one.config.id == id:
                wanted |= set(needs(one.config))
        for one in kept:
            if one.config.id in wanted and not (one.record and one.record.status in RUNS_NOW):
                raise Broken("P04", f"{one.config.id} cannot be brought to running")
        promised.guests_at_home(kept)
        promised.memory_shared(kept)

    @staticmethod
    def _clearable(engine: Explored) -> None:
        for one in engine.volumes():
            if one.container:
                raise Broken("P06", f"volume {one.name} outlives {one.container}")
            try:
                engine.remove_volume(one.name)
            except LockgateError as problem:
                raise Broken("P05", f"volume {one.name} cannot be removed: {problem}") from problem

    @staticmethod
    def _removable(engine: Explored, id: str) -> None:
        for last in (False, True):
            try:
                engine.remove(id, force=True)
                return
            except LockgateError as problem:
                if last:
                    raise Broken("P05", f"{id} cannot be removed: {problem}") from problem

    # ---- what must be reached ------------------------------------------------------------

    def sometimes(self) -> Mapping[str, Callable[[Household], bool]]:
        names = [config.id for config in self._configs]
        places: dict[str, Callable[[Household], bool]] = {
            f"{name} is {status}": partial(_stands, place, status)
            for place, name in enumerate(names)
            for status in (Status.CONFIGURED, Status.RUNNING, Status.STOPPED, Status.EXITED)
        }
        if self._execs:
            places["a process has joined"] = lambda node: any(one.sessions for one in node.kept)
            places["that is on record"] = lambda node: any(
                one.record and one.record.sessions for one in node.kept
            )
        for name in self._volumes:
            places[f"volume {name} is there, and nobody's"] = partial(_unused, name)
            places[f"volume {name} is shared"] = partial(_shared, name)
        if any(needs(config) for config in self._configs):
            places["it runs, and what it needs has ended"] = lambda node: (
                node.kept[-1].world.alive and not node.kept[0].world.alive
            )
        return places


EXPECTED: Mapping[str, tuple[Status, ...]] = {
    "create": (Status.CONFIGURED,),
    "init": (Status.CREATED,),
    "start": (Status.RUNNING,),
    "restart": (Status.RUNNING,),
    "stop": (Status.STOPPED, Status.EXITED),
    "cleanup": (Status.CONFIGURED, Status.EXITED),
    "remove": (Status.ABSENT,),
    "remove --depend": (Status.ABSENT,),
}
"""Where a command leads that succeeded, if nothing ends meanwhile."""

SAME = ("done", "scarce", "denied")
"""Turns that are no fault, or differ from another only in words."""

JOINING = ("exec", "exec ends")
"""What is about a process beside the first: one at a time."""

SETTLING = ("settle", "settle late")
"""What the monitor calls, of those to whom something may be owed."""

STARTING = ("init", "start", "restart")
"""What starts, if need be, others as well."""

REMOVES = "remove volume"
KEEPING: Mapping[str, Callable[[str, Explored], object]] = MappingProxyType(
    {
        "create volume": lambda name, engine: engine.create_volume(name),
        REMOVES: lambda name, engine: engine.remove_volume(name),
    }
)
"""What is asked about volumes, of which none is a container's."""

NOW, BEFORE = "boot 1", "boot 0"


def _stands(place: int, status: Status, node: Household) -> bool:
    record = node.kept[place].record
    return record is not None and record.status is status


def _users(name: str, node: Household) -> int:
    return sum(
        one.world.layer and any(mount.volume == name for mount in volume_mounts(one.config))
        for one in node.kept
    )


def _unused(name: str, node: Household) -> bool:
    return any(one.name == name for one in node.volumes) and not _users(name, node)


def _shared(name: str, node: Household) -> bool:
    return _users(name, node) == len(node.kept)


def _stopped_by_its_user(one: Kept) -> bool:
    return one.record is not None and one.record.stopped_by_user


def _settled_late(config: Config, engine: Explored) -> object:
    """What the monitor of an earlier run calls, and that of one that never came to be."""
    epoch = engine.inspect(config.id).epoch
    engine.settle(config.id, epoch - 1)
    return engine.settle(config.id, epoch + 1)


def _parted(config: Config, engine: Explored) -> object:
    """Whoever looks next is told."""
    for one in engine.sessions(config.id):
        assert engine.simulation is not None
        engine.simulation.sessions.end(one.id, BY_ITSELF)
    return engine.inspect(config.id)


def _all(config: Config, engine: Explored) -> object:
    return engine.remove(config.id, force=True, depend=True)


ACTS: Mapping[str, Callable[[Config, Explored], object]] = MappingProxyType(
    {
        "create": lambda config, engine: engine.make(config),
        "init": lambda config, engine: engine.init(config.id),
        "start": lambda config, engine: engine.start(config.id),
        "restart": lambda config, engine: engine.restart(config.id),
        "stop": lambda config, engine: engine.stop(config.id),
        "cleanup": lambda config, engine: engine.cleanup(config.id),
        "remove": lambda config, engine: engine.remove(config.id, force=True),
        "settle": lambda config, engine: engine.settle(config.id),
        "settle late": _settled_late,
        "exec": lambda config, engine: engine.exec(config.id, ["true"]),
        "exec ends": lambda config, engine: _parted(config, engine),
    }
)
"""What is asked of each, as the engine's own methods have it."""


def _elsewhere(order: Order, renamed: Callable[[str], str]) -> Order:
    netns = getattr(order.effect, "netns", "")
    return replace(order, effect=replace(order.effect, netns=renamed(netns))) if netns else order
