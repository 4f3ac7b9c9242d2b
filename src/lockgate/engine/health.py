"""Health: checks run when they are due, and what is owed to a container that fails them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lockgate.effects.health import SECOND, CheckResult, HealthStatus
from lockgate.effects.outcome import PortError
from lockgate.effects.sessions import Wish
from lockgate.engine.sessions import Joining
from lockgate.errors import (
    IllegalState,
    InvalidArgument,
    LockgateError,
    NoSuchContainer,
    NotRunning,
    OperationFailed,
)
from lockgate.lifecycle import LIVE
from lockgate.statemachine.health import current, due, next_check, owed_action
from lockgate.statemachine.inputs import Checked
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status

NOT_RUN = -1
SLEEP = 5.0
"""Seconds after which whoever sees to all checks looks for new containers."""

PATIENCE = 1.0
"""Seconds between two looks at a container that is paused, or whose check somebody else runs."""


BRIEFLY = 0.1
"""Seconds until a check is tried again that could not be run now."""


def never() -> bool:
    """Until the end of time."""
    return False


class Checking(Joining):
    """Checks follow from records: whoever runs one writes down what it found, and anybody can."""

    def check(self, reference: str) -> CheckResult:
        """Run the check that is next, now, and do what follows from it.

        Raises `InvalidArgument` for a container without checks, `NotRunning` (also when it ends
        meanwhile), `TimeoutError` when another check takes too long.
        """
        record = self.inspect(reference)
        name = record.config.name
        if record.config.health is None:
            raise InvalidArgument(f"container {name} has no health check: create it with one")
        check = next_check(record)
        if check is None:
            raise NotRunning("check", name, record.status)
        self._watched(record)
        try:
            wait = check.timeout / SECOND + PATIENCE
            with self.host.checks.alone(record.id, record.epoch, wait) as mine:
                if not mine:
                    raise TimeoutError(f"another check of {name} has not ended")
                return self._checked(record)
        except PortError:
            raise NotRunning("check", name, Status.STOPPED) from None

    def checks(self, reference: str) -> tuple[CheckResult, ...]:
        """What the newest run's checks have found, oldest first."""
        record = self.inspect(reference)
        return self.host.checks.noted(record.id, record.epoch)

    def health(self, reference: str) -> HealthStatus | None:
        """How it stands by its checks; None for what has none or does not run."""
        found = current(self.inspect(reference))
        return found.status if found else None

    def watch(self, reference: str, epoch: int, until: Callable[[], bool] = never) -> None:
        """See to the checks of this run until it is over, or `until` says so after one of them."""
        container = self.resolve(reference)
        while not until():
            try:
                record = self._interpreter.sync(container)
            except LockgateError:
                return
            if record.epoch != epoch or record.status not in LIVE:
                return
            left = self._left(record)
            if left == 0:
                self._check_when_due(record)
                continue
            run = (record.config, epoch, record.process, record.monitor)
            pause = PATIENCE if left is None else min(left / SECOND, SLEEP)
            self.host.ports.monitor.await_exit(*run, timeout=pause)

    def watch_all(self, until: Callable[[], bool] = never, workers: int = 8) -> None:
        """See to the checks of every container there is, side by side: for a program that embeds
        the engine (`Engine.open(..., watchers=False)`), in a thread of its own. Ends when `until`
        says so."""
        with ThreadPoolExecutor(workers, thread_name_prefix="lockgate-checks") as pool:
            while not until():
                lefts = [(one, self._left(one)) for one in self.list()]
                ready = [one for one, left in lefts if left == 0]
                list(pool.map(self._check_when_due, ready))
                if not ready:
                    ahead = (left / SECOND for _, left in lefts if left)
                    time.sleep(min((PATIENCE, *ahead)))

    # ---- inside --------------------------------------------------------------------------

    def _left(self, record: Record) -> int | None:
        """In how many nanoseconds a check is due."""
        if next_check(record) is None:
            return None
        noted = self.host.checks.noted(record.id, record.epoch)
        return due(record, noted[-1].ended if noted else 0, self.host.ports.clock.now())

    def _check_when_due(self, record: Record) -> None:
        """Unless somebody else does, and whatever becomes of it: what is owed stays owed."""
        try:
            with self.host.checks.alone(record.id, record.epoch, 0) as mine:
                if mine and self._left(record) == 0:
                    self._checked(record)
                    return
        except (LockgateError, PortError, OSError):  # no space for what it found, perhaps
            time.sleep(PATIENCE)
        else:
            time.sleep(BRIEFLY)

    def _checked(self, record: Record) -> CheckResult:
        """The log first, then the record, then what follows (L-144)."""
        whole, check = record.config.health, next_check(record)
        if whole is None or check is None:
            raise NotRunning("check", record.config.name, record.status)
        result = self._found(record, check.command, check.timeout, whole.size)
        self.host.checks.note(record.id, record.epoch, result, whole.keep)
        told = Checked(record.epoch, result.began, result.passed)
        after = self._done(record.config.name, told, record.id)
        self._heal(after)
        return result

    def _found(
        self, record: Record, command: tuple[str, ...], timeout: int, size: int
    ) -> CheckResult:
        began = self.host.ports.clock.now()
        try:
            found, session, given = self._prepared(record.id, Wish(command=command))
            code, output = self.host.sessions.check(
                found.config, session, given, timeout / SECOND, size
            )
        except (PortError, OperationFailed) as problem:
            if self.inspect(record.id).status is not Status.RUNNING:
                raise NotRunning("check", record.config.name, Status.STOPPED) from None
            code, output = NOT_RUN, str(problem).encode()[:size]
        ended = self.host.ports.clock.now()
        return CheckResult(
            began=began, ended=ended, code=code, output=output.decode(errors="replace")
        )

    def _heal(self, record: Record) -> None:
        """Not its user's doing, and not against him: refused when he was first."""
        action = owed_action(record)
        if action is None:
            return
        try:
            self._done(record.config.name, action, record.id)
        except (IllegalState, NoSuchContainer):
            return
