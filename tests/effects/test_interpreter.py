"""The loop's laws, with the container machine on the simulated host: who acts, and who takes over."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from returns.pipeline import is_successful

from lockgate import Busy, Engine, OperationFailed, Record, Status
from lockgate.adapters.simulated import SimulatedHost
from lockgate.effects import model as e
from lockgate.effects.interpreter import Gate
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Commit, Executor, StaleError, StoreError
from lockgate.host import Host
from lockgate.simulation import simulated
from lockgate.statemachine import Resumed
from lockgate.statemachine.inputs import Pause, Start, Stop


class Killed(BaseException):
    """The process is gone."""


class House:
    """One host, several processes on it; some of them may be dead."""

    def __init__(self, folder: Path) -> None:
        self.host: Host = simulated()
        assert self.host.simulation is not None
        self.simulation: SimulatedHost = self.host.simulation
        self.living: set[int] = set()
        self._open: list[Engine] = []
        first = self.process(1)
        first.import_image("busybox", folder, command=["sh"])

    def process(self, pid: int, probe: Callable[[str], None] | None = None) -> Engine:
        self.living.add(pid)
        host = dataclasses.replace(
            self.host,
            me=Executor(Process(pid, 1, "boot")),
            lives=lambda executor: executor.process.pid in self.living,
        )
        engine = Engine(host, probe) if probe else Engine(host)
        self._open.append(engine)
        return engine

    def close(self) -> None:
        for engine in self._open:
            engine.close()

    def given(self, engine: Engine, record: Record) -> list[str]:
        return [type(line.given).__name__ for line in engine.history(record.id)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def killed_at(place: str, times: int = 1) -> Callable[[str], None]:
    left = [times]

    def probe(here: str) -> None:
        if here == place:
            left[0] -= 1
            if left[0] == 0:
                raise Killed(here)

    return probe


def test_orders_of_one_step_run_side_by_side(house: House) -> None:
    engine = house.process(1)
    web = engine.create(name="web", image="busybox", network="private")
    both = threading.Barrier(2, timeout=10)

    def before(effect: e.AnyEffect) -> None:
        if isinstance(effect, e.Mount | e.JoinNetwork):
            both.wait()  # neither comes through before the other is there, too

    house.simulation.before = before
    assert engine.start("web").status is Status.RUNNING
    assert house.simulation.world(web.id).network


def test_no_more_than_eight_orders_are_carried_out_at_once_and_their_threads_are_named(
    house: House,
) -> None:
    """Of whatever containers; who looks at a process that stands still sees whose threads they are."""
    engine = house.process(1)
    made = [engine.create(image="busybox", network="private") for _ in range(5)]
    counting, full = threading.Lock(), threading.Event()
    out: set[str] = set()
    most = 0

    def before(effect: e.AnyEffect) -> None:
        nonlocal most
        if not isinstance(effect, e.Mount | e.JoinNetwork):
            return
        name = threading.current_thread().name
        with counting:
            out.add(name)
            most = max(most, len(out))
        if len(out) == 8:
            time.sleep(0.1)  # a ninth would be there by then
            full.set()
        assert full.wait(20)
        assert name.startswith("lockgate")
        with counting:
            out.discard(name)

    house.simulation.before = before
    with ThreadPoolExecutor(len(made)) as others:
        started = list(others.map(engine.start, [one.id for one in made]))
    assert {one.status for one in started} == {Status.RUNNING}
    assert most == 8


def test_one_failure_side_by_side_waits_for_the_other(house: House) -> None:
    engine = house.process(1)
    web = engine.create(name="web", image="busybox", network="private")

    def before(effect: e.AnyEffect) -> None:
        if isinstance(effect, e.JoinNetwork):
            raise PortError("failed", "no address left", dirty=False)

    house.simulation.before = before
    with pytest.raises(Exception, match="no address left"):
        engine.start("web")
    assert not house.simulation.world(web.id).mounted


def test_a_stop_whose_executor_died_is_taken_over_by_a_start(house: House) -> None:
    engine = house.process(1)
    web = engine.create(name="web", image="busybox")
    engine.start("web")
    dying = house.process(2, killed_at("before Halt"))
    with pytest.raises(Killed):
        dying.stop("web")
    house.living.discard(2)
    assert engine.inspect("web").status is Status.STOPPING
    assert engine.start("web").status is Status.RUNNING
    assert engine.inspect("web").epoch == 2
    assert "Resumed" in house.given(engine, web)


def test_a_stop_whose_executor_died_is_finished_by_a_sync(house: House) -> None:
    engine = house.process(1)
    engine.create(name="web", image="busybox")
    engine.start("web")
    with pytest.raises(Killed):
        house.process(2, killed_at("before Halt")).stop("web")
    house.living.discard(2)
    assert engine.sync("web").status is Status.STOPPED


def test_a_stop_whose_executor_lives_is_left_to_it(house: House) -> None:
    engine = house.process(1)
    engine.create(name="web", image="busybox")
    engine.start("web")
    with pytest.raises(Killed):
        house.process(2, killed_at("before Halt")).stop("web")  # it lives, as far as one can see
    with pytest.raises(Busy):
        engine.start("web")
    assert engine.sync("web").status is Status.STOPPING
    assert engine.kill("web").status is Status.STOPPED  # but it may be overtaken


def test_a_thread_of_ours_that_gave_up_is_not_mistaken_for_a_living_executor(house: House) -> None:
    engine = house.process(1)
    engine.create(name="web", image="busybox")
    engine.start("web")
    with pytest.raises(Killed):
        house.process(1, killed_at("before Halt")).stop("web")
    assert engine.start("web").status is Status.RUNNING


def test_the_lock_is_not_given_back_while_anything_is_being_carried_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome of one of two cannot be written down: the other one is waited for all the same."""
    engine = house.process(1)
    web = engine.create(name="web", image="busybox", network="private")
    happened: list[str] = []
    refused, append, hold = threading.Event(), house.host.store.append, house.host.locks.hold

    def before(effect: e.AnyEffect) -> None:
        if isinstance(effect, e.JoinNetwork):
            assert refused.wait(20)
            time.sleep(0.1)  # whoever would not wait has gone by then
            happened.append("network")

    def full(commit: Commit, patience: float | None = None) -> None:
        if house.simulation.world(web.id).mounted:
            refused.set()
            raise StoreError("the disk is full")
        append(commit, patience)

    class Held:
        def __init__(self, *words: Any) -> None:
            self._lock = hold(*words)

        def __enter__(self) -> None:
            self._lock.__enter__()

        def __exit__(self, *reason: object) -> None:
            happened.append("lock")
            self._lock.__exit__(None, None, None)

    house.simulation.before = before
    with monkeypatch.context() as patched:
        patched.setattr(house.host.store, "append", full)
        patched.setattr(house.host.locks, "hold", Held)
        with pytest.raises(StoreError, match="full"):
            engine.start("web")
    assert happened == ["network", "lock"]
    assert engine.sync("web").status is Status.RUNNING


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
def test_whoever_is_made_to_leave_while_it_waits_leaves_the_rest_to_who_comes_next(
    house: House, leaving: type[BaseException]
) -> None:
    """It lives on, so others could not tell by themselves that nobody waits for this end any more."""
    engine = house.process(1)
    engine.create(name="web", image="busybox")
    engine.start("web")

    def before(effect: e.AnyEffect) -> None:
        if isinstance(effect, e.Signal):
            raise leaving

    house.simulation.before = before
    with pytest.raises(leaving):
        engine.stop("web")
    house.simulation.before = lambda effect: None
    assert house.process(2).sync("web").status is Status.STOPPED


def test_whoever_is_made_to_leave_takes_nothing_from_who_came_meanwhile(house: House) -> None:
    engine = house.process(1)
    web = engine.create(name="web", image="busybox")
    engine.start("web")

    def before(effect: e.AnyEffect) -> None:
        if isinstance(effect, e.Signal):
            house.simulation.before = lambda effect: None
            house.process(2).kill("web")
            raise KeyboardInterrupt

    house.simulation.before = before
    with pytest.raises(KeyboardInterrupt):
        engine.stop("web")
    assert "Resumed" not in house.given(engine, web)


class Stopping:
    """A stop that waits, the lock free, until its patience of two seconds is over."""

    def __init__(self, house: House) -> None:
        self.engine = house.process(1)
        self.web = self.engine.create(name="web", image="busybox", stop_signal="USR1")
        self.engine.start("web")
        waiting = threading.Event()

        def before(effect: e.AnyEffect) -> None:
            if isinstance(effect, e.Signal):
                waiting.set()

        house.simulation.before = before
        self.results: list[Record] = []
        self.thread = threading.Thread(
            target=lambda: self.results.append(self.engine.stop("web", timeout=2))
        )
        self.thread.start()
        assert waiting.wait(10)

    def ended(self) -> Record:
        self.thread.join(20)
        (record,) = self.results
        return record


def test_a_signal_left_beside_a_waiting_stop_is_settled_by_the_death(house: House) -> None:
    stopping = Stopping(house)
    with pytest.raises(Killed):
        house.process(2, killed_at("before Signal")).kill("web", "USR2")
    house.living.discard(2)
    record = stopping.ended()
    assert (record.status, record.pending) == (Status.STOPPED, ())


def test_a_signal_beside_a_waiting_stop_leaves_it_to_the_stopper(house: House) -> None:
    stopping = Stopping(house)
    house.process(2).kill("web", "USR2")
    assert house.process(3).sync("web").status is Status.STOPPING
    stopping.ended()
    assert "Resumed" not in house.given(stopping.engine, stopping.web)


def test_a_removal_left_by_its_dead_executor_is_finished_by_the_stopper(house: House) -> None:
    stopping = Stopping(house)
    with pytest.raises(Killed):
        house.process(2, killed_at("before DeleteRuntime")).remove("web", force=True, timeout=0)
    house.living.discard(2)
    assert stopping.ended().gone
    assert house.simulation.world(stopping.web.id).empty


def test_a_fault_of_somebody_else_is_not_reported_as_ours(house: House) -> None:
    stopping = Stopping(house)
    seen = house.simulation.before

    def before(effect: e.AnyEffect) -> None:
        seen(effect)
        if isinstance(effect, e.Signal) and effect.signal == 12:
            raise PortError("denied", "not this one", dirty=False)

    house.simulation.before = before
    with pytest.raises(OperationFailed, match="not this one"):
        house.process(2).kill("web", "USR2")
    assert stopping.ended().status is Status.STOPPED


def test_what_was_done_under_the_lock_needs_no_note_of_who_did_it(house: House) -> None:
    engine = house.process(1)
    web = engine.create(name="web", image="busybox")
    with pytest.raises(Killed):
        house.process(2, killed_at("after CreateRuntime")).start("web")
    # process 2 is still "alive", but the lock is free: nobody can be carrying these orders out
    assert engine.sync("web").status is Status.RUNNING
    assert "Resumed" in house.given(engine, web)


def test_a_store_that_refuses_stops_everything_before_it_is_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = house.process(1)
    web = engine.create(name="web", image="busybox")
    seen: list[e.AnyEffect] = []
    house.simulation.before = seen.append

    def full(commit: object, patience: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(house.host.store, "append", full)
        with pytest.raises(StoreError, match="full"):
            engine.start("web")
    assert seen == []
    assert engine.inspect("web") == web
    assert engine.start("web").status is Status.RUNNING


def test_late_news_is_not_written_down(house: House) -> None:
    engine = house.process(1)
    web = engine.create(name="web", image="busybox")
    engine.start("web")
    before = house.given(engine, web)
    engine.sync("web")
    engine.sync("web")
    assert house.given(engine, web) == before


def test_a_writer_without_the_lock_is_found_out(house: House) -> None:
    engine = house.process(1)
    web = engine.create(name="web", image="busybox")

    class NoLock:
        def hold(self, scope: str, timeout: float | None = None) -> threading.Lock:
            return threading.Lock()

    other = Engine(dataclasses.replace(house.host, locks=NoLock()))  # type: ignore[arg-type]

    def before(effect: e.AnyEffect) -> None:
        if isinstance(effect, e.Mount):
            house.simulation.before = lambda effect: None
            other.sync(web.id)

    house.simulation.before = before
    with pytest.raises(StaleError):
        engine.start("web")
    other.close()


def test_a_lock_that_is_not_free_in_time_is_said(house: House) -> None:
    engine = house.process(1)
    web = engine.create(name="web", image="busybox")
    with house.host.locks.hold(web.id):
        result: list[object] = []

        def submit() -> None:
            try:
                engine.submit(web.id, Resumed(), timeout=0.01)  # type: ignore[arg-type]
            except TimeoutError as problem:
                result.append(problem)

        late = threading.Thread(target=submit)
        late.start()
        late.join(10)
    assert len(result) == 1


def test_no_lock_stays_of_what_is_not_there(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is, it does, however it was looked at (P14)."""
    engine = house.process(1)
    web = engine.create(name="web", image="busybox")
    forgotten: list[str] = []
    monkeypatch.setattr(house.host.locks, "forget", forgotten.append)
    engine.sync("web")
    engine.start("web")
    assert forgotten == []
    engine._interpreter.sync("nobody")
    engine.remove("web", force=True)
    assert forgotten == ["nobody", web.id]


class TestGates:
    """What is above a container, and must be so when a command is accepted (P13)."""

    @staticmethod
    def held(house: House) -> list[str]:
        """The scopes taken (+) and let go of (-), in their order, from now on."""
        told: list[str] = []
        hold = house.host.locks.hold

        @contextmanager
        def noted(scope: str, timeout: float | None = None) -> Iterator[None]:
            with hold(scope, timeout):
                told.append(f"+{scope[:4]}")
                try:
                    yield
                finally:
                    told.append(f"-{scope[:4]}")

        house.host.locks.hold = noted  # type: ignore[method-assign]
        return told

    def test_its_lock_is_taken_first_and_let_go_of_when_the_command_is_on_record(
        self, house: House
    ) -> None:
        told = self.held(house)
        engine = house.process(2, lambda place: told.append(place))
        web = engine.create(name="web", image="busybox")
        del told[:]
        engine._interpreter.submit(
            web.id, Start(), gate=Gate(("pod-x",), lambda: told.append("ask"))
        )
        mine = f"{web.id[:4]}"
        assert told[:6] == ["+pod-", f"+{mine}", "ask", "before commit", "after commit", "-pod-"]
        assert told[-1] == f"-{mine}"
        assert told.count("-pod-") == 1

    def test_what_it_forbids_has_not_happened(self, house: House) -> None:
        engine = house.process(1)
        web = engine.create(name="web", image="busybox")

        def check() -> None:
            raise LookupError("not now")

        before = list(engine.history(web.id))
        with pytest.raises(LookupError, match="not now"):
            engine._interpreter.submit(web.id, Start(), gate=Gate(("pod-x",), check))
        assert list(engine.history(web.id)) == before
        with house.host.locks.hold("pod-x", 0), house.host.locks.hold(web.id, 0):
            pass  # both are free

    def test_what_is_refused_anyway_is_not_asked(self, house: House) -> None:
        engine = house.process(1)
        web = engine.create(name="web", image="busybox")
        said = engine._interpreter.submit(web.id, Pause(), gate=Gate(("pod-x",), lambda: 1 / 0))  # type: ignore[arg-type]
        assert not is_successful(said)

    def test_while_anything_is_waited_for_neither_is_held(self, house: House) -> None:
        """What somebody left behind is finished before the command: that may take its time."""
        engine = house.process(1)
        web = engine.create(name="web", image="busybox")
        engine.start("web")
        dying = house.process(2, killed_at("before Halt"))
        with pytest.raises(Killed):
            dying.stop("web")
        house.living.discard(2)
        told = self.held(house)

        def probe(place: str) -> None:
            if place == "before Halt":
                told.append("waits")

        house.process(3, probe)._interpreter.submit(
            web.id, Pause(), gate=Gate(("pod-x",), lambda: None)
        )
        at = told.index("waits")
        mine = f"{web.id[:4]}"
        assert told[:at] == ["+pod-", f"+{mine}", f"-{mine}", "-pod-"]
        assert told[at + 1 :][:2] == ["+pod-", f"+{mine}"]
        assert sorted(told[at + 3 :]) == sorted([f"-{mine}", "-pod-"])

    def test_it_is_asked_again_when_something_had_to_be_finished_before_the_command(
        self, house: House
    ) -> None:
        """By then it may be otherwise."""
        engine = house.process(1)
        web = engine.create(name="web", image="busybox")
        engine.start("web")
        with pytest.raises(Killed):
            house.process(2, killed_at("before Halt")).stop("web")
        house.living.discard(2)
        told = self.held(house)

        def check() -> None:
            told.append("ask")
            raise LookupError("not any more")

        with pytest.raises(LookupError, match="not any more"):
            engine._interpreter.submit(web.id, Start(), gate=Gate(("pod-x",), check))
        assert told.count("ask") == 1
        assert engine.inspect("web").status is Status.STOPPED

    def test_when_it_is_not_free_in_time_nothing_is_held(self, house: House) -> None:
        engine = house.process(1)
        web = engine.create(name="web", image="busybox")
        gate = Gate(("pod-x",), lambda: None)
        run = partial(engine._interpreter.submit, web.id, Start(), 0.01, gate)
        with house.host.locks.hold(web.id), ThreadPoolExecutor(1) as another:
            with pytest.raises(TimeoutError):
                another.submit(run).result()
        with house.host.locks.hold("pod-x", 0):
            pass


class TestPatience:
    """How long somebody waits for a lock, and for whoever else writes to the store."""

    @staticmethod
    def noted(house: House, monkeypatch: pytest.MonkeyPatch) -> tuple[list[object], list[object]]:
        """The seconds each lock, and each commit, is waited for from now on."""
        held: list[object] = []
        written: list[object] = []
        hold, append = house.host.locks.hold, house.host.store.append

        def noted_hold(scope: str, timeout: float | None = None) -> AbstractContextManager[None]:
            held.append((scope, timeout))
            return hold(scope, timeout)

        def noted_append(commit: Commit, patience: float | None = None) -> None:
            written.append(patience)
            append(commit, patience)

        monkeypatch.setattr(house.host.locks, "hold", noted_hold)
        monkeypatch.setattr(house.host.store, "append", noted_append)
        return held, written

    def test_a_look_is_in_a_hurry_until_it_has_written_something_down(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = house.process(1)
        web = engine.create(name="web", image="busybox")
        with pytest.raises(Killed):
            house.process(2, killed_at("after CreateRuntime")).start("web")
        held, written = self.noted(house, monkeypatch)
        assert engine._interpreter.sync(web.id, 0.5).status is Status.RUNNING
        assert held == [(web.id, 0.5)]
        assert written[0] == 0.5 and set(written[1:]) == {None}

    def test_a_command_is_in_a_hurry_until_it_has_the_locks_and_then_never(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also not for the lock that it has let go of while it waited for an end."""
        engine = house.process(1)
        web = engine.create(name="web", image="busybox")
        engine.start("web")
        held, written = self.noted(house, monkeypatch)
        gate = Gate(("pod-y", "pod-x"), lambda: None)
        engine._interpreter.submit(web.id, Stop(), 0.5, gate)
        assert held == [("pod-x", 0.5), ("pod-y", 0.5), (web.id, 0.5), (web.id, None)]
        assert set(written) == {None}
