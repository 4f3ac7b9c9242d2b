"""The container machine as the interpreter wants it: `step`, its codec, and a look at the world.

The only place where the pure machine, the books and the ports meet.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import assert_never

import msgspec

from lockgate.effects.config import Config, needs, pod_of
from lockgate.effects.interpreter import Rejected, Stepped
from lockgate.effects.model import Order, Process
from lockgate.effects.outcome import Exited, Fault, Outcome, PortError
from lockgate.effects.perform import perform
from lockgate.effects.ports import Commit, Event, Ports, Row, Sessions, Store
from lockgate.statemachine import history
from lockgate.statemachine.graph import stays
from lockgate.statemachine.inputs import (
    Booted,
    Died,
    Input,
    Resumed,
    Salvaged,
    SessionEnded,
)
from lockgate.statemachine.law import EDGES
from lockgate.statemachine.record import Record, Refused, Step, newborn, written_down
from lockgate.statemachine.status import LIVE, Status
from lockgate.statemachine.step import step
from lockgate.telemetry import performed

ENDINGS = frozenset({"died", "checkpoint"})
"""What a run may end by: a checkpoint may also leave it running."""


def readable(container: str, name: str, data: bytes) -> Record | None:
    """The record in these bytes; None when they are not that container's record (P11)."""
    try:
        record = history.decode_record(data)
    except msgspec.DecodeError:
        return None
    return record if (record.id, record.config.name) == (container, name) else None


def salvage(row: Row, cgroups: str) -> Salvaged:
    """What must be told when the record of this row cannot be read, on a host that keeps `cgroups`."""
    config = Config(id=row.container, name=row.name, cgroup_parent=cgroups)
    # no step gives more than a few orders, so no earlier ticket is as high as this
    return Salvaged(config, tickets=16 * (row.seq + 1))


def salvaged(row: Row, cgroups: str) -> Record:
    """What is believed of a container whose record cannot be read: anything may exist."""
    answer = step(newborn(Config(id=row.container)), salvage(row, cgroups))
    assert isinstance(answer, Step)
    return answer.record


def first_process(store: Store, container: str) -> tuple[int, Process] | None:
    """The newest run of a container, and its first process, alive or not; None where none is known."""
    row = store.row(container)
    record = readable(row.container, row.name, row.record) if row else None
    return (record.epoch, record.process) if record and record.process else None


class Lifecycle:
    """`Machine[Record, Input, Refused]` over the given ports."""

    def __init__(self, ports: Ports, sessions: Sessions, cgroups: str) -> None:
        self._ports, self._sessions, self._cgroups = ports, sessions, cgroups

    def load(self, container: str, row: Row | None) -> tuple[Record, tuple[Input, ...]]:
        blank = newborn(Config(id=container))
        if row is None:
            return blank, ()
        record = readable(container, row.name, row.record)
        if record is None:
            return blank, (salvage(row, self._cgroups),)
        return record, ()

    def step(self, record: Record, seq: int, given: Input) -> Stepped[Record] | Rejected[Refused]:
        answer = step(record, given)
        match answer:
            case Refused():
                return Rejected(answer)
            case Step():
                return Stepped(answer.record, answer.orders, self._commit(seq, given, answer))
            case _:
                assert_never(answer)

    def _commit(self, seq: int, given: Input, answer: Step) -> Commit:
        record, at = answer.record, self._ports.clock.now()
        encoded = history.encode_record(record)
        entry = history.entry(seq, at, given, answer, encoded)
        ended = (
            any(notice.event in ENDINGS for notice in answer.notices) and record.status not in LIVE
        )
        return Commit(
            container=record.id,
            name=record.config.name,
            seq=seq,
            status=str(record.status),
            entry=history.encode_entry(entry),
            record=None if record.gone else encoded,
            events=tuple(
                Event(
                    record.id,
                    record.config.name,
                    said.event,
                    at,
                    said.exit_code,
                    said.signal,
                    health=said.health,
                    session=said.session,
                    pod=pod_of(record.config),
                )
                for said in answer.notices
            ),
            exits=((record.epoch, ending(record)),) if ended else (),
            needs=needs(record.config),
            pod=pod_of(record.config),
            pod_name=record.config.holds.name if record.config.holds else "",
            leaving=not stays(record),
        )

    def pending(self, record: Record) -> tuple[Order, ...]:
        return record.pending

    def faults(self, record: Record) -> tuple[Fault, ...]:
        return record.faults

    def heard(self, outcome: Outcome) -> Input:
        return outcome

    def resumed(self) -> Input:
        return Resumed()

    def observe(self, record: Record) -> tuple[Input, ...]:
        """Which processes that have joined its run have ended, then how the run did, then that the
        host was restarted since. A container that was only created has not run: of it, the restart is
        all there is to tell."""
        boot = self._ports.clock.boot()
        restarted = record.boot != boot and not record.gone
        if restarted and record.status is not Status.CREATED:
            end = self._end(record)
        else:
            end = None if restarted else self.look(record)
        news: list[Input] = [*self._parted(record)]
        if end:
            news.append(Died(record.epoch, end))
        if restarted and (end or (record.status, "reboot") in EDGES):
            news.append(Booted(boot))
        return tuple(news)

    def _parted(self, record: Record) -> Iterator[SessionEnded]:
        """Only those it knows of are looked for, so that a look costs as much as what lives."""
        for one in record.sessions:
            with suppress(PortError, OSError):  # as of its own end
                seen = self._sessions.seen(record.id, record.epoch, one)
                if seen is not None and seen.end is not None:
                    yield SessionEnded(record.epoch, one, seen.end)

    def look(self, record: Record) -> Exited | None:
        """Has the run this record tells of ended, without its knowing? Needs no lock."""
        return None if written_down(record) else self._end(record)

    def _end(self, record: Record) -> Exited | None:
        """Where it cannot be told, nothing is: not knowing changes nothing (P15)."""
        if record.status not in LIVE:
            return None
        run = (record.config, record.epoch, record.process, record.monitor)
        with suppress(PortError, OSError):
            return self._ports.monitor.look(*run)
        return None

    def perform(self, record: Record, order: Order) -> Outcome:
        return performed(record, order, self._performed)

    def _performed(self, record: Record, order: Order) -> Outcome:
        return perform(order, record.config, self._ports)


def ending(record: Record) -> Exited:
    """How the record says its run ended."""
    code = -1 if record.exit_code is None else record.exit_code
    return Exited(code, record.finished_at, record.oom_killed, record.exit_reason)
