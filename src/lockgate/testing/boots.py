"""A rule for boots, as a function beside the law: explored before it is law (P17).

A boot takes every process, mount and namespace, perhaps the runtime's files, never the layer. The
shipped machine hears of it only through the death of what ran.
"""

from msgspec.structs import replace

from lockgate.effects.outcome import Exited, Fault
from lockgate.lifecycle import LIVE
from lockgate.statemachine import inputs as i
from lockgate.statemachine.record import Record, Step
from lockgate.statemachine.status import Presence
from lockgate.statemachine.step import step

VOLATILE = ("mount", "network", "runtime")
DOWN = "the machine went down"


def untold(record: Record) -> Step:
    """Today's answer to a boot: none."""
    return Step(record)


def told(record: Record) -> Step:
    """What was held in memory may be gone or half there; what ran has ended, nobody saw how; what
    was on its way up is taken down, what was on its way down, or on disk only, goes on."""
    pending, todo = record.pending, record.todo
    on_disk = all(order.effect.resource == "layer" for order in pending)
    ending = record.unwinding and not any(order.effect.vital for order in pending)
    record = replace(record, pending=(), todo=())
    if record.status in LIVE:
        record = _after(record, i.Died(record.epoch, Exited(-1, 1, reason=DOWN))).record
    held = (name for name in VOLATILE if getattr(record, name) is not Presence.ABSENT)
    doubtful = dict.fromkeys(held, Presence.UNCERTAIN)
    record = replace(record, **doubtful, freezer=Presence.ABSENT, process=None, monitor=None)
    if not todo:
        return Step(record)
    if on_disk or ending:
        return _after(replace(record, pending=pending, todo=todo), i.Resumed())
    answer = _after(replace(record, operation=None, unwinding=False), i.Cleanup())
    return replace(answer, record=replace(answer.record, faults=(Fault("failed", DOWN),)))


def _after(record: Record, given: i.Input) -> Step:
    answer = step(record, given)
    assert isinstance(answer, Step)
    return answer
