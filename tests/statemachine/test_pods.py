"""What follows for a pod from the records of its containers."""

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Config, InitKind, Membership, Pod
from lockgate.effects.outcome import Home
from lockgate.effects.ports import Leaving
from lockgate.statemachine.inputs import Restart, Start, Stop
from lockgate.statemachine.pods import (
    PodRecord,
    PodStatus,
    has_run,
    is_init,
    lives,
    lives_in,
    winds_down,
)
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status as S

POD = Pod(id="p", name="web", exit_policy="stop")
INFRA = Record(config=Config(id="i", holds=POD), status=S.RUNNING, epoch=2)


def member(status: S, init: InitKind = "", *, epoch: int = 2, code: int | None = None) -> Record:
    config = Config(id="m", pod=Membership(pod="p", infra="i", init=init))
    return Record(config=config, status=status, homes=(Home("i", epoch),), exit_code=code)


def pod(*members: Record, infra: S = S.RUNNING, leaving: Leaving = "") -> PodRecord:
    held = replace(INFRA, status=infra)
    return PodRecord(pod=POD, infra=held, members=members, leaving=leaving)


@pytest.mark.parametrize(
    ("infra", "members", "told"),
    [
        (S.CONFIGURED, [], PodStatus.CREATED),
        (S.CREATED, [S.CONFIGURED], PodStatus.CREATED),
        (S.RUNNING, [], PodStatus.RUNNING),
        (S.RUNNING, [S.RUNNING, S.RUNNING], PodStatus.RUNNING),
        (S.PAUSED, [S.PAUSED], PodStatus.PAUSED),
        (S.RUNNING, [S.PAUSED], PodStatus.DEGRADED),
        (S.RUNNING, [S.RUNNING, S.EXITED], PodStatus.DEGRADED),
        (S.RUNNING, [S.EXITED], PodStatus.DEGRADED),
        (S.RUNNING, [S.CONFIGURED], PodStatus.DEGRADED),
        (S.STOPPING, [S.STOPPED], PodStatus.DEGRADED),
        (S.UNKNOWN, [S.EXITED], PodStatus.DEGRADED),
        (S.STOPPED, [S.EXITED, S.CONFIGURED], PodStatus.EXITED),
        (S.EXITED, [S.EXITED], PodStatus.EXITED),
    ],
)
def test_how_it_is(infra: S, members: list[S], told: PodStatus) -> None:
    assert pod(*map(member, members), infra=infra).status is told


def test_init_containers_do_not_count() -> None:
    there = pod(member(S.EXITED, "always"), member(S.RUNNING))
    assert there.status is PodStatus.RUNNING
    assert ([is_init(one) for one in there.inits], len(there.others)) == ([True], 1)


def test_that_it_goes_is_said_before_all_else() -> None:
    assert pod(member(S.RUNNING), leaving="force").status is PodStatus.REMOVING


def test_one_that_is_about_to_run_lives() -> None:
    resting = member(S.CONFIGURED)
    assert not lives(resting)
    assert lives(replace(resting, operation=Start()))
    assert lives(replace(member(S.STOPPED), operation=Restart()))
    assert not lives(replace(member(S.STOPPED), operation=Stop()))
    assert lives(member(S.CREATED)) and lives(member(S.STOPPING))


def test_where_it_lives() -> None:
    assert lives_in(member(S.RUNNING), INFRA)
    assert not lives_in(member(S.RUNNING, epoch=1), INFRA)


@pytest.mark.parametrize(
    ("one", "done"),
    [
        (member(S.EXITED, "always", code=0), True),
        (member(S.EXITED, "always", code=1), False),
        (member(S.EXITED, "always", code=0, epoch=1), False),
        (member(S.EXITED, "once", code=0, epoch=1), True),
        (member(S.CONFIGURED, "once"), False),
        (Record(config=Config(id="c"), exit_code=0), False),
    ],
)
def test_what_an_init_container_has_done(one: Record, done: bool) -> None:
    assert has_run(one, INFRA) is done


class TestWindingDown:
    def test_with_the_last_of_this_run(self) -> None:
        ended = member(S.STOPPED, code=3)
        assert winds_down(pod(ended, member(S.CONFIGURED, epoch=1)))
        assert winds_down(pod(), [ended])  # and though it is gone by now

    @pytest.mark.parametrize("status", [S.CREATED, S.RUNNING, S.PAUSED, S.STOPPING])
    def test_not_while_any_lives(self, status: S) -> None:
        assert not winds_down(pod(member(S.STOPPED, code=0), member(status)))
        assert not winds_down(pod(member(S.STOPPED, code=0), member(status, "always")))

    def test_nor_while_another_run_is_owed(self) -> None:
        ended = member(S.STOPPED, code=0)
        again = replace(ended, config=replace(ended.config, restart="always"))
        assert not winds_down(pod(ended, again))

    def test_nor_for_an_earlier_run_or_one_before_the_others(self) -> None:
        assert not winds_down(pod(member(S.EXITED, code=0, epoch=1)))
        assert not winds_down(pod(member(S.EXITED, "always", code=0)))
        assert not winds_down(pod())

    def test_nor_where_that_is_not_the_policy_or_it_does_not_run(self) -> None:
        there = pod(member(S.STOPPED, code=0))
        assert not winds_down(replace(there, pod=replace(POD, exit_policy="continue")))
        assert not winds_down(pod(member(S.STOPPED, code=0), infra=S.PAUSED))
