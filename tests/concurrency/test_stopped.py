"""One operator stands still (SIGSTOP) at every boundary: others work on what is not its own, and are told
who is busy where it is; then it goes on, or dies, and nothing is in doubt."""

from itertools import count
from pathlib import Path

import pytest
from tests.concurrency.shared import shared
from tests.concurrency.standstill import beside, goes_on, stopping
from tests.soak import WHOLE
from tests.victims import Operation

from lockgate import Engine, LockgateError, Status
from lockgate.adapters.simulated import World
from lockgate.statemachine import inputs as i
from lockgate.testing import properties as promised

LEAST = 4


def restart(engine: Engine) -> None:
    engine.restart("web", timeout=0)


def remove(engine: Engine) -> None:
    engine.remove("web", force=True, timeout=0)


def others_work(engine: Engine, place: int) -> None:
    """On what is theirs, to the end; on what is its own, or somebody says who is busy."""
    engine.kill("other") if place % 2 else engine.restart("other", timeout=0)
    try:
        engine.submit("web", i.Kill(signal=10), timeout=0)
    except TimeoutError as busy:
        assert "is held by process" in str(busy)
    except LockgateError:
        pass  # the lock is free, and what is on record does not allow it


def settled(engine: Engine) -> None:
    host = engine.simulation
    assert host is not None
    for record in engine.list():
        synced = engine.sync(record.id)
        if not synced.gone:
            promised.settled(synced, promised.footprint(host.world(record.id)))
    for record in engine.list():
        if record.status is not Status.RUNNING:
            engine.start(record.id)
        engine.remove(record.id, force=True, timeout=0)
    assert all(world == World() for world in host.worlds().values())


@pytest.mark.sampled
@pytest.mark.parametrize("command", [restart, remove])
def test_standing_still_at_every_boundary(command: Operation, tmp_path: Path) -> None:
    """By turns it goes on and dies; under `make soak` it does both everywhere."""
    for turn in count(2):
        place = turn // 2 if WHOLE else turn - 1
        root = tmp_path / str(turn)
        with Engine(shared(root)) as engine:
            for name in ("web", "other"):
                engine.create(name=name, rootfs="/", command=["sh"])
                engine.start(name)
            with beside(stopping(root, command, place)) as holder:
                stood = holder.is_alive()
                if stood:
                    others_work(engine, place)
                    assert holder.is_alive(), "it went on, and nothing is shown by that"
                    if turn % 2:
                        goes_on(holder)
                        assert holder.exitcode == 0
            settled(engine)
        if not stood:
            assert place > LEAST, "it never stood still"
            return
