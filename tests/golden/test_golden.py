"""Histories written under every law there has been still replay to the same bits."""

from pathlib import Path

import pytest
from returns.result import Success

from lockgate.effects.config import Config
from lockgate.statemachine import LAW
from lockgate.statemachine.history import decode_entry, replay
from lockgate.statemachine.inputs import Create
from lockgate.statemachine.record import newborn

HISTORIES = sorted(Path(__file__).parent.glob("law-*.jsonl"))


def test_there_are_some_of_this_law() -> None:
    assert [path for path in HISTORIES if path.name.startswith(f"law-{LAW}-")]


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_replays_to_the_same_bits(path: Path) -> None:
    entries = [decode_entry(line) for line in path.read_bytes().splitlines()]
    first = entries[0].given
    assert isinstance(first, Create)
    outcome = replay(newborn(Config(id=first.config.id)), entries)
    assert isinstance(outcome, Success), outcome
    assert outcome.unwrap().gone
    assert all(line.digest for line in entries)
