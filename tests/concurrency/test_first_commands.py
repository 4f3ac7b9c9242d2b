"""Just after a boot: many processes, each with a first command, at once (FAULTS §3.4). The boot is noticed
once for each container, and what is owed is done once (P16, P17)."""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from tests.concurrency.shared import shared
from tests.soak import SOAK

from lockgate import Engine, LockgateError, Status
from lockgate.adapters.simulated.world import Left
from lockgate.effects.config import Config
from lockgate.statemachine.inputs import Booted
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.deaths import Fuse, Killed

FIRST: tuple[Callable[[Engine], object], ...] = (
    lambda engine: engine.refresh(),
    lambda engine: engine.refresh(),
    lambda engine: engine.list(),
    lambda engine: engine.settle("always", booted=True),
    lambda engine: engine.wait("plain", timeout=20),
    lambda engine: engine.inspect("going"),
    lambda engine: engine.start("started"),
    lambda engine: engine.start("started"),
    lambda engine: engine.remove("removed", force=True),
    lambda engine: engine.remove("removed", force=True),
)
PROCESSES = 2 * len(FIRST)


def lives(root: Path) -> None:
    """Before the boot: one of each kind, all of them running but one that its user has stopped, and
    one that somebody was just removing."""
    with Engine(shared(root)) as engine:
        for name in ("plain", "going", "started", "removed", "half"):
            engine.create(name=name, rootfs="/", command=["sh"], auto_remove=name == "going")
        engine.create(name="always", rootfs="/", command=["sh"], restart="always")
        engine.create(name="stopped", rootfs="/", command=["sh"], restart="unless-stopped")
        for record in engine.list():
            engine.start(record.id)
        engine.stop("stopped")
    with pytest.raises(Killed), Engine(shared(root), Fuse(5)) as engine:
        engine.remove("half", force=True)


def rebooted(root: Path, left: Left) -> None:
    host = shared(root)
    assert host.simulation is not None
    host.simulation.reboot(left)
    host.close()


def first(root: Path, place: int, at_once: Barrier) -> None:
    """What is refused, or gone already, is no failure: of these some are asked for twice."""
    with Engine(shared(root, boots=2)) as engine:
        at_once.wait()
        try:
            FIRST[place % len(FIRST)](engine)
        except LockgateError:
            pass
        except BaseException:
            traceback.print_exc()
            raise
        engine.list()


def at_once(root: Path) -> None:
    processes = multiprocessing.get_context("fork")
    barrier = processes.Barrier(PROCESSES)
    workers: list[BaseProcess] = [
        processes.Process(target=first, args=(root, place, barrier)) for place in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {worker.exitcode for worker in workers} == {0}


@pytest.mark.sampled
@pytest.mark.parametrize("left", ["all", "half", "nothing"])
@pytest.mark.parametrize("turn", range(SOAK))
def test_the_boot_is_noticed_once_and_what_is_owed_is_done_once(
    left: Left, turn: int, tmp_path: Path
) -> None:
    lives(tmp_path)
    rebooted(tmp_path, left)
    at_once(tmp_path)
    with Engine(shared(tmp_path, boots=2)) as engine:
        host = engine.host.simulation
        assert host is not None
        assert not engine.refresh()
        stands = {record.config.name: (record.status, record.epoch) for record in engine.list()}
        assert stands == {
            "plain": (Status.EXITED, 1),
            "started": (Status.RUNNING, 2),
            "always": (Status.RUNNING, 2),
            "stopped": (Status.EXITED, 1),
        }
        assert engine.wait("plain") == -1
        for record in engine.list():
            history = list(engine.history(record.id))
            blank = newborn(Config(id=record.id))
            assert promised.replays(blank, history) == record
            promised.one_exit_each(blank, history)
            promised.stop_wins(history)
            assert sum(isinstance(entry.given, Booted) for entry in history) == 1
            promised.settled(record, promised.footprint(host.world(record.id)))
            engine.remove(record.id, force=True)
        assert not host.worlds()
