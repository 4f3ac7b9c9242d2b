"""Promises about processes that have joined a run."""

from collections.abc import Iterable, Sequence

from lockgate.effects.sessions import Session, Standing
from lockgate.statemachine.law import INHABITED
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status
from lockgate.testing.explore import Broken
from lockgate.testing.properties.company import RUNS, Member


def sessions_of_a_run(members: Sequence[Member]) -> None:
    """P21: no process that has joined a run outlives it, in the world or on record."""
    for one in members:
        if one.record and one.record.sessions and one.record.status not in INHABITED:
            raise Broken("P21", f"{one.config.id} is {one.record.status}, and sessions are in it")
        if one.sessions and not one.world.alive:
            raise Broken("P21", f"{one.config.id} has ended, and {one.sessions} sessions have not")


def joined_to(record: Record, sessions: Iterable[Session]) -> None:
    """P21: a session is one of the newest run, does not outlive it, and says how it ended."""
    for one in sessions:
        if (one.container, one.epoch) != (record.id, record.epoch):
            raise Broken("P21", f"session {one.id} is one of run {one.epoch} of {one.container}")
        if one.standing is Standing.RUNNING and record.status not in (*RUNS, Status.STOPPING):
            raise Broken("P21", f"session {one.id} runs, and its container is {record.status}")
        if (one.standing is Standing.STOPPED) != (one.exit_code is not None):
            raise Broken("P21", f"session {one.id} is {one.standing} with code {one.exit_code}")
        if one.exit_code == -1 and not one.exit_reason:
            raise Broken("P21", f"session {one.id} has ended, and nobody knows how or why")
