"""Through a history: what was true when, when it became true, where two lives part, and a picture.

Everything here folds the entries with today's law and stops where that would do anything else than
was recorded, as `replay` does.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import TypeAlias

from msgspec import Struct
from returns.result import Failure, Result, Success

from lockgate.effects.outcome import Done, Failed
from lockgate.statemachine.history import Divergence, Entry, followed
from lockgate.statemachine.inputs import (
    Booted,
    Checked,
    Command,
    Died,
    Input,
    Renamed,
    Resumed,
    Salvaged,
    SessionBegan,
    SessionEnded,
)
from lockgate.statemachine.record import Record

Shape: TypeAlias = tuple[str, tuple[str, ...], str]
"""What two lives can have in common: what was heard, what was asked for, what it is then."""


class Place(Struct, frozen=True):
    """An entry, and the record it led to."""

    entry: Entry
    record: Record


class Parting(Struct, frozen=True):
    """The first place where two histories differ; None where one of them has ended."""

    seq: int
    left: Place | None
    right: Place | None


def walk(record: Record, history: Iterable[Entry]) -> Iterator[Place | Divergence]:
    """Every place of a history in turn; a divergence is the last."""
    for expected, entry in enumerate(history):
        now = followed(record, entry, expected)
        if isinstance(now, Divergence):
            yield now
            return
        record = now
        yield Place(entry, record)


def at(record: Record, history: Iterable[Entry], seq: int) -> Result[Record, Divergence]:
    """What was on record after entry `seq`."""
    last = -1
    for place in walk(record, history):
        if isinstance(place, Divergence):
            return Failure(place)
        last = place.entry.seq
        if last == seq:
            return Success(place.record)
    return Failure(Divergence(seq, f"there is no such entry: the history ends with {last}"))


def first(
    record: Record, history: Iterable[Entry], holds: Callable[[Record], bool]
) -> Result[Place | None, Divergence]:
    """Where something became true: the first place at which `holds`; None if it never was."""
    for place in walk(record, history):
        if isinstance(place, Divergence):
            return Failure(place)
        if holds(place.record):
            return Success(place)
    return Success(None)


def shape(place: Place) -> Shape:
    """A place without names, times, numbers and processes, which no two containers share."""
    entry = place.entry
    asked = tuple(type(order.effect).__name__ for order in entry.orders)
    return type(entry.given).__name__, asked, str(place.record.status)


def parting(
    left: Iterable[Place], right: Iterable[Place], alike: Callable[[Place], object] = shape
) -> Parting | None:
    """Where two lives go different ways, compared by `alike`; None if they never do."""
    for seq, (one, other) in enumerate(zip_longest(left, right)):
        if one is None or other is None or alike(one) != alike(other):
            return Parting(seq, one, other)
    return None


def drawn(places: Iterable[Place]) -> str:
    """A Mermaid sequence diagram: who asks, the machine, the world."""
    lines = [
        "sequenceDiagram",
        "  participant user",
        "  participant machine",
        "  participant world",
    ]
    status = ""
    for place in places:
        lines.append(f"  {_heard(place.entry.given)}")
        lines += [
            f"  machine->>world: {type(order.effect).__name__} ({order.ticket}{_again(order.again)})"
            for order in place.entry.orders
        ]
        if status != place.record.status:
            status = str(place.record.status)
            lines.append(f"  Note over machine: {status}")
    return "\n".join(lines) + "\n"


def _again(again: bool) -> str:
    return ", again" if again else ""


def _heard(given: Input) -> str:
    match given:
        case Done(ticket):
            return f"world-->>machine: done ({ticket})"
        case Failed(ticket, fault):
            return f"world--xmachine: failed ({ticket}): {_plain(fault.reason)}"
        case Died(epoch, end):
            return f"world-->>machine: run {epoch} ended with {end.code}"
        case Checked(_, _, passed):
            return f"world-->>machine: health check {'passed' if passed else 'failed'}"
        case SessionBegan(_, session):
            return f"Note right of world: session {session[:12]} began"
        case SessionEnded(_, session, end):
            return f"Note right of world: session {session[:12]} ended with {end.code}"
        case Resumed():
            return "Note left of machine: resumed"
        case Renamed(name):
            return f"user->>machine: rename to {name}"
        case Booted():
            return "Note left of machine: the host was restarted"
        case Salvaged():
            return "Note left of machine: salvaged"
        case _:
            return f"user->>machine: {_asked(given)}"


def _asked(command: Command) -> str:
    return str(command.verb)


def _plain(text: str) -> str:
    """One line without what Mermaid takes for its own."""
    return " ".join(text.replace(";", ",").replace("#", "").split())
