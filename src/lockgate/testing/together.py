"""The same exploration by several processes: each owns the nodes whose hash falls to it.

Level by level: everybody expands the nodes it owns, hands what it found to the owners, and numbers
are given out in the order in which one process alone would have found them. Hence the report is
the same but for the seconds, and, when a promise is broken, for how much else was seen.

Workers are forked, so that their hashes agree; a node travels at most once from each of them.
"""

import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, NamedTuple

from lockgate.testing.explore import Broken, Model, Node, Progress, Report, nothing, unwatched

MOVES = 1 << 16
"""More than any node has: a find's key is the number of the node before it times this, plus which
of its moves led here."""


class Found(NamedTuple, Generic[Node]):
    key: int
    label: str
    node: Node


class Level(NamedTuple):
    """What a worker says after a level. `problem`: the number of the node, and what is wrong;
    `mail`: for every owner its finds, pickled."""

    steps: int
    reached: frozenset[str]
    problem: tuple[int, str] | None
    mail: tuple[bytes, ...]


class Share(Generic[Node]):
    """One worker's part of the nodes."""

    def __init__(
        self,
        model: Model[Node],
        rank: int,
        workers: int,
        noted: Callable[[], frozenset[str]] = nothing,
    ) -> None:
        self._model, self._rank, self._workers, self._noted = model, rank, workers, noted
        self._known: set[Node] = set()
        self._sent: set[Node] = set()
        self._fresh: dict[Node, Found[Node]] = {}
        self._ahead: list[tuple[int, Node]] = []
        self._origin: dict[int, tuple[int, str]] = {}
        self._wanted = dict(model.sometimes())

    def begin(self) -> None:
        for key, node in enumerate(self._model.begin()):
            if self._owner(node) == self._rank:
                self._find(Found(key, "", node))

    def take(self, mail: Iterable[bytes]) -> list[int]:
        """What others found and this worker owns; returns the keys of all that is new."""
        for letter in mail:
            for found in pickle.loads(letter):
                self._find(found)
        return [found.key for found in self._fresh.values()]

    def number(self, numbers: dict[int, int]) -> None:
        """The new nodes get the numbers they have in the order of all."""
        self._ahead = sorted(
            ((numbers[found.key], found.node) for found in self._fresh.values()),
            key=lambda ahead: ahead[0],
        )
        for found in self._fresh.values():
            self._origin[numbers[found.key]] = (found.key, found.label)
        self._known.update(self._fresh)
        self._fresh = {}

    def expand(self) -> Level:
        """Visit the nodes of this level, in order, until a promise is broken."""
        outgoing: list[list[Found[Node]]] = [[] for _ in range(self._workers)]
        steps, reached = 0, set[str]()
        problem: tuple[int, str] | None = None
        for number, node in self._ahead:
            try:
                self._model.always(node)
                reached |= {name for name, is_it in self._wanted.items() if is_it(node)}
                for place, (label, following) in enumerate(self._model.moves(node)):
                    steps += 1
                    self._send(Found(number * MOVES + place, label, following), outgoing)
                self._model.drains(node)
            except Broken as broken:
                problem = (number, str(broken))
                break
        self._wanted = {name: it for name, it in self._wanted.items() if name not in reached}
        mail = tuple(pickle.dumps(finds) for finds in outgoing)
        return Level(steps, frozenset(reached), problem, mail)

    def origin(self, number: int) -> tuple[int, str] | None:
        """The key and label under which this node was found."""
        return self._origin.get(number)

    def node(self, number: int) -> Node | None:
        return dict(self._ahead).get(number)

    def used(self) -> frozenset[str]:
        return self._noted()

    def _owner(self, node: Node) -> int:
        return self._model.home(node) % self._workers

    def _find(self, found: Found[Node]) -> None:
        if found.node not in self._known:
            before = self._fresh.get(found.node)
            if before is None or found.key < before.key:
                self._fresh[found.node] = found

    def _send(self, found: Found[Node], outgoing: list[list[Found[Node]]]) -> None:
        if found.node in self._known or found.node in self._sent:
            return
        owner = self._owner(found.node)
        if owner == self._rank:
            self._find(found)
        else:
            self._sent.add(found.node)
            outgoing[owner].append(found)


def explore_together(
    model: Callable[[], Model[Node]],
    *,
    workers: int | None = None,
    limit: int = 2_000_000,
    progress: Progress = unwatched,
    noted: Callable[[], frozenset[str]] = nothing,
) -> Report[Node]:
    """`explore`, by so many processes (left out: one for each processor)."""
    began = time.perf_counter()
    team = _Team(model, workers or multiprocessing.cpu_count(), noted)
    places = tuple(model().sometimes())
    reached: set[str] = set()
    problems: list[tuple[int, str]] = []
    nodes = steps = depth = 0
    try:
        team.tell("begin")
        mail: list[tuple[bytes, ...]] = []
        while True:
            letters = [tuple(sent[rank] for sent in mail) for rank in range(len(team))]
            keys: list[list[int]] = team.each("take", letters)
            every = sorted(key for some in keys for key in some)
            if not every or problems or nodes > limit:
                break
            order = {key: nodes + place for place, key in enumerate(every)}
            team.each("number", [{key: order[key] for key in some} for some in keys])
            nodes += len(every)
            if steps:
                depth += 1
                progress(depth, nodes, len(every))
            levels: list[Level] = team.tell("expand")
            steps += sum(level.steps for level in levels)
            reached |= {name for level in levels for name in level.reached}
            problems = [level.problem for level in levels if level.problem]
            mail = [level.mail for level in levels]
        number, problem = min(problems, default=(0, ""))
        used: list[frozenset[str]] = team.tell("used")
        return Report(
            nodes=nodes,
            steps=steps,
            seconds=time.perf_counter() - began,
            depth=depth,
            problem=problem,
            path=team.path(number) if problem else (),
            reached=tuple(name for name in places if name in reached),
            unreached=() if problem else tuple(name for name in places if name not in reached),
            exhausted=bool(problem) or not every,
            node=team.node(number) if problem else None,
            used=frozenset[str]().union(*used),
        )
    finally:
        team.dismiss()


class _Team:
    """Workers behind pipes; a call goes to all of them and waits for all of them."""

    def __init__(
        self, model: Callable[[], Model[Any]], count: int, noted: Callable[[], frozenset[str]]
    ) -> None:
        processes = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._members: list[BaseProcess] = []
        for rank in range(count):
            ours, theirs = processes.Pipe()
            arguments = (theirs, model, rank, count, noted)
            member = processes.Process(target=_work, args=arguments, daemon=True)
            member.start()
            theirs.close()
            self._pipes.append(ours)
            self._members.append(member)

    def __len__(self) -> int:
        return len(self._pipes)

    def each(self, name: str, arguments: Iterable[object]) -> list[Any]:
        """Call this method of every share, each with its own argument."""
        for pipe, argument in zip(self._pipes, arguments, strict=True):
            pipe.send((name, (argument,)))
        return [self._answer(pipe) for pipe in self._pipes]

    def tell(self, name: str, *arguments: object) -> list[Any]:
        """Call this method of every share with the same arguments."""
        for pipe in self._pipes:
            pipe.send((name, arguments))
        return [self._answer(pipe) for pipe in self._pipes]

    @staticmethod
    def _answer(pipe: Connection) -> Any:
        answer = pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def path(self, number: int) -> tuple[str, ...]:
        """The labels that lead to this node."""
        labels: list[str] = []
        while True:
            origins: list[tuple[int, str] | None] = self.tell("origin", number)
            [(key, label)] = [origin for origin in origins if origin]
            if not label:
                return tuple(reversed(labels))
            labels.append(label)
            number = key // MOVES

    def node(self, number: int) -> Any:
        """The node of this number, which is one of the newest level."""
        nodes: list[Any] = self.tell("node", number)
        return next(node for node in nodes if node is not None)

    def dismiss(self) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for member in self._members:
            member.join()
        for pipe in self._pipes:
            pipe.close()


def _work(
    pipe: Connection,
    model: Callable[[], Model[Any]],
    rank: int,
    workers: int,
    noted: Callable[[], frozenset[str]],
) -> None:
    share: Share[Any] = Share(model(), rank, workers, noted)
    while (call := pipe.recv()) is not None:
        name, arguments = call
        try:
            pipe.send(getattr(share, name)(*arguments))
        except Exception as bug:  # a mistake in the model: it belongs to whoever asked
            pipe.send(bug)
