"""9. A listing never waits: whoever holds whatever lock, and does not go on.

In established engines one hung command hangs every other, and `ps` first (FAULTS B094, B066, B183).
That no order of any two commands waits in a circle is shown by the explorer of two operators
(`tests/kit/test_operators.py`).
"""

import signal
import time
from itertools import count
from pathlib import Path

import pytest
from tests.concurrency.shared import shared
from tests.concurrency.standstill import beside, goes_on, stopping, stops_itself
from tests.promises.conftest import let_go, patient
from tests.victims import Operation, Victim
from tests.waiting import until

from lockgate import Engine, Status
from lockgate.adapters.store import SqliteStore

AT_ONCE = 10.0
"""Seconds that are no wait for anybody: a tenth of what a writer may keep others waiting, and nothing
to what a lock may."""


def start(engine: Engine) -> None:
    engine.start("web")


def stop(engine: Engine) -> None:
    engine.stop("web", timeout=0)


def pause(engine: Engine) -> None:
    engine.pause("web")


def remove(engine: Engine) -> None:
    engine.remove("web", force=True, timeout=0)


def looked(engine: Engine) -> bool:
    """All of them are shown, without waiting; and it is said if whoever wants to do something would
    have to wait, which is returned."""
    began = time.monotonic()
    shown = [one.config.name for one in engine.list()]
    if shown == ["other"]:  # then all that is left to do is to give back the lock
        return False
    assert shown == ["web", "other"]
    web, busy = engine.inspect("web"), bool(engine.busy("web"))
    assert time.monotonic() - began < AT_ONCE
    try:
        with engine.host.locks.hold(web.id, timeout=0):
            assert not busy
    except TimeoutError:
        assert busy, "nobody says that it is busy"
    return busy


# ---- processes on a host in memory, with real locks and a real store ---------------------


@pytest.mark.parametrize("command", [start, stop, pause, remove])
def test_on_the_simulated_host(command: Operation, tmp_path: Path) -> None:
    held = 0
    for place in count(1):
        root = tmp_path / str(place)
        with Engine(shared(root)) as engine:
            for name in ("web", "other"):
                engine.create(name=name, rootfs="/", command=["sh"])
            if command is not start:
                engine.start("web")
            with beside(stopping(root, command, place)) as holder:
                if not holder.is_alive():
                    break
                held += looked(engine)
                assert holder.is_alive(), "it went on, and nothing is shown by that"
    assert held > 3


def test_who_stopped_in_the_middle_of_writing(tmp_path: Path) -> None:
    """The end of another is not written down then, and nobody waits for that."""
    root = tmp_path / "root"

    def act() -> None:
        put, stopped = SqliteStore._put, iter([True])

        def stopping(*words: object, **more: object) -> None:
            if next(stopped, False):
                stops_itself()
            put(*words, **more)  # type: ignore[arg-type]

        with Engine(shared(root)) as engine, pytest.MonkeyPatch.context() as patch:
            patch.setattr(SqliteStore, "_put", stopping)
            engine.start("web")

    with Engine(shared(root)) as engine:
        for name in ("web", "other"):
            engine.create(name=name, rootfs="/", command=["sh"])
        other = engine.start("other")
        with beside(act) as writer:
            assert engine.simulation is not None
            engine.simulation.end(other.id, 7)
            looked(engine)
            assert engine.inspect("other").status is Status.RUNNING
            assert writer.is_alive()
            goes_on(writer)
        assert engine.inspect("other").status is Status.STOPPED
        assert engine.wait("other") == 7


# ---- a real one --------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("command", [start, stop, remove])
def test_on_a_real_one(command: Operation, engine: Engine, root: Path, runtime: str) -> None:
    held = 0
    for place in count(1):
        patient(engine)
        patient(engine, "other")
        other = engine.start("other")
        if command is not start:
            engine.start("web")
        victim = Victim(root, runtime, command, place, number=signal.SIGSTOP)
        stands = victim.stopped()
        if stands:
            let_go(other)
            held += looked(engine)
            until(lambda: engine.inspect("other").status is Status.STOPPED)
            looked(engine)
            victim.go_on()
        victim.process.join()
        for record in engine.list():
            engine.remove(record.id, force=True, timeout=0)
        if not stands:
            break
    assert held
