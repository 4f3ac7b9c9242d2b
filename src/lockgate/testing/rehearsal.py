"""The shipped engine on a simulated host that begins anywhere, as a function of values.

The rule that keeps it deterministic: what the engine does side by side is done in order here, and
whatever may go wrong does so at a place that is counted.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from msgspec import Struct
from returns.result import Failure, Result, Success

from lockgate.adapters.simulated import FaultPlan, SimulatedHost, Snapshot, Turn, World
from lockgate.adapters.simulated.world import HOOKS
from lockgate.effects import model as e
from lockgate.effects.config import Config, needs
from lockgate.effects.hooks import HookFile, When
from lockgate.effects.interpreter import unprobed
from lockgate.effects.model import Process
from lockgate.effects.ports import Commit, Executor, Locks, Volume
from lockgate.effects.sessions import Session, Standing, Wish
from lockgate.engine import Engine
from lockgate.host import Host
from lockgate.lifecycle import readable
from lockgate.simulation import simulated
from lockgate.statemachine import history
from lockgate.statemachine.graph import stays
from lockgate.statemachine.inputs import Create
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status
from lockgate.testing.deaths import Killed

T = TypeVar("T")

BAD = b"not a record"


OWED = HookFile("owed", HOOKS[0], When(always=True), ("poststop",))
"""Every run owes this when it is over."""


class Kept(Struct, frozen=True, cache_hash=True):
    """One container, on record and in the world. `record` is None where it has none, or, if
    `damaged`, where nobody can read it. `sessions`: how many there are in its run."""

    config: Config
    record: Record | None = None
    world: World = World()
    damaged: bool = False
    namespace: str = ""
    sessions: int = 0


class Shelf(Struct, frozen=True):
    """A volume that is no container's. `fresh`: made, and never filled."""

    name: str
    fresh: bool = True


class _Done(Future[Any]):
    """What is done already. Its hash is its number: whoever waits for several hears them in order."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class InOrder(ThreadPoolExecutor):
    """Does everything at once, in the thread that asks for it."""

    def __init__(self) -> None:
        super().__init__(1)
        self._submitted = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._submitted += 1
        done = _Done(self._submitted)
        done.set_result(
            fn(*args, **kwargs)
        )  # what it raises is raised here: it is a death or a bug
        return done


class Explored(Engine):
    """The shipped engine, but that its containers have the ids they are given."""

    def __init__(self, host: Host, probe: Callable[[str], None] = unprobed) -> None:
        super().__init__(host, probe)
        self._interpreter.pool = InOrder()

    @staticmethod
    def _together(
        names: Sequence[str], act: Callable[[str], T], at_once: int = 1
    ) -> Iterator[tuple[str, Result[T, Exception]]]:
        for one in names:
            try:
                yield one, Success(act(one))
            except Exception as problem:
                yield one, Failure(problem)

    def make(self, config: Config) -> Record:
        return self._done(config.name, Create(config, self.host.ports.clock.boot()), config.id)


class Turned(FaultPlan):
    """The `at`-th effect of all turns out so; 0: none. Notes which kinds there were, and in how many
    `ways` that one may be done by half, of which this is the `way`."""

    def __init__(self, at: int = 0, turn: Turn = "done", way: int = 0) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.ways = 1
        self._at: int = at
        self._turned: Turn = turn
        self._way = way

    def turn(self, effect: e.AnyEffect) -> Turn:
        self.seen.append(type(effect).__name__)
        return self._turned if len(self.seen) == self._at else "done"

    def way(self, ways: int) -> int:
        self.ways = ways
        return self._way


class Meanwhile:
    """At the `at`-th place the engine passes something happens; notes the places."""

    def __init__(self, at: int = 0, happens: Callable[[], object] = lambda: None) -> None:
        self.passed: list[str] = []
        self._at, self._happens = at, happens

    def __call__(self, place: str) -> None:
        self.passed.append(place)
        if len(self.passed) == self._at:
            self._happens()


def dies() -> None:
    raise Killed


class Waits(BaseException):
    """What was about to happen would have to wait."""


def _stands_still(executor: Executor) -> bool:
    """Whoever is not the one who acts is there all the same."""
    return True


class Taken(Locks):
    """The locks of a host, of which one whose holder stands still is never free."""

    def __init__(self, locks: Locks) -> None:
        self._locks = locks

    @contextmanager
    def hold(self, scope: str, timeout: float | None = None) -> Generator[None]:
        if self._locks.holder(scope):
            raise Waits(scope)
        with self._locks.hold(scope, timeout):
            yield

    def holder(self, scope: str) -> str:
        return self._locks.holder(scope)

    def forget(self, scope: str) -> None:
        if not self._locks.holder(scope):
            self._locks.forget(scope)

    def known(self) -> tuple[str, ...]:
        return self._locks.known()


class Stage:
    """A host that holds these containers and, beside theirs, these volumes; and an engine on it."""

    def __init__(self, kept: Sequence[Kept], volumes: Sequence[Shelf] = ()) -> None:
        self.wiring = simulated()
        assert self.wiring.simulation is not None
        self.host: SimulatedHost = self.wiring.simulation
        self._configs = {one.config.id: one.config for one in kept}
        worlds = {one.config.id: one.world for one in kept if not one.world.empty}
        spaces = {one.config.id: one.namespace for one in kept if one.namespace}
        self.host.hooks = (OWED,)
        named = tuple(Volume(name=one.name, fresh=one.fresh) for one in volumes)
        self.host.restore(Snapshot(worlds, namespaces=spaces, volumes=named))
        for one in kept:
            if one.record is not None or one.damaged:
                self.wiring.store.append(_commit(one))
            for number in range(one.sessions):
                self.host.sessions.begin(one.config, _session(one, number), b"")

    def engine(self, probe: Callable[[str], None] = unprobed) -> Explored:
        return Explored(self.wiring, probe)

    def another(self, engine: type[Explored] = Explored) -> Explored:
        """The engine of another process, which acts while that of the first stands still. Where it would
        have to wait for that one it raises `Waits`."""
        wiring = replace(
            self.wiring,
            me=Executor(Process(2, 1, "simulated")),
            lives=_stands_still,
            locks=Taken(self.wiring.locks),
        )
        return engine(wiring)

    def kept(self) -> tuple[Kept, ...]:
        """What there is now."""
        rows = {row.container: row for row in self.wiring.store.rows()}
        worlds, spaces = self.host.worlds(), self.host.networks.namespaces()
        found: list[Kept] = []
        for id, config in self._configs.items():
            row, world = rows.get(id), worlds.get(id, World())
            record = readable(id, row.name, row.record) if row else None
            lost = row is not None and record is None
            space = spaces.get(id, "") if world.network else ""
            found.append(Kept(config, record, world, lost, space, self._sessions(id, world)))
        return tuple(found)

    def volumes(self) -> tuple[Shelf, ...]:
        """Those that are no container's, by name."""
        named = sorted(self.host.volumes.named(), key=lambda one: one.name)
        return tuple(Shelf(one.name, one.fresh) for one in named)

    def _sessions(self, container: str, world: World) -> int:
        there = self.host.sessions.look(container, world.epoch)
        return sum(one.end is None for one in there)


def joined(container: str, number: int) -> str:
    """The id of a process that has joined its run."""
    return f"{container}-{number}"


def _session(one: Kept, number: int) -> Session:
    wish = Wish(command=("true",))
    return Session(
        id=joined(one.config.id, number),
        container=one.config.id,
        epoch=one.world.epoch,
        wish=wish,
        created_at=0,
        standing=Standing.CREATED,
    )


def _commit(one: Kept) -> Commit:
    """Its row, as if it had come to be in one step."""
    record = one.record
    return Commit(
        container=one.config.id,
        name=one.config.name,
        seq=0,
        status=str(record.status if record else Status.UNKNOWN),
        entry=b"",
        record=history.encode_record(record) if record else BAD,
        needs=needs(one.config),
        leaving=record is not None and not stays(record),
    )
