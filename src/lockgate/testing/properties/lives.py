"""Promises about a whole life: its history, its events, its end.

A history is what a store keeps: entries in order, each the input, the orders it led to and a
digest. All checks here need nothing else, so they serve simulated and real containers alike.
"""

from collections.abc import Iterable, Mapping, Sequence

from returns.pipeline import is_successful

from lockgate.adapters.simulated.world import World
from lockgate.effects.model import StartRuntime
from lockgate.effects.outcome import Done, Exited, Failed
from lockgate.effects.ports import Event
from lockgate.statemachine import inputs as i
from lockgate.statemachine.history import Entry, replay
from lockgate.statemachine.policy import owes_restart
from lockgate.statemachine.record import Record, Step
from lockgate.statemachine.status import Status
from lockgate.statemachine.step import step
from lockgate.testing.explore import Broken
from lockgate.testing.properties.places import LIVING

STARTING = (i.Init, i.Start, i.Restart, i.Restore)
BEGINNING = ("init", "restore")
ORDER = {"init": 1, "start": 2, "restore": 2, "died": 3, "cleanup": 4, "remove": 5}
"""How far into a run an event is."""


def replays(newborn: Record, history: Iterable[Entry]) -> Record:
    """P10: the history folds again to itself; the record it leads to."""
    result = replay(newborn, history)
    if not is_successful(result):
        raise Broken("P10", f"the history does not replay: {result.failure()}")
    return result.unwrap()


def ordered_before_heard(history: Sequence[Entry]) -> None:
    """P08: an outcome is heard only of what an earlier entry says was asked for."""
    asked: set[int] = set()
    for entry in history:
        if isinstance(entry.given, Done | Failed) and entry.given.ticket not in asked:
            raise Broken("P08", f"entry {entry.seq} tells of something nobody wrote down")
        asked.update(order.ticket for order in entry.orders)


def stop_wins(history: Sequence[Entry]) -> None:
    """P16: between an accepted stop or kill and the next command to start nothing is started."""
    stopped = False
    for entry in history:
        if isinstance(entry.given, i.Stop | i.Kill):
            stopped = not isinstance(entry.given, i.Kill) or entry.given.signal == i.SIGKILL
        elif isinstance(entry.given, STARTING):
            stopped = False
        fresh = (order for order in entry.orders if not order.again)
        if stopped and any(isinstance(order.effect, StartRuntime) for order in fresh):
            raise Broken("P16", f"entry {entry.seq} starts what was asked to stop")


def within_budget(newborn: Record, history: Iterable[Entry]) -> None:
    """P16: a policy starts no more runs than it may, each of them counted, none that is not owed."""
    record, made = newborn, 0
    for entry in history:
        answer = step(record, entry.given)
        if not isinstance(answer, Step):
            continue
        after = answer.record
        if isinstance(entry.given, i.Revive):
            if not owes_restart(record, booted=entry.given.booted):
                raise Broken("P16", f"entry {entry.seq} is a restart that nobody owes")
            made += 1
        elif isinstance(entry.given, STARTING) and after.operation == entry.given:
            made = after.restarts
        allowed = after.config.restart_retries
        if after.restarts != made or (allowed and made > allowed):
            raise Broken("P16", f"{after.restarts} of {allowed} restarts, and {made} were made")
        record = after


def one_exit_each(newborn: Record, history: Iterable[Entry]) -> None:
    """P02: no run ends twice, and what was never created does not end."""
    ended: set[int] = set()
    record = newborn
    for entry in history:
        answer = step(record, entry.given)
        if not isinstance(answer, Step):
            continue
        for notice in answer.notices:
            if notice.event == "died":
                epoch = answer.record.epoch
                if epoch in ended or epoch == 0:
                    raise Broken("P02", f"run {epoch} ends twice, or never was")
                ended.add(epoch)
        record = answer.record


def oom_of_this_run(newborn: Record, history: Iterable[Entry]) -> None:
    """P23: `oom_killed` is what was last heard of this very run's end."""
    record, heard = newborn, False
    for entry in history:
        answer = step(record, entry.given)
        if not isinstance(answer, Step):
            continue
        if any(notice.event == "died" for notice in answer.notices):
            end = _end(entry.given)
            heard = end is not None and end.oom
        if any(notice.event in BEGINNING for notice in answer.notices):
            heard = False
        record = answer.record
        if record.oom_killed != heard:
            raise Broken("P23", f"entry {entry.seq}: says {record.oom_killed}, heard {heard}")


def _end(given: i.Input) -> Exited | None:
    match given:
        case i.Died(_, end):
            return end
        case Done(_, Exited() as end):
            return end
        case _:
            return None


def in_order(events: Sequence[Event]) -> None:
    """P24: numbers without gaps, and each container's runs told in their order."""
    reached: dict[str, int] = {}
    for before, event in zip((None, *events), events, strict=False):
        if before is not None and event.number != before.number + 1:
            raise Broken("P24", f"a gap between events {before.number} and {event.number}")
        place = ORDER.get(event.event)
        if place is None:
            continue
        last = reached.get(event.container, 0)
        if (event.event == "start" and last == 2) or (event.event == "died" and last >= 3):
            raise Broken("P24", f"{event.event} twice in one run of {event.name}")
        if place < last and event.event not in BEGINNING:
            raise Broken("P24", f"{event.event} came late in a run of {event.name}")
        reached[event.container] = place


def untouched(before: Mapping[str, World], after: Mapping[str, World], container: str) -> None:
    """P07: of all worlds only this container's has changed."""
    for other in {*before, *after} - {container}:
        if before.get(other) != after.get(other):
            raise Broken("P07", f"what was done to {container} changed {other}")


def waits_agree(codes: Sequence[int]) -> None:
    """P03: all who waited for one run have heard the same."""
    if len(set(codes)) > 1:
        raise Broken("P03", f"waiters were told {sorted(set(codes))}")


def ended_by_boots(newborn: Record, history: Iterable[Entry]) -> None:
    """P17: a boot of another name ends the run, which has its end on record then; one that was heard
    of before changes nothing."""
    record = newborn
    for entry in history:
        answer = step(record, entry.given)
        if not isinstance(answer, Step):
            continue
        after = answer.record
        if isinstance(entry.given, i.Booted) and after is not record:
            if after.status in LIVING or after.process is not None:
                raise Broken("P17", f"entry {entry.seq}: it lives through a boot")
            if after.status is Status.EXITED and after.exit_code is None:
                raise Broken("P17", f"entry {entry.seq}: a boot has ended a run that has no end")
            if step(after, entry.given) != Step(after):
                raise Broken("P17", f"entry {entry.seq}: the same boot is news twice")
        record = after
