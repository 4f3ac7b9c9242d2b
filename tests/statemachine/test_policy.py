"""What is owed to a container whose run has ended, and when."""

from typing import Any

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Config, RestartPolicy
from lockgate.statemachine.inputs import Booted, Revive, Start, Stop
from lockgate.statemachine.policy import (
    LONGEST_PAUSE,
    SECOND,
    SETTLED,
    has_duties,
    owes,
    owes_removal,
    owes_restart,
    restart_due,
)
from lockgate.statemachine.record import Record, Refused, Step
from lockgate.statemachine.status import Presence, Status, Verb
from lockgate.statemachine.step import admissible, step


def ended(
    restart: RestartPolicy = "no", *, exit_code: int | None = 0, retries: int = 0, **said: Any
) -> Record:
    config = Config(
        id="c",
        restart=restart,
        restart_retries=retries,
        auto_remove=bool(said.pop("auto_remove", False)),
    )
    said = {"status": Status.STOPPED, "layer": Presence.PRESENT} | said
    return Record(config=config, exit_code=exit_code, **said)


class TestRestart:
    @pytest.mark.parametrize(
        ("policy", "after_success", "after_failure", "stopped", "stopped_and_booted"),
        [
            ("no", False, False, False, False),
            ("on-failure", False, True, False, False),
            ("always", True, True, False, True),
            ("unless-stopped", True, True, False, False),
        ],
    )
    def test_by_policy(
        self,
        policy: RestartPolicy,
        after_success: bool,
        after_failure: bool,
        stopped: bool,
        stopped_and_booted: bool,
    ) -> None:
        assert owes_restart(ended(policy)) == after_success
        assert owes_restart(ended(policy, exit_code=1)) == after_failure
        by_user = ended(policy, exit_code=1, stopped_by_user=True)
        assert owes_restart(by_user) == stopped
        assert owes_restart(by_user, booted=True) == stopped_and_booted

    def test_an_end_nobody_saw_is_a_failure(self) -> None:
        assert owes_restart(ended("on-failure", exit_code=-1))

    @pytest.mark.parametrize(("restarts", "owed"), [(0, True), (2, True), (3, False)])
    def test_so_often_and_no_more(self, restarts: int, owed: bool) -> None:
        assert owes_restart(ended("on-failure", exit_code=1, retries=3, restarts=restarts)) == owed

    @pytest.mark.parametrize("status", sorted(set(Status) - {Status.STOPPED, Status.EXITED}))
    def test_only_when_it_is_over(self, status: Status) -> None:
        assert not owes_restart(ended("always", status=status))

    def test_what_never_ran_is_not_over(self) -> None:
        assert not owes_restart(ended("always", status=Status.EXITED, exit_code=None))


class TestRemoval:
    def test_after_the_last_run(self) -> None:
        assert owes_removal(ended(auto_remove=True))
        assert owes_removal(ended(auto_remove=True, stopped_by_user=True))
        assert not owes_removal(ended())
        assert not owes_removal(ended(auto_remove=True, status=Status.RUNNING))
        assert not owes_removal(ended(auto_remove=True, exit_code=None))

    def test_not_while_another_run_is_owed(self) -> None:
        failing = ended("on-failure", exit_code=1, retries=1, auto_remove=True)
        assert not owes_removal(failing)
        assert owes_removal(replace(failing, restarts=1))


@pytest.mark.parametrize(
    ("config", "duties"),
    [
        (Config(id="c"), False),
        (Config(id="c", auto_remove=True), True),
        (Config(id="c", restart="always"), True),
    ],
)
def test_duties_are_known_beforehand(config: Config, duties: bool) -> None:
    assert has_duties(config) == duties


class TestPause:
    @pytest.mark.parametrize(
        ("restarts", "pause"),
        [(0, SECOND // 10), (1, SECOND // 5), (5, 32 * SECOND // 10), (99, LONGEST_PAUSE)],
    )
    def test_doubles(self, restarts: int, pause: int) -> None:
        began = 1_700_000_000 * SECOND
        short = ended(restarts=restarts, started_at=began, finished_at=began + 2)
        assert restart_due(short, short.finished_at) == pause
        assert restart_due(short, short.finished_at + pause - 1) == 1
        assert restart_due(short, short.finished_at + pause) == 0
        assert restart_due(short, short.finished_at + 10 * pause) == 0

    def test_begins_anew_after_a_long_run(self) -> None:
        long = ended(restarts=9, started_at=1, finished_at=1 + SETTLED)
        assert restart_due(long, long.finished_at) == 0

    def test_is_not_waited_for_until_a_clock_that_was_set_back_has_come_so_far(self) -> None:
        short = ended(
            restarts=5, started_at=1_700_000_000 * SECOND, finished_at=1_700_000_001 * SECOND
        )
        assert restart_due(short, short.finished_at - 1) == 0


class TestRevive:
    def test_runs_it_again_and_counts(self) -> None:
        answer = step(ended("always", restarts=2), Revive())
        assert isinstance(answer, Step)
        assert answer.record.restarts == 3
        assert answer.record.operation == Revive()
        assert answer.orders

    def test_never_against_the_last_word_of_its_user(self) -> None:
        answer = step(ended("always"), Stop())
        assert isinstance(answer, Step)
        refusal = step(answer.record, Revive())
        assert isinstance(refusal, Refused)
        assert Verb.REVIVE not in refusal.admissible
        assert isinstance(step(answer.record, Revive(booted=True)), Step)

    def test_is_admissible_while_it_is_owed(self) -> None:
        assert Verb.REVIVE in admissible(ended("always"))
        assert Verb.REVIVE not in admissible(ended("no"))

    def test_its_users_start_begins_the_count_anew(self) -> None:
        answer = step(ended("on-failure", retries=3, restarts=3, exit_code=1), Start())
        assert isinstance(answer, Step)
        assert answer.record.restarts == 0


class TestBooted:
    def test_what_may_be_left_is_looked_for_again(self) -> None:
        before = ended(mount=Presence.PRESENT, network=Presence.ABSENT, runtime=Presence.PRESENT)
        answer = step(before, Booted("next"))
        assert isinstance(answer, Step)
        after = answer.record
        assert (after.status, after.boot, answer.orders) == (Status.EXITED, "next", ())
        assert (after.layer, after.mount) == (Presence.PRESENT, Presence.UNCERTAIN)
        assert (after.network, after.runtime) == (Presence.ABSENT, Presence.UNCERTAIN)

    def test_the_same_boot_is_no_news(self) -> None:
        before = ended(boot="this")
        assert step(before, Booted("this")) == Step(before)

    @pytest.mark.parametrize("status", [Status.RUNNING, Status.PAUSED, Status.STOPPING])
    def test_the_end_of_a_run_is_told_first(self, status: Status) -> None:
        before = ended(status=status, exit_code=None)
        assert step(before, Booted("next")) == Step(before)

    def test_what_was_only_created_has_not_run(self) -> None:
        answer = step(ended(status=Status.CREATED, exit_code=None), Booted("next"))
        assert isinstance(answer, Step)
        assert answer.record.status is Status.CONFIGURED

    def test_an_operation_in_flight_begins_anew(self) -> None:
        started = step(ended(status=Status.EXITED), Start())
        assert isinstance(started, Step)
        answer = step(started.record, Booted("next"))
        assert isinstance(answer, Step)
        assert answer.record.operation == Start()
        assert answer.record.pending == answer.orders
        assert answer.orders[0].ticket > started.record.tickets


def test_something_is_owed_while_nobody_is_about_to_do_it() -> None:
    assert owes(ended("always"))
    assert owes(ended(auto_remove=True))
    assert not owes(ended())
    assert not owes(replace(ended("always"), todo=("prepare",)))
