"""What an update of limits changes, and when it is on record (MAP L-93)."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Limits
from lockgate.effects.model import AdjustLimits
from lockgate.effects.outcome import Exited
from lockgate.statemachine import inputs as i
from lockgate.statemachine.limits import updated
from lockgate.statemachine.status import Status

from .conftest import CONFIG, Story

At = Callable[[Status], Story]
LIVING = [Status.CREATED, Status.RUNNING, Status.PAUSED]
MORE = 1 << 30


def test_only_what_is_named_changes() -> None:
    config = replace(CONFIG, memory=7, limits=Limits(pids=5, cpu_shares=9))
    assert updated(config, i.Update(pids=0)) == replace(config, limits=Limits(pids=0, cpu_shares=9))
    assert updated(config, i.Update(memory=0)).memory == 0
    assert updated(config, i.Update()) == config


def test_at_rest_it_is_on_record_at_once(at: At) -> None:
    story = at(Status.CONFIGURED).tell(i.Update(memory=MORE))
    assert (story.record.config.memory, story.orders) == (MORE, [])
    assert story.events == ["update"]


@pytest.mark.parametrize("status", LIVING)
def test_what_lives_is_given_it_before_it_is_on_record(at: At, status: Status) -> None:
    story = at(status).tell(i.Update(memory=MORE, pids=64))
    assert story.record.config.memory == 0
    (order,) = story.record.pending
    assert order.effect == AdjustLimits("c0ffee", 1, MORE, Limits(pids=64))
    story.done()
    assert story.record.config == replace(CONFIG, memory=MORE, limits=Limits(pids=64))
    assert (story.record.status, story.record.limits_doubted) == (status, False)
    assert story.events == ["update"]


def test_a_refusal_of_the_host_changes_nothing(at: At) -> None:
    story = at(Status.RUNNING)
    before = story.record
    story.tell(i.Update(memory=MORE)).failed("it uses more", dirty=False)
    assert story.record == replace(before, tickets=story.record.tickets, faults=story.record.faults)
    assert story.events == []


def test_what_nobody_can_tell_is_in_doubt_until_it_is_done(at: At) -> None:
    story = at(Status.RUNNING).tell(i.Update(memory=MORE)).failed()
    assert story.record.limits_doubted
    story.tell(i.Update(memory=MORE))
    assert story.record.pending[0].again
    story.failed(dirty=False)
    assert story.record.limits_doubted  # this one did nothing; of the first one nobody knows
    assert not story.tell(i.Update(memory=MORE)).done().record.limits_doubted


def test_another_run_is_in_no_doubt(at: At) -> None:
    story = at(Status.RUNNING).tell(i.Update(memory=MORE)).failed()
    story.tell(i.Restart()).through()
    assert not story.record.limits_doubted


def test_it_ended_meanwhile_and_is_told_so(at: At) -> None:
    story = at(Status.RUNNING).tell(i.Update(memory=MORE)).tell(i.Died(1, Exited(0, 250)))
    story.failed("it has ended", dirty=False)
    assert (story.record.status, story.record.config.memory) == (Status.STOPPED, 0)
    assert story.record.faults


def test_after_a_reboot_nobody_has_to_be_told(at: At) -> None:
    story = at(Status.CREATED).tell(i.Update(memory=MORE)).tell(i.Booted("next"))
    assert (story.record.status, story.record.config.memory) == (Status.CONFIGURED, MORE)
    assert (story.record.operation, story.record.faults) == (None, ())


def test_what_is_on_its_way_is_left_alone(at: At) -> None:
    story = at(Status.RUNNING).tell(i.Stop())
    assert story.refused(i.Update(memory=MORE)).status is Status.STOPPING
