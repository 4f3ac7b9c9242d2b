"""The list of inputs *is* the history; replaying is folding.

An entry holds what was heard, when, what the machine then asked for, and a digest of the record
it led to, so that a replay proves itself equal entry by entry.
"""

from collections.abc import Iterable
from functools import reduce
from hashlib import blake2b
from typing import TypeVar

import msgspec
from msgspec import Struct
from returns.result import Failure, Result, Success

from lockgate.effects.config import Config
from lockgate.effects.model import Order
from lockgate.statemachine.inputs import Input
from lockgate.statemachine.law import LAW
from lockgate.statemachine.record import Answer, Record, Refused, Step
from lockgate.statemachine.step import step

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder()


class Entry(Struct, frozen=True, omit_defaults=True):
    """One line of a history. `at`: nanoseconds since the Unix epoch; `digest`: of the record."""

    seq: int
    at: int
    given: Input
    orders: tuple[Order, ...] = ()
    digest: str = ""
    law: int = LAW


class Divergence(Struct, frozen=True):
    """The first place where today's law would not do what was recorded.

    `expected` and `got` are the recorded and the replayed orders where these differ; where they
    are equal, the records they led to differ (`what` says it in words).
    """

    seq: int
    what: str
    expected: tuple[Order, ...] = ()
    got: tuple[Order, ...] = ()


_ENTRY = msgspec.json.Decoder(Entry)
_RECORD = msgspec.json.Decoder(Record)
_CONFIG = msgspec.json.Decoder(Config)


def digest(record: Record) -> str:
    """16 hex digits over the record's canonical JSON."""
    return digest_of(_ENCODER.encode(record))


def digest_of(encoded: bytes) -> str:
    return blake2b(encoded, digest_size=8).hexdigest()


def encode_record(record: Record) -> bytes:
    return _ENCODER.encode(record)


def as_read(config: Config) -> Config:
    """The config as it will be read again. A wish that was spelled out, and is the default, is left out
    when it is read from a history; it must be so from the first, or nothing replays (P10)."""
    return _CONFIG.decode(_ENCODER.encode(config))


def decode_record(data: bytes) -> Record:
    """Raises `msgspec.DecodeError` (a `ValueError`) for anything that is not a record."""
    return _decoded(_RECORD, data)


def encode_entry(entry: Entry) -> bytes:
    """One line of JSON without the line end."""
    return _ENCODER.encode(entry)


def decode_entry(data: bytes) -> Entry:
    """Raises `msgspec.DecodeError` (a `ValueError`) for anything that is not an entry."""
    return _decoded(_ENTRY, data)


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (RecursionError, UnicodeDecodeError) as nonsense:
        raise msgspec.DecodeError(f"nothing of ours: {nonsense}") from None


def entry(seq: int, at: int, given: Input, answer: Step, encoded: bytes) -> Entry:
    """`encoded` is the canonical JSON of `answer.record`, which the caller has at hand."""
    return Entry(seq, at, given, answer.orders, digest_of(encoded))


def followed(record: Record, line: Entry, expected: int) -> Record | Divergence:
    """The record after this entry, which is to be number `expected`; or how today's law would not
    have written it."""
    if line.seq != expected:
        return Divergence(line.seq, f"entry {expected} is missing")
    answer: Answer = step(record, line.given)
    if isinstance(answer, Refused):
        what = f"{answer.verb} is refused in {answer.status}, yet it was recorded"
        return Divergence(line.seq, what, line.orders)
    if answer.orders != line.orders:
        what = "other orders would be given now"
        return Divergence(line.seq, what, line.orders, answer.orders)
    if line.digest and digest(answer.record) != line.digest:
        what = "the same orders, but they lead to another record"
        return Divergence(line.seq, what, line.orders, answer.orders)
    return answer.record


def replay(record: Record, history: Iterable[Entry]) -> Result[Record, Divergence]:
    """Fold the history; stop at the first entry that today's law would not have written."""
    for expected, line in enumerate(history):
        now = followed(record, line, expected)
        if isinstance(now, Divergence):
            return Failure(now)
        record = now
    return Success(record)


def fold(record: Record, inputs: Iterable[Input]) -> Record:
    """The record after these inputs; refused ones change nothing."""

    def after(now: Record, given: Input) -> Record:
        answer = step(now, given)
        return answer.record if isinstance(answer, Step) else now

    return reduce(after, inputs, record)
