"""What the law cannot tell apart is one place: tickets and runs are counted from one again.

Runs keep their order and lose their numbers; tickets that the record no longer waits for become 0,
which it never does; what the law never asks about is forgotten. Equal values become one object, so
that whatever is looked up by them is found at a glance.
"""

from collections.abc import Mapping
from functools import cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any
from zlib import crc32

from msgspec.structs import replace

from lockgate.adapters.simulated.world import RUNS, World, monitor, process
from lockgate.effects.model import Order
from lockgate.effects.outcome import Fault
from lockgate.statemachine.record import Record

AT = 1  # time stands still: the law never asks
SOME_FAULT = (Fault("failed", "something"),)  # the law asks whether there was one, not which

FORGOTTEN: Mapping[str, Any] = MappingProxyType(
    {"stopped_by_user": False, "restarts": 0, "boot": "", "exit_reason": "", "finished_at": 0}
)
"""What makes no difference to a container whose policy wants another run whatever happened."""

EARLIER = -1
"""The number of a checkpoint that is not the one being taken."""

Ranks = tuple[int, ...]
runs_of = attrgetter(*RUNS)


class Identity:
    """`forgotten`: fields of the record that make no difference, and what stands for them."""

    def __init__(self, forgotten: Mapping[str, Any] = FORGOTTEN) -> None:
        self._forgotten = forgotten
        self._records: dict[Record, Record] = {}
        self._homes: dict[Record, int] = {}
        self._renumbered: dict[tuple[Record, int], Record] = {}
        self._worlds: dict[tuple[World, Ranks], World] = {}
        self._orders: dict[tuple[Order, int, int], Order] = {}

    def folded(self, record: Record) -> Record:
        """The record without what makes no difference, but for the number of its run."""
        known = self._records.get(record)
        if known is not None:
            return known
        tickets = range(1, len(record.pending) + 1)
        folded = replace(
            record,
            tickets=len(record.pending),
            pending=tuple(map(ticketed, record.pending, tickets)),
            # of older checkpoints than the one being taken there is no telling which they were
            checkpoints=min(record.checkpoints, 1) if record.operation else 0,
            checkpointed_at=0,
            restored=False,
            started_at=min(record.started_at, AT),
            faults=SOME_FAULT if record.faults else (),
            **self._forgotten,
        )
        return self._records.setdefault(folded, folded)

    def home(self, record: Record) -> int:
        """A number for this record, the same in every process."""
        known = self._homes.get(record)
        if known is None:
            # not its encoding, which leaves out what *is* a default, and not what only equals one
            said = [getattr(record, name) for name in record.__struct_fields__ if name != "config"]
            known = self._homes[record] = crc32(repr(said).encode())
        return known

    def record(self, folded: Record, now: int) -> Record:
        """The same as the run of this number."""
        known = self._renumbered.get((folded, now))
        if known is None:
            known = replace(
                folded,
                pending=tuple(of_run(order, now) for order in folded.pending),
                epoch=now,
                process=folded.process and process(now),
                monitor=folded.monitor and monitor(now),
            )
            known = self._records.setdefault(known, known)
            self._renumbered[folded, now] = known
        return known

    def order(self, order: Order, ticket: int, epoch: int) -> Order:
        """The same under this ticket, about this run."""
        key = order, ticket, epoch
        if key not in self._orders:
            known = of_run(ticketed(order, ticket), epoch)
            self._orders[key] = self._orders.setdefault((known, ticket, epoch), known)
        return self._orders[key]

    def world(self, world: World, ranks: Ranks) -> World:
        """The same with these numbers for its runs."""
        known = self._worlds.get((world, ranks))
        if known is None:
            known = replace(world, **dict(zip(RUNS, ranks, strict=True)))
            known = self._worlds.setdefault((known, ranks), known)
            self._worlds[world, ranks] = known
        return known


@cache
def ranked(epochs: tuple[int, ...]) -> Ranks:
    """The smallest numbers that keep the order of these; 0, for none, stays."""
    ranks = {epoch: rank for rank, epoch in enumerate(sorted({*epochs} - {0}), 1)} | {0: 0}
    return tuple(ranks[epoch] for epoch in epochs)


def epochs_of(record: Record, world: World) -> tuple[int, ...]:
    """The runs that are spoken of, the record's first."""
    return (record.epoch, *runs_of(world))


def epoch_of(order: Order) -> int:
    """The run an order is about; 0 where it is about none."""
    return getattr(order.effect, "epoch", 0)


def ticketed(order: Order, ticket: int) -> Order:
    return order if order.ticket == ticket else replace(order, ticket=ticket)


def of_run(order: Order, epoch: int) -> Order:
    """The same order about another run."""
    effect = order.effect
    fields: dict[str, object] = {}
    if hasattr(effect, "epoch"):
        fields["epoch"] = epoch
    if getattr(effect, "process", None) is not None:
        fields["process"] = process(epoch)
    if getattr(effect, "monitor", None) is not None:
        fields["monitor"] = monitor(epoch)
    return replace(order, effect=replace(effect, **fields)) if fields else order
