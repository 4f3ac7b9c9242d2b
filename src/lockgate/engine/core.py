"""What all commands stand on: whom is meant, how it is now, and one command carried to its end."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias

from returns.result import Failure, Result, Success

from lockgate.effects.interpreter import Gate, unprobed
from lockgate.effects.outcome import Exited, Fault, PortError
from lockgate.effects.perform import fault_of
from lockgate.effects.ports import (
    NameTakenError,
    NeededError,
    NoPodError,
    Row,
    StoreError,
    UnmetError,
)
from lockgate.errors import (
    AmbiguousName,
    NameTaken,
    NoSuchContainer,
    NoSuchPod,
    OperationFailed,
    StillNeeded,
    refused,
)
from lockgate.host import Host
from lockgate.lifecycle import Lifecycle, readable, salvaged
from lockgate.statemachine.health import current
from lockgate.statemachine.inputs import Checked, Command, Input, Renamed
from lockgate.statemachine.policy import owes
from lockgate.statemachine.record import Record, Refused
from lockgate.statemachine.status import Status
from lockgate.telemetry import ToldInterpreter

Told: TypeAlias = Checked | Renamed
"""What is told by users or for them, and cannot be refused by the law."""

GLANCE = 0.02
"""Seconds a listing waits for a lock before it shows what it sees without it."""


class Core:
    """A host, the law, and the interpreter between them."""

    def __init__(self, host: Host, probe: Callable[[str], None] = unprobed) -> None:
        self.host = host
        self._lifecycle = Lifecycle(host.ports, host.sessions, host.cgroups)
        self._interpreter = ToldInterpreter(
            self._lifecycle, host.store, host.locks, host.me, host.lives, probe
        )

    def submit(
        self, reference: str, command: Command, timeout: float | None = None
    ) -> Result[Record, Refused | Fault]:
        """One command without exceptions for what the law or the world says no to.

        Raises `TimeoutError` when somebody holds the container's lock for `timeout` seconds.
        """
        container = self.resolve(reference)
        gate = self._gate(container, command)
        return self._interpreter.submit(container, command, timeout, gate)

    def sync(self, reference: str) -> Record:
        """Look at the world, finish what somebody left unfinished, and say how things are."""
        return self._interpreter.sync(self.resolve(reference))

    def resolve(self, reference: str, *, past: bool = False) -> str:
        """The id of the container meant; with `past`, of one that is gone, too."""
        found = self.host.store.find(reference) if reference else ()
        if len(found) > 1:
            raise AmbiguousName(reference, found)
        if found:
            return found[0]
        gone = self.host.store.past(reference) if past and reference else None
        if gone is None:
            pod = bool(reference and self.host.store.find_pod(reference))
            raise NoSuchContainer(reference, pod=pod)
        return gone

    def inspect(self, reference: str) -> Record:
        """How things are. Never waits: what is being done right now is shown as such."""
        container = self.resolve(reference)
        record = self._glimpse(container)
        fresh = self._fresh(record) if record else None
        if fresh is None or fresh.gone:
            raise NoSuchContainer(reference)
        return fresh

    def list(self) -> tuple[Record, ...]:
        """All containers, oldest first. One that is damaged is shown as unknown; one that is
        busy is shown as it was; neither keeps the others waiting."""
        seen = map(self._fresh, self._records())
        return tuple(record for record in seen if not record.gone)

    def _command(self, reference: str, command: Command) -> Record:
        container = self.resolve(reference)
        row = self.host.store.row(container)
        return self._done(row.name if row else reference, command, container)

    def _watched(self, record: Record) -> None:
        """Somebody sees to its checks, though whoever did may be dead."""
        if current(record) is not None:
            with faults_raised("watch", record.config.name, "container"):
                self.host.ports.checks.watch(record.config, record.epoch)

    def _gate(self, container: str, command: Input) -> Gate | None:
        """What else must be so when the command is accepted."""
        return None

    def _done(
        self, name: str, command: Command | Told, container: str, gate: Gate | None = None
    ) -> Record:
        gate = gate or self._gate(container, command)
        try:
            result: Result[Record, Refused | Fault] = self._interpreter.submit(
                container, command, gate=gate
            )
        except NameTakenError as taken:
            raise NameTaken(taken.name, taken.holder, taken.what) from None
        except NoPodError as missing:
            raise NoSuchPod(missing.pod) from None
        except UnmetError as unmet:
            raise NoSuchContainer(unmet.needed) from None
        except NeededError as needed:
            rows = (self.host.store.row(one) for one in needed.by)
            by = tuple(row.name or row.container[:12] for row in rows if row)
            raise StillNeeded(_verb(command), name, by) from None
        match result:
            case Success(Record() as record):
                return record
            case Failure(Refused() as refusal):
                if refusal.status is Status.ABSENT and not refusal.busy:
                    raise NoSuchContainer(name)
                raise refused(name, refusal)
            case Failure(Fault() as fault):
                raise OperationFailed(_verb(command), name, fault)
            case _:
                raise AssertionError(f"a Result is a Success or a Failure, not {result!r}")

    def _glimpse(self, container: str) -> Record | None:
        row = self.host.store.row(container)
        return self._seen(row) if row else None

    def _records(self) -> Iterator[Record]:
        """Of all there are, as they were last written down."""
        return map(self._seen, self.host.store.rows())

    def _seen(self, row: Row) -> Record:
        record = readable(row.container, row.name, row.record)
        return record or salvaged(row, self.host.cgroups)

    def _ended(self, record: Record) -> bool:
        over = record.exit_code is not None or record.checkpointed
        return over or self._lifecycle.look(record) is not None

    def _fresh(self, record: Record) -> Record:
        """The record, brought up to date if its run has ended unnoticed, nobody is busy, and there
        is space to write it down; a look never fails for want of either (P13, P25)."""
        if self._lifecycle.observe(record):
            try:
                record = self._interpreter.sync(record.id, GLANCE)
            except (TimeoutError, StoreError):
                return record
        if record.monitor is not None and owes(record):
            with suppress(PortError, OSError):  # it stays owed
                self.host.settlers.begin(record.config, record.epoch, record.monitor)
        return record

    def busy(self, reference: str) -> str:
        """Who has its lock now, in words ("process 4711"); empty when nobody does, also of one that
        is gone. What is being done under it may not be on record yet. Never waits."""
        return self.host.locks.holder(self.resolve(reference, past=True))

    def _exit_code(self, container: str, epoch: int | None) -> int:
        end: Exited | None = self.host.store.exit(container, epoch)
        return end.code if end else 0


@contextmanager
def faults_raised(verb: str, name: str, what: str) -> Generator[None]:
    try:
        yield
    except (PortError, OSError) as problem:
        raise OperationFailed(verb, name, fault_of(problem), what) from problem


def _verb(command: Command | Told) -> str:
    match command:
        case Checked():
            return "check"
        case Renamed():
            return "rename"
        case _:
            return str(command.verb)
