"""What is owed when no user asks: restarts, removals, and order after a reboot."""

from collections.abc import Mapping
from contextlib import suppress

from lockgate.effects.interpreter import Gate
from lockgate.engine.graph import Graph
from lockgate.engine.members import scope
from lockgate.errors import (
    DependencyNotRunning,
    IllegalState,
    LockgateError,
    NoSuchContainer,
    StillNeeded,
)
from lockgate.statemachine.inputs import Cleanup, Command, Remove, Revive, Stop
from lockgate.statemachine.pods import winds_down
from lockgate.statemachine.policy import SECOND, owes_removal, owes_restart, restart_due
from lockgate.statemachine.record import Record, holds
from lockgate.statemachine.status import Status


class Duties(Graph):
    """Obligations on record, fulfilled by whoever comes first."""

    def settle(
        self, reference: str, epoch: int | None = None, *, booted: bool = False
    ) -> Record | None:
        """Do what is owed to a container whose run has ended: another run, by its restart policy
        and after a pause, or its removal. Whoever comes first does it, once.

        `epoch`: only if that run is the newest; `booted`: after a reboot of the host. Returns how
        it is then; None when it is gone. Holds no lock while it waits for the pause to be over.
        """
        container = self.resolve(reference)
        while True:
            record = self._interpreter.sync(container)
            if record.gone or (epoch is not None and record.epoch != epoch):
                return None if record.gone else record
            if owes_restart(record, booted=booted):
                pause = 0 if booted else restart_due(record) - self.host.ports.clock.now()
                if pause > 0:
                    self.host.ports.clock.sleep(min(pause, SECOND))
                    continue  # and look again: its user may have stopped it meanwhile
                self._provided(record)
                try:
                    return self._owed(record, Revive(booted))
                except DependencyNotRunning:  # its pod was stopped meanwhile
                    continue
            self._wound_down(record)
            if owes_removal(record):
                return self._owed(record, Remove())
            return record

    def remove(
        self,
        reference: str,
        *,
        force: bool = False,
        timeout: int | None = None,
        depend: bool = False,
    ) -> Record:
        after = super().remove(reference, force=force, timeout=timeout, depend=depend)
        self._wound_down(after)
        return after

    def _wound_down(self, member: Record) -> None:
        """Its pod is stopped, if this was the last of it and that is its policy: by whoever sees it,
        once (L-99)."""
        if member.config.pod is None or not member.config.pod.ends:
            return
        row = self.host.store.pod(member.config.pod.pod)
        pod = self._stands(row) if row else None
        if row is None or pod is None or not winds_down(pod, (member,)):
            return

        def still() -> None:
            now = self._stands(row, fresh=False)
            if now is None or not winds_down(now, (member,)):
                raise StillNeeded("stop", pod.infra.config.name, (pod.name,))

        with suppress(LockgateError):  # somebody has begun another run, or was first
            self._done(pod.infra.config.name, Stop(), row.infra, Gate(scope(row.pod), still))

    def _owed(self, record: Record, command: Command) -> Record | None:
        try:
            after = self._done(record.config.name, command, record.id)
        except (IllegalState, NoSuchContainer):  # somebody else was first
            return self._glimpse(record.id)
        return None if after.gone else after

    def refresh(self) -> Mapping[str, LockgateError]:
        """After a reboot of the host, or at any time: finish what was interrupted, give back what
        ended runs still hold, complete removals, and do what is owed. One failure does not keep
        the others waiting; returns what went wrong, by id."""
        problems: dict[str, LockgateError] = {}
        for row in tuple(self.host.store.rows()):
            seen = self._seen(row)
            booted = seen.boot != self.host.ports.clock.boot()
            try:
                record = self._interpreter.sync(row.container)
                if record.status is Status.REMOVING:
                    self._owed(record, Remove())
                    continue
                if record.status in (Status.CONFIGURED, Status.EXITED) and holds(record):
                    self._owed(record, Cleanup())
                self._watched(record)
                self.settle(row.container, booted=booted)
            except NoSuchContainer:
                continue
            except LockgateError as problem:
                problems[row.container] = problem
        return problems
