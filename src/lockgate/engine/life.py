"""A container's life, command by command, and the waiting for its end."""

import time
from collections.abc import Collection, Iterator

from lockgate import validation
from lockgate.effects.health import HealthStatus
from lockgate.effects.outcome import UNKNOWN_EXIT, PortError
from lockgate.effects.ports import LogLine, Mark, Store
from lockgate.engine.members import Members
from lockgate.errors import (
    AlreadyStopped,
    InvalidArgument,
    NoSuchContainer,
    NotRunning,
    OperationFailed,
)
from lockgate.statemachine.health import current
from lockgate.statemachine.inputs import (
    Cleanup,
    Init,
    Kill,
    Pause,
    Remove,
    Renamed,
    Restart,
    Start,
    Stop,
    Unpause,
)
from lockgate.statemachine.policy import owes_restart
from lockgate.statemachine.record import Record, newborn
from lockgate.statemachine.status import LIVE, Status

REMOVED = "removed"
"""What can be waited for besides a status."""

OVER = frozenset({Status.STOPPED, Status.EXITED})
"""Where a run has been, and is no more."""

BRIEFLY, AT_MOST = 0.002, 0.1
"""Seconds between two looks of whoever waits for what nobody tells of, twice as long each time."""


class Life(Members):
    """Everything that happens to a container that exists."""

    def init(self, reference: str) -> Record:
        """Everything up to a process that waits to be started."""
        return self._command(reference, Init())

    def start(self, reference: str) -> Record:
        return self._command(reference, Start())

    def stop(self, reference: str, timeout: int | None = None) -> Record:
        """Stop signal, `timeout` seconds of patience (`None`: as configured), SIGKILL.

        Others may inspect, kill or stop it meanwhile; the shorter patience wins. Raises
        `AlreadyStopped` when it does not run, which is on record all the same.
        """
        before = self.inspect(reference)
        after = self._command(before.id, Stop(validation.seconds(timeout)))
        # of another run: somebody was starting it when we looked, and this stop did end it
        if before.status in OVER and after.status in OVER and _end(after) == _end(before):
            raise AlreadyStopped(before.config.name, before.status)
        return after

    def kill(self, reference: str, signal: int | str = "KILL") -> Record:
        """Any signal; after SIGKILL the end is on record when this returns."""
        return self._command(reference, Kill(validation.signal_number(signal)))

    def pause(self, reference: str) -> Record:
        return self._command(reference, Pause())

    def unpause(self, reference: str) -> Record:
        return self._command(reference, Unpause())

    def restart(self, reference: str, timeout: int | None = None) -> Record:
        return self._command(reference, Restart(validation.seconds(timeout)))

    def rename(self, reference: str, name: str) -> Record:
        """Another name, at once and whatever it is doing; the old one is free then, and still leads to
        its history. /etc/hosts tells of it from its next run on.

        Raises `NameTaken`, and `InvalidArgument` for what cannot be a name, or where names belong to
        a store that is shared with others.
        """
        wish = validation.name(name)
        if self.host.names_kept:
            raise InvalidArgument(self.host.names_kept)
        before = self.inspect(reference)
        if before.status is Status.ABSENT and self.sync(before.id).gone:  # it was never made
            raise NoSuchContainer(reference)
        after = self._done(before.config.name, Renamed(wish), before.id)
        if after.gone:
            raise NoSuchContainer(reference)
        return after

    def cleanup(self, reference: str) -> Record:
        """Give back mounts, network and the runtime's object of a run that has ended."""
        return self._command(reference, Cleanup())

    def remove(self, reference: str, *, force: bool = False, timeout: int | None = None) -> Record:
        """Nothing of it stays but its history. `force`: end it first.

        `NoSuchContainer` only for one that was gone before: whom somebody else removes meanwhile,
        or whose interrupted removal this call has finished, is removed (FAULTS B058).
        """
        before = self._glimpse(self.resolve(reference))
        command = Remove(force, validation.seconds(timeout))
        try:
            after = self._command(reference, command)
        except NoSuchContainer:
            if before is None:
                raise
            return newborn(before.config)
        if after.gone:
            return after
        if after.faults:  # met by somebody who carried this very removal on
            raise OperationFailed(str(command.verb), after.config.name, after.faults[0])
        # another command came between, while we waited without the lock (P26)
        return self.remove(after.id, force=force, timeout=timeout)

    def wait(self, reference: str, timeout: float | None = None) -> int:
        """The exit code of the run there is, once it has ended; -1 when nobody saw it, or it was ended
        by a checkpoint.

        A container that never ran answers 0 at once; one that is gone answers with its last code.
        Raises `TimeoutError`. Holds no lock while it waits.
        """
        container = self.resolve(reference, past=True)
        deadline = None if timeout is None else time.monotonic() + timeout
        epoch: int | None = None
        while True:
            record = self._glimpse(container)
            if record is None or (epoch is not None and record.epoch != epoch):
                return self._exit_code(container, epoch)
            if record.exit_code is not None:
                return record.exit_code
            if record.checkpointed:
                return UNKNOWN_EXIT
            if record.process is None:
                if record.pending:
                    record = self._interpreter.sync(container)
                if record.process is None:
                    return 0 if record.exit_code is None else record.exit_code
            epoch = record.epoch
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                end = self.host.ports.monitor.await_exit(
                    record.config, epoch, record.process, record.monitor, left
                )
            except PortError:
                continue  # gone from under us: whoever removed it has written down its end
            if end is None:
                raise TimeoutError(f"{record.config.name} has not ended in {timeout} seconds")
            self._interpreter.sync(container)

    def wait_for(
        self, reference: str, conditions: Collection[str], timeout: float | None = None
    ) -> str:
        """Until one of these is, or for a moment was, true of it: the name of a status, of a health
        status, or `removed`; returns which, the first of several. Who waits for health alone gets
        `NotRunning` when its run is over (L-23).

        Raises `TimeoutError`, and `NoSuchContainer` when it goes and nobody waits for that. Holds no
        lock while it waits.
        """
        healths = set(map(str, HealthStatus))
        known = {str(status) for status in Status if status is not Status.ABSENT} | {
            REMOVED,
            *healths,
        }
        if unknown := sorted(set(conditions) - known):
            raise InvalidArgument(
                f"{unknown[0]!r} is nothing to wait for; there are: {', '.join(sorted(known))}"
            )
        passed = Passed(self.host.store, self.resolve(reference))
        if not healths.isdisjoint(conditions):
            self._watched(self.inspect(passed.container))
        deadline = None if timeout is None else time.monotonic() + timeout
        patience = BRIEFLY
        while True:
            record = self._present(passed.container)
            for state in passed.states():
                if state in conditions:
                    return state
            now = REMOVED if record is None else str(record.status)
            if now in conditions:
                return now
            if record is None:
                raise NoSuchContainer(reference)
            if (stands := current(record)) and stands.status in conditions:
                return str(stands.status)
            if healths.issuperset(conditions) and _over(record):
                raise NotRunning("wait for the health of", reference, record.status)
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{reference} is {now} after {timeout} seconds")
            self.host.store.wait_events(passed.newest, patience)
            patience = min(2 * patience, AT_MOST)

    def _present(self, container: str) -> Record | None:
        """None once it is gone."""
        try:
            return self.inspect(container)
        except NoSuchContainer:
            return None

    def run_to_end(self, reference: str) -> Iterator[LogLine]:
        """Start it and yield what it writes until it has ended and all of that is read."""
        record = self.start(reference)
        mark: Mark | None = None
        while True:
            ended = self._glimpse(record.id)
            over = ended is None or self._ended(ended)
            lines, mark = self.host.logs.read(record.config, mark)
            yield from lines
            if over and not lines:
                return
            if not over:
                self.host.logs.wait(record.config, mark, 0.2)


def _end(record: Record) -> tuple[int, int, int]:
    """Which run was the last to end. Its number alone would not tell: one that is being prepared has it
    already."""
    return record.epoch, record.started_at, record.finished_at


def _over(record: Record) -> bool:
    """It does not run, and nothing is under way or owed that would change that."""
    idle = record.operation is None and not owes_restart(record)
    return idle and record.status not in LIVE


REACHED = {
    "create": Status.CONFIGURED,
    "init": Status.CREATED,
    "start": Status.RUNNING,
    "restore": Status.RUNNING,
    "pause": Status.PAUSED,
    "unpause": Status.RUNNING,
    "died": Status.STOPPED,
}
"""Where an event leaves a container, though it may be elsewhere by the time somebody looks (L-20)."""


class Passed:
    """What a container has been from here on, by its events; each is told once."""

    def __init__(self, store: Store, container: str) -> None:
        self._store, self.container = store, container
        self.newest = store.newest_event()
        self._ended = False

    def states(self) -> Iterator[str]:
        for event in self._store.events(self.newest):
            self.newest = event.number
            if event.container != self.container:
                continue
            self._ended = event.event == "died" or (self._ended and event.event != "init")
            if reached := REACHED.get(event.event):
                yield str(reached)
            elif event.event == "cleanup" and self._ended:
                yield str(Status.EXITED)
            elif event.health:
                yield event.health
