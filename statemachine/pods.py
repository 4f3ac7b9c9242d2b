"""Pods: how many containers stand together, and what is owed to them as one.

A pod has no state of its own. It is there as long as the container that holds it together, its *infra*;
how it is, and what is owed to it, follows from the records of its containers.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from lockgate.effects.config import Pod
from lockgate.effects.outcome import Home
from lockgate.effects.ports import Leaving
from lockgate.statemachine.policy import ENDED, owes_restart
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import LIVE, Status, Verb

BEGINNING = frozenset({Verb.INIT, Verb.START, Verb.RESTART, Verb.REVIVE})
"""Verbs that begin a run."""


class PodStatus(StrEnum):
    """Of its infra and its members, but for those that only run before the others."""

    CREATED = "created"  # none has run
    RUNNING = "running"  # all do
    PAUSED = "paused"  # all are
    DEGRADED = "degraded"  # some run, and not all
    EXITED = "exited"  # none runs any more
    REMOVING = "removing"  # only its removal may go on


class PodRecord(Struct, frozen=True, kw_only=True):
    """A pod as it is now. `members` are oldest first, without the infra."""

    pod: Pod
    infra: Record
    members: tuple[Record, ...] = ()
    leaving: Leaving = ""

    @property
    def id(self) -> str:
        return self.pod.id

    @property
    def name(self) -> str:
        return self.pod.name

    @property
    def inits(self) -> tuple[Record, ...]:
        """Those that run to their end before others start, in their order."""
        return tuple(one for one in self.members if is_init(one))

    @property
    def others(self) -> tuple[Record, ...]:
        return tuple(one for one in self.members if not is_init(one))

    @property
    def status(self) -> PodStatus:
        if self.leaving:
            return PodStatus.REMOVING
        statuses = {one.status for one in (self.infra, *self.others)}
        if len(statuses) == 1 and (same := WHOLE.get(next(iter(statuses)))):
            return same
        if statuses <= UNBEGUN:
            return PodStatus.CREATED
        return PodStatus.EXITED if statuses <= UNBEGUN.union(ENDED) else PodStatus.DEGRADED


WHOLE = {Status.RUNNING: PodStatus.RUNNING, Status.PAUSED: PodStatus.PAUSED}
UNBEGUN = frozenset({Status.ABSENT, Status.CONFIGURED, Status.CREATED})


def is_init(record: Record) -> bool:
    return record.config.pod is not None and record.config.pod.init != ""


def lives(record: Record) -> bool:
    """Has it a process, or is it about to have one?"""
    begins = record.operation is not None and record.operation.verb in BEGINNING
    return record.status in LIVE or begins


def lives_in(record: Record, owner: Record) -> bool:
    """Is, or was, its newest run in this very run of the owner of a namespace?"""
    return Home(owner.id, owner.epoch) in record.homes


def has_run(record: Record, infra: Record) -> bool:
    """Has this init container done what it is for, in this run of its pod or once and for all?"""
    if record.config.pod is None or record.exit_code != 0:
        return False
    return record.config.pod.init == "once" or lives_in(record, infra)


def winds_down(pod: PodRecord, gone: Sequence[Record] = ()) -> bool:
    """Is its infra to be stopped, since the last of its members has ended? `gone`: members that have
    just been removed. Not for the sake of an earlier run of the infra's, nor of what only ran before the
    others (L-99)."""
    if pod.pod.exit_policy != "stop" or pod.infra.status is not Status.RUNNING:
        return False
    if any(lives(one) or owes_restart(one) for one in pod.members):
        return False
    ended = (one for one in (*pod.others, *gone) if one.exit_code is not None)
    return any(lives_in(one, pod.infra) and not is_init(one) for one in ended)
