"""The same exploration by several processes: each owns the nodes whose hash falls to it.

Level by level: everybody expands the nodes it owns, hands what it found to the owners, and numbers
are given out in the order in which one process alone would have found them. Hence the report is
the same but for the seconds, and, when a promise is broken, for how much else was seen.

A node travels at most once from each of them. How the calls travel is a matter of the team: to forked
processes here, to those of a cluster in `lockgate.testing.cluster`.
"""

import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol

from msgspec.structs import replace

from lockgate.testing.explore import Broken, Model, Node, Progress, Report, nothing, unwatched
from lockgate.testing.folder import Folder, State

MOVES = 1 << 16
"""More than any node has: a find's key is the number of the node before it times this, plus which
of its moves led here."""


class Found(NamedTuple, Generic[Node]):
    key: int
    label: str
    node: Node


class Known(NamedTuple, Generic[Node]):
    """A node by its number, and how it was found."""

    number: int
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
    """One worker's part of the nodes. `noted` is asked once before it begins, and at the end."""

    def __init__(
        self,
        model: Callable[[], Model[Node]],
        rank: int,
        workers: int,
        noted: Callable[[], frozenset[str]] = nothing,
    ) -> None:
        noted()
        self._model, self._rank, self._workers, self._noted = model(), rank, workers, noted
        self._known: set[Node] = set()
        self._sent: set[Node] = set()
        self._fresh: dict[Node, Found[Node]] = {}
        self._ahead: list[tuple[int, Node]] = []
        self._origin: dict[int, tuple[int, str]] = {}
        self._wanted = dict(self._model.sometimes())

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

    def keep(self, path: Path) -> None:
        """The nodes of this level into a file, with how they were found."""
        kept = [Known(number, *self._origin[number], node) for number, node in self._ahead]
        path.with_suffix(f".{self._rank}").write_bytes(pickle.dumps(kept))

    def recall(self, levels: Sequence[Sequence[Path]]) -> None:
        """What was kept of every level, by however many, as far as it belongs here; and to the
        last of them."""
        for files in levels:
            known = [known for path in files for known in _load(path)]
            mine = [one for one in known if self._owner(one.node) == self._rank]
            self._known.update(one.node for one in mine)
            self._origin |= {one.number: (one.key, one.label) for one in mine}
            self._ahead = sorted(((one.number, one.node) for one in mine), key=lambda one: one[0])

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


class Team(Protocol):
    """Shares, wherever they are; a call goes to all of them and waits for all of them."""

    def __len__(self) -> int: ...

    def each(self, name: str, arguments: Iterable[object]) -> list[Any]:
        """Call this method of every share, each with its own argument."""
        ...

    def dismiss(self) -> None: ...


Gather = Callable[[Callable[[], Model[Any]], Callable[[], frozenset[str]]], Team]
"""Makes a team for a model, which notes this."""


def explore_together(
    model: Callable[[], Model[Node]],
    *,
    workers: int | None = None,
    gather: Gather | None = None,
    folder: Folder | None = None,
    limit: int = 2_000_000,
    progress: Progress = unwatched,
    noted: Callable[[], frozenset[str]] = nothing,
) -> Report[Node]:
    """`explore`, by so many processes (left out: one for each processor), or by those that
    `gather` brings together. `folder` keeps every level that is known, and goes on from there:
    interrupted anywhere and asked again, it comes to the same report."""
    team = gather(model, noted) if gather else forked(model, noted, workers)
    try:
        return _explored(team, tuple(model().sometimes()), folder, limit, progress)
    finally:
        team.dismiss()


def _explored(
    team: Team, places: tuple[str, ...], folder: Folder | None, limit: int, progress: Progress
) -> Report[Any]:
    began = time.perf_counter()
    so_far = folder.begun() if folder else None
    now = so_far or State()
    problems: list[tuple[int, str]] = []
    mail: list[tuple[bytes, ...]] = []
    if folder and so_far:
        _all(team, "recall", folder.levels(so_far))
        every = [0] * so_far.ahead
    else:
        _all(team, "begin")
        every = []
    earlier = now.seconds
    while True:
        if not (every and so_far):
            letters = [tuple(sent[rank] for sent in mail) for rank in range(len(team))]
            keys: list[list[int]] = team.each("take", letters)
            every = sorted(key for some in keys for key in some)
            if not every or problems or now.nodes > limit:
                break
            order = {key: now.nodes + place for place, key in enumerate(every)}
            team.each("number", [{key: order[key] for key in some} for some in keys])
            now = replace(
                now,
                nodes=now.nodes + len(every),
                depth=now.depth + (now.steps > 0),
                ahead=len(every),
                seconds=earlier + time.perf_counter() - began,
            )
            if folder:
                used = frozenset[str]().union(now.used, *_all(team, "used"))
                _all(team, "keep", folder.level(now))
                now = replace(now, used=used)
                folder.save(now)
            if now.steps:
                progress(now.depth, now.nodes, len(every))
        so_far = None
        levels: list[Level] = _all(team, "expand")
        now = replace(
            now,
            steps=now.steps + sum(level.steps for level in levels),
            reached=now.reached.union(*(level.reached for level in levels)),
        )
        problems = [level.problem for level in levels if level.problem]
        mail = [level.mail for level in levels]
    number, problem = min(problems, default=(0, ""))
    return Report(
        nodes=now.nodes,
        steps=now.steps,
        seconds=earlier + time.perf_counter() - began,
        depth=now.depth,
        problem=problem,
        path=_path(team, number) if problem else (),
        reached=tuple(name for name in places if name in now.reached),
        unreached=() if problem else tuple(name for name in places if name not in now.reached),
        exhausted=bool(problem) or not every,
        node=_node(team, number) if problem else None,
        used=now.used.union(*_all(team, "used")),
    )


def _all(team: Team, name: str, *argument: object) -> list[Any]:
    """Call this method of every share with the same argument, or with none."""
    return team.each(name, [argument[0] if argument else None] * len(team))


def _path(team: Team, number: int) -> tuple[str, ...]:
    """The labels that lead to this node."""
    labels: list[str] = []
    while True:
        origins: list[tuple[int, str] | None] = _all(team, "origin", number)
        [(key, label)] = [origin for origin in origins if origin]
        if not label:
            return tuple(reversed(labels))
        labels.append(label)
        number = key // MOVES


def _node(team: Team, number: int) -> Any:
    """The node of this number, which is one of the newest level."""
    nodes: list[Any] = _all(team, "node", number)
    return next(node for node in nodes if node is not None)


def forked(
    model: Callable[[], Model[Any]],
    noted: Callable[[], frozenset[str]] = nothing,
    count: int | None = None,
) -> Team:
    """So many processes of this machine (left out: one for each processor), behind pipes."""
    return _Forked(model, count or multiprocessing.cpu_count(), noted)


class _Forked:
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
        for pipe, argument in zip(self._pipes, arguments, strict=True):
            pipe.send((name, argument))
        return [self._answer(pipe) for pipe in self._pipes]

    @staticmethod
    def _answer(pipe: Connection) -> Any:
        answer = pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def dismiss(self) -> None:
        for pipe in self._pipes:
            with suppress(OSError):  # it is dead already
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
    share: Share[Any] = Share(model, rank, workers, noted)
    while (call := pipe.recv()) is not None:
        name, argument = call
        try:
            pipe.send(asked(share, name, argument))
        except Exception as problem:
            pipe.send(problem)


def asked(share: Share[Any], name: str, argument: object) -> Any:
    """What a share answers to this call; without an argument where it is None."""
    method = getattr(share, name)
    return method() if argument is None else method(argument)


def _load(path: Path) -> list[Known[Any]]:
    kept: list[Known[Any]] = pickle.loads(path.read_bytes())
    return kept
