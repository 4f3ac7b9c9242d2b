"""Boots, explored: what the shipped law makes of them, and the one rule it would need (P17).

A boot takes every process, mount and namespace, perhaps the runtime's files, never the layer. Today
the machine hears of it only through the death of what ran. The rule below is what would do; it is
not law yet, and the last test says what happens without it.
"""

import sys
from functools import partial

import pytest
from msgspec.structs import replace

from lockgate.effects.outcome import Exited, Fault
from lockgate.lifecycle import LIVE
from lockgate.statemachine import inputs as i
from lockgate.statemachine.law import UNWIND
from lockgate.statemachine.record import Record, Step
from lockgate.statemachine.status import Presence
from lockgate.statemachine.step import step
from lockgate.testing.containers import OneContainer
from lockgate.testing.explore import explore
from lockgate.testing.together import explore_together

machine = sys.modules["lockgate.statemachine.step"]
VOLATILE = ("mount", "network", "runtime")
DOWN = "the machine went down"


def untold(record: Record) -> Step:
    """Today's answer to a boot: none."""
    return Step(record)


def told(record: Record) -> Step:
    """What was held in memory may be gone or half there; what ran has ended, nobody saw how; what
    was on its way up is taken down, what was on its way down, or on disk only, goes on."""
    doubtful = {
        name: Presence.UNCERTAIN
        for name in VOLATILE
        if getattr(record, name) is not Presence.ABSENT
    }
    if record.status in LIVE:
        ended = step(
            replace(record, pending=(), todo=()), i.Died(record.epoch, Exited(-1, 1, reason=DOWN))
        )
        assert isinstance(ended, Step)
        record = replace(ended.record, pending=record.pending, todo=record.todo)
    record = replace(record, **doubtful, freezer=Presence.ABSENT, process=None, monitor=None)
    if not record.todo:
        return Step(record)
    on_disk = all(order.effect.resource == "layer" for order in record.pending)
    if on_disk or (record.unwinding and not any(o.effect.vital for o in record.pending)):
        again = step(record, i.Resumed())
        assert isinstance(again, Step)
        return again
    down = replace(record, pending=(), todo=UNWIND, unwinding=True, faults=(Fault("failed", DOWN),))
    answer: Step = machine._proceed(down, ())
    return answer


def test_a_rule_for_boots_keeps_every_promise() -> None:
    report = explore(OneContainer(faults=False, boots=told))
    assert not report.problem and report.exhausted, report


def test_without_it_a_start_builds_on_a_mount_of_the_last_boot() -> None:
    report = explore(OneContainer(faults=False, boots=untold))
    assert report.problem == "P01: WriteSpec: a spec needs a mounted root filesystem"
    assert report.path[-1] == "the boot is seen"


@pytest.mark.slow
def test_a_rule_for_boots_keeps_every_promise_whatever_else_happens() -> None:
    report = explore_together(partial(OneContainer, boots=told))
    assert report.holds, report


def test_boots_are_not_explored_unless_asked_for() -> None:
    model = partial(OneContainer, faults=False)
    assert explore(model()).nodes < explore(model(boots=told)).nodes
