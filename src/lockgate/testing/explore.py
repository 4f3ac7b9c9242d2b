"""Walk every reachable node of a model, breadth first, and keep its promises to it.

A model is a few small functions (as in Stateright): where it begins, what may happen next, what
must hold always, where it must be able to get, and who visits it when there are several. The counterexample is the shortest path there.
`explore` walks alone; `lockgate.testing.together` does the same with several processes and comes to
the same report.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

Node = TypeVar("Node", bound=Hashable)


class Broken(Exception):
    """A promise does not hold here. `promise`: its number, P01 to P27."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise


class Model(Protocol[Node]):
    def begin(self) -> Iterable[Node]: ...

    def moves(self, node: Node) -> Iterable[tuple[str, Node]]:
        """What may happen next: a label for people, unlike the others here, and where it leads.
        May raise `Broken`."""
        ...

    def always(self, node: Node) -> None:
        """Raises `Broken` where a promise does not hold."""
        ...

    def drains(self, node: Node) -> None:
        """From here, faults ceasing, fair progress must lead to rest; raises `Broken`."""
        ...

    def home(self, node: Node) -> int:
        """Which of many processes it belongs to: the same number in every process, and for nodes
        that have most of their work in common."""
        ...

    def sometimes(self) -> Mapping[str, Callable[[Node], bool]]:
        """Interesting places; each must really be reached."""
        ...


class Report(Struct, Generic[Node], kw_only=True):
    """What an exploration found. `seconds` of wall time; `path` is the shortest to the problem;
    `depth` how many moves away the farthest node is."""

    nodes: int
    steps: int
    seconds: float
    depth: int = 0
    problem: str = ""
    path: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()
    exhausted: bool = True
    node: Node | None = None
    used: frozenset[str] = frozenset()  # what whoever asked for the exploration wanted noted

    @property
    def holds(self) -> bool:
        return not self.problem and not self.unreached and self.exhausted

    def __str__(self) -> str:
        rate = self.steps / self.seconds if self.seconds else 0.0
        size = f"{self.nodes:,} nodes, {self.steps:,} steps, {self.seconds:.1f} s, {rate:,.0f}/s"
        if self.problem:
            return f"{size}: {self.problem}\n   " + " -> ".join(self.path)
        if self.unreached:
            return f"{size}: never reached: {', '.join(self.unreached)}"
        return f"{size}: " + ("every promise holds" if self.exhausted else "stopped at the limit")


Progress = Callable[[int, int, int], None]
"""Called with the depth, the nodes known and the nodes still to visit, when a level is done."""


def unwatched(depth: int, known: int, ahead: int) -> None:
    """Nobody looks on."""


def nothing() -> frozenset[str]:
    """Nothing is noted."""
    return frozenset()


def explore(
    model: Model[Node],
    *,
    limit: int = 2_000_000,
    progress: Progress = unwatched,
    noted: Callable[[], frozenset[str]] = nothing,
) -> Report[Node]:
    """Every reachable node, or the first broken promise. Deterministic."""
    began = time.perf_counter()
    parent: dict[Node, tuple[Node, str] | None] = dict.fromkeys(model.begin())
    queue = deque(parent)
    steps = depth = 0
    level = len(queue)
    places = model.sometimes()
    wanted = dict(places)

    def report(problem: str = "", at: Node | None = None, exhausted: bool = True) -> Report[Node]:
        path: list[str] = []
        here = at
        while here is not None and (came := parent[here]) is not None:
            here, label = came
            path.append(label)
        return Report(
            nodes=len(parent),
            steps=steps,
            seconds=time.perf_counter() - began,
            depth=depth,
            problem=problem,
            path=tuple(reversed(path)),
            reached=tuple(name for name in places if name not in wanted),
            unreached=() if problem else tuple(wanted),
            exhausted=exhausted,
            node=at,
            used=noted(),
        )

    while queue:
        node = queue.popleft()
        try:
            model.always(node)
            for name in [name for name, reached in wanted.items() if reached(node)]:
                del wanted[name]
            for label, following in model.moves(node):
                steps += 1
                if following not in parent:
                    parent[following] = (node, label)
                    queue.append(following)
            model.drains(node)
        except Broken as problem:
            return report(str(problem), node)
        if len(parent) > limit:
            return report(exhausted=False)
        level -= 1
        if not level and queue:
            depth, level = depth + 1, len(queue)
            progress(depth, len(parent), level)
    return report()
