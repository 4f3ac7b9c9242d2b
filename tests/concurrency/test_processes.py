"""Several processes, few containers, random commands, sudden deaths: what they were told must be
what some order of their commands would have told them (P12), and what is left must agree."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.concurrency.shared import shared
from tests.soak import DONE, SOAK

from lockgate import Engine
from lockgate.effects.config import Config
from lockgate.errors import AlreadyStopped, Busy, IllegalState, NameTaken, NoSuchContainer
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.explore import Broken
from lockgate.testing.linear import Call

NAMES = ("one", "two")
COMMANDS = (
    "create",
    "create",
    "start",
    "start",
    "start",
    "stop",
    "stop",
    "kill",
    "pause",
    "unpause",
    "cleanup",
    "remove",
    "remove!",
)
WORKERS, ROUNDS = 4, 40

Told = Call[tuple[str, str], str]


def obeyed(engine: Engine, name: str, command: str) -> str:
    """What one is told: `done`, or why not."""
    try:
        match command:
            case "create":
                engine.create(name=name, rootfs="/", command=["sh"], network="private")
            case "remove" | "remove!":
                engine.remove(name, force=command == "remove!")
            case _:
                getattr(engine, command)(name)
    except NameTaken:
        return "taken"
    except NoSuchContainer:
        return "missing"
    except AlreadyStopped:
        return "stopped"
    except Busy:
        return "busy"
    except IllegalState:
        return "refused"
    return "done"


def work(root: Path, seed: int, rounds: int, deadly: bool, answers: Connection) -> None:
    """A worker; a deadly one kills itself somewhere in the middle of something."""
    luck = random.Random(seed)
    fuse = luck.randrange(20, 120) if deadly else -1
    passed = 0

    def probe(_: str) -> None:
        nonlocal passed
        passed += 1
        if passed == fuse:
            os.kill(os.getpid(), signal.SIGKILL)

    with Engine(shared(root), probe) as engine:
        for _ in range(rounds):
            name, command = luck.choice(NAMES), luck.choice(COMMANDS)
            began = time.monotonic_ns()
            answer = obeyed(engine, name, command)
            answers.send(Told(began, time.monotonic_ns(), (name, command), answer))
            engine.list()  # never fails, whatever the others do
    answers.send(None)


def together(root: Path, seed: int, *, deadly: int = 0) -> list[Told]:
    """All that everybody was told, in the order of its beginning; deaths cut histories short."""
    processes = multiprocessing.get_context("fork")
    with Engine(shared(root)) as engine:  # whoever comes first makes the files
        engine.list()
    pipes: list[tuple[BaseProcess, Connection]] = []
    for place in range(WORKERS):
        ours, theirs = processes.Pipe(duplex=False)
        arguments = (root, seed * WORKERS + place, ROUNDS, place < deadly, theirs)
        worker: BaseProcess = processes.Process(target=work, args=arguments)
        worker.start()
        theirs.close()
        pipes.append((worker, ours))
    told: list[Told] = []
    for place, (worker, pipe) in enumerate(pipes):
        try:
            while (one := pipe.recv()) is not None:
                told.append(one)
        except EOFError:
            assert place < deadly, "a worker failed"
        worker.join()
        pipe.close()
    DONE["commands of four processes at once"] += len(told)
    return sorted(told, key=lambda call: call.began)


# ---- the model: one container by name ----------------------------------------------------
#
# Every command happens at one moment, but for those that end a run: these have a beginning, after
# which it is stopping (or going, when it is to be removed), and an end; in between, somewhere, it dies.

AT_ONCE: dict[tuple[str, str], str] = {
    **{(at, "start"): "running" for at in ("configured", "stopped", "exited")},
    ("running", "pause"): "paused",
    ("paused", "unpause"): "running",
    **{(at, "cleanup"): "exited" for at in ("stopped", "exited")},
    ("configured", "cleanup"): "configured",
    **{
        (at, remove): "absent"
        for at in ("configured", "stopped", "exited")
        for remove in ("remove", "remove!")
    },
    ("absent", "create"): "configured",
}
BEGINS: dict[tuple[str, str], str] = {
    **{(at, "stop"): "stopping" for at in ("running", "stopping")},
    **{(at, "kill"): "stopping" for at in ("running", "paused", "stopping")},
    **{(at, "remove!"): "going" for at in ("running", "paused", "stopping", "going")},
    **{("going", hasten): "going" for hasten in ("stop", "kill")},
}
DIES = {"stopping": "stopped", "going": "absent"}
OVER: dict[str, tuple[str, ...]] = {
    "stop": ("stopped", "exited", "absent"),
    "kill": ("stopped", "exited", "absent"),
    "remove": ("absent",),
    "remove!": ("absent",),
}
"""Where somebody else was faster than those who came to end it: what they came for is so."""
ENDING = ("stop", "kill", "remove!")


class Asked(NamedTuple):
    """A command, or one half of a command: `whose` tells the two halves of one."""

    command: str
    half: str = ""
    whose: int = -1


class At(NamedTuple):
    """How it stands; who waits for its end, and who has begun and has not been told."""

    status: str
    waiting: frozenset[int] = frozenset()
    begun: frozenset[int] = frozenset()


def explained(at: At, asked: Asked, answered: str) -> Iterable[At]:
    """Where it may lead, from here, or from where it is when it has died meanwhile."""
    yield from _explained(at, asked, answered)
    if at.status in DIES:
        dead = at._replace(status=DIES[at.status], waiting=frozenset())
        yield from _explained(dead, asked, answered)


def _explained(at: At, asked: Asked, answered: str) -> Iterable[At]:
    command, half, whose = asked
    status = at.status
    match answered, half:
        case "done", "begin":
            begun = at._replace(begun=at.begun | {whose})
            if (status, command) in BEGINS:
                to = BEGINS[status, command]
                return (begun._replace(status=to, waiting=at.waiting | {whose}),)
            if (status, command) in AT_ONCE:
                return (begun._replace(status=AT_ONCE[status, command]),)
            return (begun,) if status in OVER[command] else ()
        case "done", "end":
            told = whose in at.begun and whose not in at.waiting
            return (at._replace(begun=at.begun - {whose}),) if told else ()
        case "done", _ if (status, command) in AT_ONCE:
            return (at._replace(status=AT_ONCE[status, command]),)
        case "done", _:
            return (at,) if status in OVER.get(command, ()) else ()
        case "taken", _:
            return (at,) if status != "absent" else ()
        case "missing", _:
            return (at,) if status == "absent" else ()
        case "stopped", _:
            return (at,) if status in ("stopped", "exited") else ()
        case (("refused" | "busy"), _):
            lawful = (status, command) in AT_ONCE or (status, command) in BEGINS
            return (at,) if not lawful and status != "absent" else ()
        case _:
            return ()


def judged(told: list[Told], name: str) -> None:
    calls: list[Call[Asked, str]] = []
    for number, call in enumerate(one for one in told if one.asked[0] == name):
        command = call.asked[1]
        two = command in ENDING and call.answered == "done"
        for half in ("begin", "end") if two else ("",):
            asked = Asked(command, half, number if two else -1)
            calls.append(Call(call.began, call.ended, asked, call.answered))
    promised.explained(calls, At("absent"), explained)


def agreed(root: Path) -> None:
    """Every promise about what is left, and that all of it can be taken away."""
    with Engine(shared(root)) as engine:
        assert engine.simulation is not None
        promised.in_order(list(engine.events()))
        for record in engine.list():
            synced = engine.sync(record.id)
            history = list(engine.history(record.id))
            blank = newborn(Config(id=record.id))
            promised.replays(blank, history)
            promised.ordered_before_heard(history)
            promised.one_exit_each(blank, history)
            promised.stop_wins(history)
            if not synced.gone:
                promised.settled(synced, promised.footprint(engine.simulation.world(record.id)))
        for record in engine.list():
            engine.remove(record.id, force=True)
        assert not engine.list() and not engine.simulation.worlds()
        assert not engine.refresh()  # those who died may have left locks
        promised.one_lock_each(engine.host.locks.known(), ())


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("seed", range(4 * SOAK))
def test_what_all_are_told_is_what_some_order_would_have_told(seed: int, tmp_path: Path) -> None:
    told = together(tmp_path / "root", seed)
    assert len(told) == WORKERS * ROUNDS
    for name in NAMES:
        judged(told, name)
    agreed(tmp_path / "root")


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("seed", range(4 * SOAK))
def test_whoever_dies_the_others_go_on(seed: int, tmp_path: Path) -> None:
    together(tmp_path / "root", 1000 + seed, deadly=2)
    agreed(tmp_path / "root")


# ---- the judge is judged -----------------------------------------------------------------


def told(*rows: tuple[int, int, str, str]) -> list[Told]:
    return [Told(began, ended, ("one", asked), answer) for began, ended, asked, answer in rows]


def test_an_order_is_found_where_there_is_one() -> None:
    judged(
        told((0, 9, "start", "done"), (1, 2, "create", "done"), (3, 4, "pause", "refused")), "one"
    )


def test_while_it_is_stopped_others_are_refused() -> None:
    judged(
        told(
            (0, 1, "create", "done"),
            (2, 3, "start", "done"),
            (4, 9, "stop", "done"),
            (5, 6, "start", "refused"),
            (7, 8, "kill", "done"),
            (10, 11, "start", "done"),
        ),
        "one",
    )


@pytest.mark.parametrize(
    "rows",
    [
        ((0, 1, "start", "done"), (2, 3, "create", "done")),
        ((0, 1, "create", "done"), (2, 3, "create", "done")),
        ((0, 1, "create", "done"), (2, 3, "start", "done"), (4, 5, "start", "done")),
        ((0, 1, "create", "done"), (2, 3, "remove", "done"), (4, 5, "start", "refused")),
        ((0, 1, "create", "done"), (2, 3, "start", "done"), (4, 5, "pause", "refused")),
        # nobody was stopping it any more
        (
            (0, 1, "create", "done"),
            (2, 3, "start", "done"),
            (4, 5, "stop", "done"),
            (6, 7, "start", "refused"),
        ),
        # a stop that succeeds while it runs on
        (
            (0, 1, "create", "done"),
            (2, 3, "start", "done"),
            (4, 5, "stop", "done"),
            (6, 7, "pause", "done"),
        ),
        # a removal that was no removal
        (
            (0, 1, "create", "done"),
            (2, 3, "start", "done"),
            (4, 9, "remove!", "done"),
            (5, 6, "stop", "done"),
            (10, 11, "start", "done"),
        ),
    ],
)
def test_what_no_order_explains_is_found(rows: tuple[tuple[int, int, str, str], ...]) -> None:
    with pytest.raises(Broken, match="P12"):
        judged(told(*rows), "one")
