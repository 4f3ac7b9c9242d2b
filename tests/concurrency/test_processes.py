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

import pytest
from tests.concurrency.shared import shared
from tests.soak import SOAK

from lockgate import Engine
from lockgate.effects.config import Config
from lockgate.errors import AlreadyStopped, Busy, IllegalState, NameTaken, NoSuchContainer
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.linear import Call, linearizable

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
    return sorted(told, key=lambda call: call.began)


# ---- the model: one container by name, every command in one piece ------------------------

LEADS: dict[tuple[str, str], str] = {
    **{(at, "start"): "running" for at in ("configured", "stopped", "exited")},
    **{(at, "stop"): "stopped" for at in ("running",)},
    **{(at, "kill"): "stopped" for at in ("running", "paused")},
    ("running", "pause"): "paused",
    ("paused", "unpause"): "running",
    **{(at, "cleanup"): "exited" for at in ("stopped", "exited")},
    ("configured", "cleanup"): "configured",
    **{(at, "remove"): "absent" for at in ("configured", "stopped", "exited")},
    **{
        (at, "remove!"): "absent" for at in ("configured", "stopped", "exited", "running", "paused")
    },
}
ENDING = ("stop", "kill", "remove!")


def explained(state: str, asked: str, answered: str) -> Iterable[str]:
    """By a container of which every command happens at one moment. Refusals while somebody's stop
    is under way are judged apart."""
    match answered:
        case "done" if asked == "create":
            return ("configured",) if state == "absent" else ()
        case "taken":
            return (state,) if state != "absent" else ()
        case "missing":
            return (state,) if state == "absent" else ()
        case "done" if (state, asked) in LEADS:
            return (LEADS[state, asked],)
        case "done" if asked == "stop" and state in ("stopped", "exited"):
            return (state,)  # another's stop was faster than ours, which waited for the same end
        case "done" if asked == "kill" and state in ("stopped", "exited", "absent"):
            return (state,)
        case "done" if asked in ("stop", "remove", "remove!") and state == "absent":
            return (state,)  # somebody else has finished what we came to do
        case "stopped":
            return (state,) if state in ("stopped", "exited") else ()
        case "refused" | "busy":
            return (state,) if (state, asked) not in LEADS and state != "absent" else ()
        case _:
            return ()


def during_an_end(call: Told, calls: list[Told]) -> bool:
    """Was somebody stopping it meanwhile? Then `stopping`, which takes its time, refuses too."""
    return any(
        other.asked[1] in ENDING and other.began < call.ended and call.began < other.ended
        for other in calls
        if other is not call
    )


def judged(told: list[Told], name: str) -> None:
    calls = [call for call in told if call.asked[0] == name]
    kept: list[Call[str, str]] = []
    for call in calls:
        if call.answered in ("refused", "busy") and during_an_end(call, calls):
            continue
        kept.append(Call(call.began, call.ended, call.asked[1], call.answered))
    order = linearizable(kept, "absent", explained)
    assert order is not None, "\n".join(map(str, kept))


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


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(4 * SOAK))
def test_what_all_are_told_is_what_some_order_would_have_told(seed: int, tmp_path: Path) -> None:
    told = together(tmp_path / "root", seed)
    assert len(told) == WORKERS * ROUNDS
    for name in NAMES:
        judged(told, name)
    agreed(tmp_path / "root")


@pytest.mark.slow
@pytest.mark.timeout(1200)
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


@pytest.mark.parametrize(
    "rows",
    [
        ((0, 1, "start", "done"), (2, 3, "create", "done")),
        ((0, 1, "create", "done"), (2, 3, "create", "done")),
        ((0, 1, "create", "done"), (2, 3, "start", "done"), (4, 5, "start", "done")),
        ((0, 1, "create", "done"), (2, 3, "remove", "done"), (4, 5, "start", "refused")),
        ((0, 1, "create", "done"), (2, 3, "start", "done"), (4, 5, "pause", "refused")),
    ],
)
def test_what_no_order_explains_is_found(rows: tuple[tuple[int, int, str, str], ...]) -> None:
    with pytest.raises(AssertionError):
        judged(told(*rows), "one")
