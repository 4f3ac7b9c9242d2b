"""What is owed when no user asks: restarts, removals, and order after a reboot."""

from collections.abc import Mapping
from contextlib import suppress

from lockgate.effects.interpreter import Gate
from lockgate.engine.graph import Graph
from lockgate.engine.members import POD_LOCK, scope
from lockgate.errors import (
    IllegalState,
    LockgateError,
    NoSuchContainer,
    StillNeeded,
)
from lockgate.statemachine.graph import closure
from lockgate.statemachine.inputs import Cleanup, Command, Remove, Revive, Stop
from lockgate.statemachine.pods import winds_down
from lockgate.statemachine.policy import ENDED, SECOND, owes_removal, owes_restart, restart_due
from lockgate.statemachine.record import Record, holds
from lockgate.statemachine.status import Status, Verb

ID_LENGTH = 64
"""Of the ids of containers: other locks have shorter names."""


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
                pause = 0 if booted else restart_due(record, self.host.ports.clock.now())
                if pause > 0:
                    self.host.ports.clock.sleep(min(pause, SECOND))
                    continue  # and look again: its user may have stopped it meanwhile
                if self._kept_waiting(record):
                    return record
                return self._revived(record, booted)
            self._wound_down(record)
            if owes_removal(record):
                return self._owed(record, Remove())
            return record

    def _kept_waiting(self, record: Record) -> bool:
        """Does it need one that its user has stopped? A policy starts nobody against his last word,
        not even for another; this one's run stays owed (P16)."""
        needed = closure([record.id], self._needs_of)
        records = (self._interpreter.sync(one) for one in needed if one != record.id)
        return any(one.stopped_by_user and one.status in ENDED for one in records)

    def _revived(self, record: Record, booted: bool) -> Record | None:
        """As another run, with those that live in its namespaces."""

        def act(container: str) -> Record:
            return self._done(record.config.name, Revive(booted), container)

        try:
            return self._over(record.id, Verb.REVIVE, act)
        except (IllegalState, NoSuchContainer):  # somebody else was first
            return self._glimpse(record.id)

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
            self._done(pod.infra.config.name, Stop(), row.infra, Gate((scope(row.pod),), still))

    def _owed(self, record: Record, command: Command) -> Record | None:
        try:
            after = self._done(record.config.name, command, record.id)
        except (IllegalState, NoSuchContainer, StillNeeded):  # somebody else was first
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
                over = record.status in (Status.CONFIGURED, Status.EXITED)
                if over and holds(record) and not self._guests(record.id):
                    self._owed(record, Cleanup())
                self._watched(record)
                self.settle(row.container, booted=booted)
            except NoSuchContainer:
                continue
            except LockgateError as problem:
                problems[row.container] = problem
        self._unlocked()
        return problems

    def _unlocked(self) -> None:
        """No lock is kept of a container or pod that is gone, though whoever removed it died over it."""
        for lock in self.host.locks.known():
            pod = lock.removeprefix(POD_LOCK) if lock.startswith(POD_LOCK) else ""
            gone = self.host.store.pod(pod) if pod else self.host.store.row(lock)
            if (pod or len(lock) == ID_LENGTH) and gone is None:
                self.host.locks.forget(lock)
