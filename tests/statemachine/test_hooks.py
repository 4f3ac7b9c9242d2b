"""Hooks that a run owes when it is over: once, and not before the runtime has let it go (P20)."""

from collections.abc import Callable
from itertools import product

import pytest

from lockgate.effects.hooks import Hook
from lockgate.effects.model import RunPoststop
from lockgate.effects.outcome import Created, Fact, Saved, Settled
from lockgate.statemachine.inputs import Booted, Cleanup, Create, Init, Remove, Restart, Start, Stop
from lockgate.statemachine.law import PLANS, STAGES, WAYS, ways
from lockgate.statemachine.record import holds, newborn
from lockgate.statemachine.status import Status

from .conftest import CONFIG, MONITOR, PROCESS, Story

HOOKS = (Hook("/release"),)
FACTS: dict[str, Fact] = {
    "WriteSpec": Saved("d1", HOOKS),
    "CreateRuntime": Created(PROCESS, MONITOR),
    "RunPoststop": Settled(),
}


class Hooked(Story):
    """Each run of this container owes a hook."""

    def through(self) -> "Hooked":
        while self.record.pending:
            self.done(FACTS.get(self.orders[0]))
        return self

    def until(self, kind: str) -> "Hooked":
        while self.orders != [kind]:
            self.done(FACTS.get(self.orders[0]))
        return self


@pytest.fixture
def ran() -> Hooked:
    """Its first run has ended, and nothing of it has been given back."""
    story = Hooked(newborn(CONFIG))
    for given in (Create(CONFIG), Start(), Stop()):
        story.tell(given)
        story.through()
    story.asked.clear()
    story.events.clear()
    assert story.record.status is Status.STOPPED
    return story


def test_they_are_owed_from_when_the_spec_names_them() -> None:
    story = Hooked(newborn(CONFIG))
    story.tell(Create(CONFIG)).through()
    story.tell(Init())
    story.until("CreateRuntime")
    assert story.record.poststop == HOOKS


def test_clean_up_runs_them_after_the_delete(ran: Hooked) -> None:
    ran.tell(Cleanup())
    ran.through()
    assert ran.asked == ["LeaveNetwork", "DeleteRuntime", "RunPoststop", "Unmount"]
    assert ran.record.poststop == ()
    assert not holds(ran.record)


def test_a_run_whose_creation_failed_owes_them_too() -> None:
    story = Hooked(newborn(CONFIG))
    story.tell(Create(CONFIG)).through()
    story.tell(Start())
    story.until("CreateRuntime").failed()
    story.through()
    assert story.asked[-4:] == ["LeaveNetwork", "DeleteRuntime", "RunPoststop", "Unmount"]


def test_they_are_not_run_while_the_runtime_may_have_it(ran: Hooked) -> None:
    ran.tell(Cleanup())
    ran.until("DeleteRuntime").failed()
    assert ran.record.todo == ()
    assert ran.record.poststop == HOOKS


def test_what_failed_stays_owed_and_the_rest_is_given_back(ran: Hooked) -> None:
    ran.tell(Cleanup())
    ran.until("RunPoststop").failed("no such device")
    ran.through()
    assert ran.record.status is Status.EXITED
    assert ran.record.poststop == HOOKS
    assert holds(ran.record)
    assert [fault.reason for fault in ran.record.faults] == ["no such device"]


@pytest.fixture
def owing(ran: Hooked) -> Hooked:
    """All has been given back, but its hooks failed."""
    ran.tell(Cleanup())
    ran.until("RunPoststop").failed()
    ran.through()
    ran.asked.clear()
    return ran


def test_the_next_clean_up_tries_them_again(owing: Hooked) -> None:
    owing.tell(Cleanup())
    owing.through()
    assert owing.asked == ["RunPoststop"]
    assert owing.record.poststop == ()


def test_no_run_begins_before_they_have_succeeded(owing: Hooked) -> None:
    owing.tell(Start())
    assert owing.record.pending[0].effect == RunPoststop(CONFIG.id, 1, HOOKS)
    owing.failed()
    assert owing.record.status is Status.EXITED
    assert owing.record.epoch == 1
    owing.tell(Start())
    owing.through()
    assert owing.record.status is Status.RUNNING
    assert owing.record.epoch == 2


def test_a_restart_runs_those_of_the_run_it_ends(ran: Hooked) -> None:
    ran.tell(Restart())
    ran.through()
    assert ran.asked[:4] == ["LeaveNetwork", "DeleteRuntime", "RunPoststop", "JoinNetwork"]


def test_nothing_is_removed_that_owes_them(owing: Hooked) -> None:
    owing.tell(Remove())
    owing.failed()
    assert owing.record.status is Status.EXITED
    owing.tell(Remove())
    owing.through()
    assert owing.record.gone


def test_but_by_force(owing: Hooked) -> None:
    owing.tell(Remove(force=True))
    owing.failed()
    owing.through()
    assert owing.record.gone
    assert (owing.record.poststop, owing.record.faults) == ((), ())


def test_a_reboot_pays_no_debts(ran: Hooked) -> None:
    ran.tell(Booted("another"))
    ran.tell(Cleanup())
    ran.through()
    assert "RunPoststop" in ran.asked


def test_an_operation_that_begins_anew_after_a_reboot_pays_them_first() -> None:
    story = Hooked(newborn(CONFIG))
    story.tell(Create(CONFIG)).through()
    story.tell(Start())
    story.until("CreateRuntime").asked.clear()
    story.tell(Booted("another"))
    story.through()
    assert story.asked[:2] == ["DeleteRuntime", "RunPoststop"]


def test_where_there_are_none_nothing_of_them_is_written_down(
    at: Callable[[Status], Story],
) -> None:
    story = at(Status.RUNNING).tell(Restart())
    assert not {"settle", "poststop"} & set(story.record.todo)


OF_SOME = ({"settle", "poststop"}, {"watch", "follow"}, {"connect", "reconnect"})
"""Stages that only containers have that owe hooks, have checks, have a deferred network."""


def test_each_way_is_known_without_them() -> None:
    known = {plan.stages: plan.ways for plan in PLANS.values()}
    known |= {undo: WAYS[undo] for stage in STAGES.values() if (undo := stage.undo) is not None}
    for has in product((False, True), repeat=3):
        unneeded: set[str] = set()
        for needed, names in zip(has, OF_SOME, strict=True):
            unneeded |= set() if needed else names
        hooked, checked, late = has
        for stages, own in known.items():
            assert own == ways(stages)
            rest = tuple(name for name in stages if name not in unneeded)
            assert own[hooked][checked][late] == rest
