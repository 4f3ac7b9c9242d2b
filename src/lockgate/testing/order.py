"""Which locks the engine takes, in which order, and that no two who take them so wait for each other.

The shipped engine is watched while it carries out every operation on pods and containers, on a simulated
host, in each kind of situation; what each of its threads took, let go of and waited for is a *trace*. The
model is two of these side by side: every pair, in every interleaving. Besides, in each trace alone: what
is above comes first (`networks < pod < container`), never two of a kind, and nobody waits for the
world, or for threads of his own, while holding anything (P13).
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace as rewired
from threading import get_ident
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.locks import MemoryLocks
from lockgate.effects.config import Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import Exited
from lockgate.engine import Engine
from lockgate.errors import LockgateError
from lockgate.simulation import simulated
from lockgate.testing.explore import Broken

Act: TypeAlias = tuple[Literal["take", "give", "wait"], str]
Trace: TypeAlias = tuple[Act, ...]
NAMES = ("a", "b")
RANKS = {"networks": 0, "pod": 1}
CONTAINER = 2


class Watched(MemoryLocks):
    """Locks that note, for each thread, what it does with them."""

    def __init__(self) -> None:
        super().__init__()
        self.traces: dict[int, list[Act]] = {}
        self.names: dict[str, str] = {}

    def note(self, what: Literal["take", "give", "wait"], scope: str = "") -> None:
        name = scope if scope in ("", "networks") else self.names.get(scope, "another")
        self.traces.setdefault(get_ident(), []).append((what, name))

    @contextmanager
    def hold(self, scope: str, timeout: float | None = None) -> Generator[None]:
        with super().hold(scope, timeout):
            self.note("take", scope)
            try:
                yield
            finally:
                self.note("give", scope)


class Situation:
    """An engine with a pod named `pod` of two members, `one` and `two`, of which the second needs the
    first, and which is stopped with them; and what it is watched by."""

    def __init__(self) -> None:
        host = simulated()
        self.locks = Watched()
        self.engine = Engine(rewired(host, locks=self.locks))
        assert host.simulation is not None
        self.host = host.simulation
        runtime = self.host.runtime
        self._await, self._sleep = runtime.await_exit, self.host.sleep
        runtime.await_exit = self._waited  # type: ignore[method-assign]
        self.host.sleep = self._slept  # type: ignore[method-assign]
        self.engine.import_image("image", "/", command=["sh"])
        pod = self.engine.create_pod(name="pod", exit_policy="stop")
        self.locks.names = {f"pod-{pod.id}": "pod", pod.infra.id: "infra"}
        for name, needs in (("one", ()), ("two", ("one",))):
            made = self.engine.create(name=name, image="image", pod="pod", requires=needs)
            self.locks.names[made.id] = name

    def _waited(
        self,
        config: Config,
        epoch: int,
        process: Process | None,
        monitor: Process | None,
        timeout: float | None,
    ) -> Exited | None:
        self.locks.note("wait")
        return self._await(config, epoch, process, monitor, timeout)

    def _slept(self, nanoseconds: int) -> None:
        self.locks.note("wait")
        self._sleep(nanoseconds)

    def end(self, name: str) -> None:
        self.host.end(self.engine.inspect(name).id, 0)

    def traces_of(self, operation: Callable[["Situation"], object]) -> tuple[Trace, ...]:
        """Of each thread that took part and took any lock."""
        self.locks.traces.clear()
        with suppress(LockgateError):  # a refusal takes locks as well
            operation(self)
        return tuple(tuple(trace) for trace in self.locks.traces.values() if trace)


def _started(now: Situation) -> None:
    now.engine.start_pod("pod")


def _stopped(now: Situation) -> None:
    now.engine.start_pod("pod")
    now.engine.stop_pod("pod")


def _ended(now: Situation) -> None:
    now.engine.start_pod("pod")
    now.end("one")
    now.end("two")


def _orphaned(now: Situation) -> None:
    now.engine.start_pod("pod")
    now.end(now.engine.pod("pod").infra.id)


SITUATIONS: Mapping[str, Callable[[Situation], object]] = {
    "as made": lambda now: None,
    "running": _started,
    "stopped": _stopped,
    "members have ended, and nobody has noticed": _ended,
    "what holds it together has died": _orphaned,
}

OPERATIONS: Mapping[str, Callable[[Situation], object]] = {
    "pod start": lambda now: now.engine.start_pod("pod"),
    "pod stop": lambda now: now.engine.stop_pod("pod"),
    "pod kill": lambda now: now.engine.kill_pod("pod"),
    "pod pause": lambda now: now.engine.pause_pod("pod"),
    "pod unpause": lambda now: now.engine.unpause_pod("pod"),
    "pod restart": lambda now: now.engine.restart_pod("pod"),
    "pod rm": lambda now: now.engine.remove_pod("pod"),
    "pod rm --force": lambda now: now.engine.remove_pod("pod", force=True),
    "pod ps": lambda now: now.engine.pods(),
    "create --pod": lambda now: now.engine.create(name="new", image="image", pod="pod"),
    "init": lambda now: now.engine.init("two"),
    "start": lambda now: now.engine.start("two"),
    "stop": lambda now: now.engine.stop("one"),
    "restart": lambda now: now.engine.restart("one"),
    "restart of the infra": lambda now: now.engine.restart(now.engine.pod("pod").infra.id),
    "stop of the infra": lambda now: now.engine.stop(now.engine.pod("pod").infra.id),
    "cleanup": lambda now: now.engine.cleanup("two"),
    "rm --force": lambda now: now.engine.remove("two", force=True),
    "settle": lambda now: (now.engine.settle("two"), now.engine.settle("one")),
    "refresh": lambda now: now.engine.refresh(),
    "ps": lambda now: now.engine.list(),
    "create in a network": lambda now: (
        now.engine.create_network("net"),
        now.engine.create(name="other", image="image", network="net"),
    ),
}


def watched() -> Mapping[str, tuple[Trace, ...]]:
    """Every operation in every situation: what it does with locks, thread by thread."""
    found: dict[str, tuple[Trace, ...]] = {}
    for there, arrange in SITUATIONS.items():
        for name, operation in OPERATIONS.items():
            now = Situation()
            arrange(now)
            found[f"{name} ({there})"] = now.traces_of(operation)
            now.engine.close()
    return found


class Walker(Struct, frozen=True):
    """One who follows a trace; `held` are the locks he holds."""

    trace: int
    at: int = 0
    held: tuple[str, ...] = ()


class Crossing(Struct, frozen=True):
    walkers: tuple[Walker, ...] = ()

    def __str__(self) -> str:
        told = (
            f"{name} holds {', '.join(w.held) or 'nothing'}" for name, w in zip(NAMES, self.walkers)
        )
        return "; ".join(told)


class Orders:
    """Every pair of traces, every interleaving. `ranked`: what is above must come first, in each alone."""

    def __init__(
        self, traces: Mapping[str, Sequence[Trace]] | None = None, *, ranked: bool = True
    ) -> None:
        names: dict[Trace, str] = {}
        for name, several in (watched() if traces is None else traces).items():
            for one in several:
                names.setdefault(one, name)
        self._traces, self._names = tuple(names), tuple(names.values())
        self._ranked = ranked

    def begin(self) -> Iterable[Crossing]:
        yield Crossing()

    def moves(self, node: Crossing) -> Iterator[tuple[str, Crossing]]:
        if not node.walkers:
            for one in range(len(self._traces)):
                for second in range(one, len(self._traces)):
                    label = f"{self._names[one]} [{one}] beside {self._names[second]} [{second}]"
                    yield label, Crossing((Walker(one), Walker(second)))
            return
        for place, name in enumerate(NAMES):
            walker, other = node.walkers[place], node.walkers[1 - place]
            if walker.at == len(self._traces[walker.trace]):
                continue
            what, scope = self._traces[walker.trace][walker.at]
            if what == "take" and scope in other.held:
                continue  # he has to wait
            walkers = list(node.walkers)
            walkers[place] = replace(
                walker, at=walker.at + 1, held=_after(walker.held, what, scope)
            )
            yield f"{name}: {what} {scope}".rstrip(), Crossing(tuple(walkers))

    def always(self, node: Crossing) -> None:
        for walker in node.walkers:
            trace = self._traces[walker.trace]
            if walker.at == len(trace) and walker.held:
                raise Broken("P13", f"{', '.join(walker.held)} is held for ever")
            if walker.at < len(trace):
                _allowed(walker.held, *trace[walker.at], self._ranked)

    def drains(self, node: Crossing) -> None:
        over = all(walker.at == len(self._traces[walker.trace]) for walker in node.walkers)
        if node.walkers and not over and not any(True for _ in self.moves(node)):
            raise Broken("P13", f"nobody can go on: {node}")

    def home(self, node: Crossing) -> int:
        return node.walkers[0].trace if node.walkers else 0

    def sometimes(self) -> Mapping[str, Callable[[Crossing], bool]]:
        return {
            "one holds pod and member": lambda node: any(len(w.held) > 1 for w in node.walkers),
            "both hold something": lambda node: (
                bool(node.walkers) and all(w.held for w in node.walkers)
            ),
            "one has to wait": lambda node: (
                len(node.walkers) > 1
                and sum(1 for _ in self.moves(node))
                < sum(w.at < len(self._traces[w.trace]) for w in node.walkers)
            ),
        }


def _after(held: tuple[str, ...], what: str, scope: str) -> tuple[str, ...]:
    match what:
        case "take":
            return (*held, scope)
        case "give":
            return tuple(one for one in held if one != scope)
        case _:
            return held


def _allowed(held: tuple[str, ...], what: str, scope: str, ranked: bool) -> None:
    if what == "wait" and held:
        raise Broken("P13", f"the world is waited for while {', '.join(held)} is held")
    if what == "take" and scope in held:
        raise Broken("P13", f"{scope} is taken twice")
    if what == "take" and ranked:
        for one in held:
            if _rank(one) >= _rank(scope):
                raise Broken("P13", f"{scope} is taken while {one} is held")


def _rank(scope: str) -> int:
    return RANKS.get(scope, CONTAINER)
