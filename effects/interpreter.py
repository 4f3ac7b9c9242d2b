"""The impure loop, generic over any step function: lock, load, resume, step, commit, perform.

The laws it keeps (DESIGN §4): the lock first; an input and the orders it led to are durable, with
the new record, before any order is carried out; orders of one step run side by side and their
outcomes are heard one at a time; what was interrupted is resumed before anything else is heard;
what takes long is done with the lock released, and everything is re-read afterwards.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import copy_context
from typing import Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from returns.result import Failure, Result, Success

from lockgate.effects.model import Order
from lockgate.effects.outcome import Failed, Fault, Outcome
from lockgate.effects.ports import Commit, Executor, Locks, Row, Store

R = TypeVar("R")
Given = TypeVar("Given")
Refusal = TypeVar("Refusal")


class Stepped(Struct, Generic[R], frozen=True):
    """An accepted input: the record it led to, the orders, and how it is to be written down."""

    record: R
    orders: tuple[Order, ...]
    commit: Commit


class Rejected(Struct, Generic[Refusal], frozen=True):
    """An input that was not accepted; nothing has changed."""

    refusal: Refusal


class Machine(Protocol[R, Given, Refusal]):
    """What the interpreter must know of the machine it runs. All but `observe` and `perform`
    are pure."""

    def load(self, container: str, row: Row | None) -> tuple[R, tuple[Given, ...]]:
        """The record in this row (or a newborn), and what it must be told first."""
        ...

    def step(self, record: R, seq: int, given: Given) -> Stepped[R] | Rejected[Refusal]: ...

    def pending(self, record: R) -> tuple[Order, ...]: ...

    def faults(self, record: R) -> tuple[Fault, ...]: ...

    def heard(self, outcome: Outcome) -> Given: ...

    def resumed(self) -> Given: ...

    def observe(self, record: R) -> tuple[Given, ...]:
        """What a look at the world tells now; called under the lock, never blocks."""
        ...

    def perform(self, record: R, order: Order) -> Outcome: ...


class Gate(Struct, frozen=True):
    """What else must be true when a command is accepted, and whose locks keep it so until then: those
    of what is above the container. `check` raises what forbids it; nothing has changed then.

    The locks of `scopes` are taken in the order of their names, before the container's, never after it
    (P13), and let go of as soon as the command is on record, or the world is waited for: from then on
    the record itself tells others.
    """

    scopes: tuple[str, ...]
    check: Callable[[], None]


LEAVING = (KeyboardInterrupt, SystemExit)
"""How somebody who waits is made to leave: by a signal, or by whoever handles one."""


def unprobed(place: str) -> None:
    """Nobody watches where we are."""


class Interpreter(Generic[R, Given, Refusal]):
    """Runs a machine over a store, under locks. Safe for several threads and processes.

    `me` says who carries out patient orders, `lives` whether somebody else who did still can.
    `probe` is called with a name before and after every commit and every performance: the place
    where tests kill us.
    """

    def __init__(
        self,
        machine: Machine[R, Given, Refusal],
        store: Store,
        locks: Locks,
        me: Executor,
        lives: Callable[[Executor], bool],
        probe: Callable[[str], None] = unprobed,
    ) -> None:
        self.machine, self.store, self.locks = machine, store, locks
        self.me, self.lives, self.probe = me, lives, probe
        self.waiting: list[str] = []  # containers this very interpreter waits for, lock free
        self.pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="lockgate")

    def close(self) -> None:
        self.pool.shutdown()

    def submit(
        self,
        container: str,
        command: Given,
        timeout: float | None = None,
        gate: Gate | None = None,
    ) -> Result[R, Refusal | Fault]:
        """Carry a command to its end: resume what was interrupted, step, act, until nothing is
        left to do. A refusal has changed nothing. Raises `TimeoutError` when the lock is not free
        within `timeout` seconds, what the gate raises, and what the store raises."""
        with self._session(container, timeout, above=gate.scopes if gate else ()) as session:
            session.catch_up()
            answer = session.tell(command, gate)
            if isinstance(answer, Rejected) and session.abandoned:
                session.resume()
                session.catch_up()
                answer = session.tell(command, gate)
            if isinstance(answer, Rejected):
                return Failure(answer.refusal)
            session.lower()
            mine = session.drive(answer.orders)
            for fault in self.machine.faults(session.record):
                if fault in mine:
                    return Failure(fault)
            return Success(session.record)

    def sync(self, container: str, timeout: float | None = None) -> R:
        """Look at the world, and finish what somebody left unfinished. Waits `timeout` seconds for
        the lock, and as long for whoever else writes to the store; but once something is written
        down, as long as it takes."""
        with self._session(container, timeout, hasty=timeout) as session:
            session.catch_up()
            if session.abandoned:
                session.resume()
                session.catch_up()
            return session.record

    @contextmanager
    def _session(
        self,
        container: str,
        timeout: float | None,
        hasty: float | None = None,
        above: tuple[str, ...] = (),
    ) -> "Generator[_Session[R, Given, Refusal]]":
        """Under the lock; of what is not there when it is given back, no lock stays either (P14)."""
        there = True
        try:
            with _Hold(self.locks, container, timeout, above) as hold:
                session = _Session(self, hold, container, hasty)
                try:
                    yield session
                finally:
                    there = session.there
        finally:
            if not there:
                self.locks.forget(container)


class _Hold:
    """The container's lock, held, below that of what is above it, if anything is; and how they are
    let go of, both for a while, or the upper one for good."""

    def __init__(
        self, locks: Locks, container: str, timeout: float | None, above: tuple[str, ...] = ()
    ) -> None:
        self._locks, self._container, self._above = locks, container, sorted(above)
        self._timeout = timeout

    def __enter__(self) -> "_Hold":
        self._take(self._timeout)
        return self

    def __exit__(self, *reason: object) -> None:
        self._held.__exit__(None, None, None)
        self.lower()

    def lower(self) -> None:
        """Let go of what is above for good."""
        self._upper.close()
        self._above = []

    def _take(self, timeout: float | None) -> None:
        with ExitStack() as upper:
            for scope in self._above:
                upper.enter_context(self._locks.hold(scope, timeout))
            self._held = self._locks.hold(self._container, timeout)
            self._held.__enter__()
            self._upper = upper.pop_all()

    @contextmanager
    def released(self) -> Generator[None]:
        self._held.__exit__(None, None, None)
        self._upper.close()
        try:
            yield
        finally:
            # whatever happened meanwhile, we go on as a holder: wait as long as it takes
            self._take(None)


class _Session(Generic[R, Given, Refusal]):
    """One container between taking its lock and giving it back."""

    def __init__(
        self,
        owner: Interpreter[R, Given, Refusal],
        hold: _Hold,
        container: str,
        hasty: float | None,
    ) -> None:
        self._owner, self._hold, self._container = owner, hold, container
        self._machine, self._hasty = owner.machine, hasty
        self._me: Executor | None = owner.me
        self._read()

    def _read(self) -> None:
        row = self._owner.store.row(self._container)
        self.record, self._first = self._machine.load(self._container, row)
        self.there = row is not None
        self._seq = row.seq if row else 0
        self._executor = row.executor if row else None

    def lower(self) -> None:
        """Nothing above the container needs to be kept as it is any longer."""
        self._hold.lower()

    def catch_up(self) -> None:
        """Hear what the stored bytes and the world have to say, and do what follows from it."""
        self.drive(self._news())

    def _news(self) -> list[Order]:
        orders: list[Order] = []
        for given in self._first:
            orders += self._orders(given)
        for given in self._machine.observe(self.record):
            orders += self._orders(given)
        pending = self._machine.pending(self.record)
        return [order for order in orders if order in pending]  # later news may settle earlier ones

    def _orders(self, given: Given) -> tuple[Order, ...]:
        """Tell what cannot be refused."""
        answer = self.tell(given)
        return answer.orders if isinstance(answer, Stepped) else ()

    @property
    def abandoned(self) -> bool:
        """Are there orders out in the world that nobody is carrying out? What is done under the
        lock is, since we hold it; what is done without it is when its executor is gone."""
        pending = self._machine.pending(self.record)
        if not all(order.effect.patient for order in pending):
            return True
        if not pending:
            return False
        if self._executor == self._owner.me:
            return self._container not in self._owner.waiting
        return self._executor is None or not self._owner.lives(self._executor)

    def resume(self) -> None:
        self.drive(self._orders(self._machine.resumed()))

    def tell(self, given: Given, gate: Gate | None = None) -> Stepped[R] | Rejected[Refusal]:
        """One step, durable before it is acted upon; nothing happened if the gate or the store
        refuses. What changes nothing (late or repeated news) is not written down."""
        answer = self._machine.step(self.record, self._seq, given)
        if isinstance(answer, Rejected) or answer.record is self.record:
            return answer
        if gate is not None:
            gate.check()
        patient = any(order.effect.patient for order in self._machine.pending(answer.record))
        if not patient:
            executor = None
        elif any(order.effect.patient for order in answer.orders):
            executor = self._me
        else:
            executor = self._executor
        commit = replace(answer.commit, executor=executor)
        self._owner.probe("before commit")
        self._owner.store.append(commit, self._hasty)
        self.record, self._executor, self._hasty = answer.record, executor, None
        self.there = commit.record is not None
        self._seq += 1
        self._owner.probe("after commit")
        return answer

    def drive(self, orders: Sequence[Order]) -> list[Fault]:
        """Carry out orders, and those that follow, until nothing is left. Returns the faults."""
        faults: list[Fault] = []
        queue = list(orders)
        while queue:
            prompt = [order for order in queue if not order.effect.patient]
            if prompt:
                queue = [order for order in queue if order.effect.patient]
                performed: AbstractContextManager[Iterable[Outcome]] = self._side_by_side(prompt)
            else:
                performed = nullcontext(self._patiently(queue))
                queue = self._news()
            with performed as outcomes:
                for outcome in outcomes:
                    if isinstance(outcome, Failed):
                        faults.append(outcome.fault)
                    queue += self._orders(self._machine.heard(outcome))
            if not queue and self._interrupted:
                queue += self._orders(self._machine.resumed())
        return faults

    @property
    def _interrupted(self) -> bool:
        """Somebody acted while we waited, and did not live to finish."""
        return any(not order.effect.patient for order in self._machine.pending(self.record))

    @contextmanager
    def _side_by_side(self, orders: list[Order]) -> Generator[Iterable[Outcome]]:
        """The outcomes, as they come. Whatever is raised meanwhile: when this is left nothing is being
        carried out any more, so the lock can be given back."""
        if len(orders) == 1:
            yield (self._perform(order) for order in orders)
            return
        # each in what the caller runs in: spans know whose part they are
        running = [
            self._owner.pool.submit(copy_context().run, self._perform, order) for order in orders
        ]
        try:
            yield (finished.result() for finished in as_completed(running))
        finally:
            wait(running)

    def _patiently(self, orders: list[Order]) -> list[Outcome]:
        """Perform with the lock free, then read everything again: others may have acted. Whoever is
        made to leave meanwhile, and lives on, writes down that somebody else is to go on with it."""
        waiting = self._owner.waiting
        waiting.append(self._container)
        try:
            with self._hold.released(), self._side_by_side(orders) as outcomes:
                heard = list(outcomes)
        except LEAVING:
            self._read()
            if any(order in orders for order in self._machine.pending(self.record)):
                self._me = None
                self.tell(self._machine.resumed())
            raise
        finally:
            waiting.remove(self._container)
        self._read()
        return heard

    def _perform(self, order: Order) -> Outcome:
        self._owner.probe("before " + type(order.effect).__name__)
        outcome = self._machine.perform(self.record, order)
        self._owner.probe("after " + type(order.effect).__name__)
        return outcome
