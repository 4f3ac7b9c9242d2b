"""A history is a list of inputs; replaying it proves itself equal entry by entry."""

from collections.abc import Iterable

import msgspec
import pytest
from msgspec.structs import replace
from returns.result import Failure, Success

from lockgate.effects.outcome import Done, Exited
from lockgate.statemachine import inputs as i
from lockgate.statemachine.history import (
    Divergence,
    Entry,
    decode_entry,
    decode_record,
    digest,
    encode_entry,
    encode_record,
    entry,
    fold,
    replay,
)
from lockgate.statemachine.record import Record, Step, newborn
from lockgate.statemachine.status import Status
from lockgate.statemachine.step import step

from .conftest import CONFIG, FACTS


def written(inputs: Iterable[i.Input]) -> tuple[Record, list[Entry]]:
    """What an engine would write down for these inputs, every order succeeding."""
    record = newborn(CONFIG)
    entries: list[Entry] = []

    def tell(given: i.Input) -> None:
        nonlocal record
        answer = step(record, given)
        assert isinstance(answer, Step)
        record = answer.record
        entries.append(entry(len(entries), 10, given, answer, encode_record(record)))

    for given in inputs:
        tell(given)
        while record.pending:
            order = record.pending[0]
            tell(Done(order.ticket, FACTS.get(type(order.effect).__name__)))
    return record, entries


LIFE = (i.Create(CONFIG), i.Start(), i.Died(1, Exited(7, 9)), i.Remove())


def diverged(entries: list[Entry]) -> Divergence:
    match replay(newborn(CONFIG), entries):
        case Failure(Divergence() as divergence):
            return divergence
        case other:
            raise AssertionError(f"no divergence: {other}")


def test_a_replay_leads_to_the_same_record() -> None:
    record, entries = written(LIFE)
    assert replay(newborn(CONFIG), entries) == Success(record)
    assert record.gone


def test_so_does_a_fold_of_the_inputs_alone_even_with_refused_ones_between() -> None:
    record, entries = written(LIFE[:2])
    inputs: list[i.Input] = []
    for line in entries:
        inputs += [line.given, i.Create(CONFIG)]
    assert fold(newborn(CONFIG), inputs) == record


def test_a_missing_entry_is_noticed() -> None:
    _, entries = written(LIFE)
    divergence = diverged([*entries[:2], *entries[3:]])
    assert (divergence.seq, divergence.what) == (3, "entry 2 is missing")


def test_an_entry_that_would_be_refused_now_is_noticed() -> None:
    _, entries = written(LIFE)
    divergence = diverged([entries[0], replace(entries[2], seq=1)])
    what = "start is refused in absent, yet it was recorded"
    assert entries[2].orders and divergence == Divergence(1, what, entries[2].orders)


def test_other_orders_are_noticed() -> None:
    _, entries = written(LIFE)
    divergence = diverged([replace(entries[0], orders=())])
    what = "other orders would be given now"
    assert divergence == Divergence(0, what, (), entries[0].orders)


def test_another_record_is_noticed() -> None:
    _, entries = written(LIFE)
    divergence = diverged([replace(entries[0], digest="0" * 16)])
    what = "the same orders, but they lead to another record"
    assert divergence == Divergence(0, what, entries[0].orders, entries[0].orders)


def test_an_entry_without_digest_is_compared_by_its_orders() -> None:
    record, entries = written(LIFE)
    assert replay(newborn(CONFIG), [replace(line, digest="") for line in entries]) == Success(
        record
    )


def test_the_digest_is_of_the_canonical_record() -> None:
    record, entries = written(LIFE[:1])
    assert entries[-1].digest == digest(record)
    assert decode_record(encode_record(record)).status is Status.CONFIGURED


def test_an_entry_is_one_line() -> None:
    _, entries = written(LIFE)
    for line in entries:
        assert b"\n" not in encode_entry(line)
        assert decode_entry(encode_entry(line)) == line


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"seq":"x"}', b"\xff\xfe", b"[" * 3000])
def test_what_is_no_entry_and_no_record_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_entry(data)
    with pytest.raises(ValueError):
        decode_record(data)


def test_an_unknown_kind_of_input_is_refused_loudly() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_entry(b'{"seq":0,"at":1,"given":{"type":"levitate"}}')


@pytest.mark.parametrize("data", [b'{"x": ' + b"[" * 100_000, b'{"digest": "\xff"}'])
def test_what_cannot_even_be_walked_is_no_entry(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError, match="nothing of ours"):
        decode_entry(data)
