"""How a container stands by its checks, and what follows: from the record alone."""

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Config
from lockgate.effects.health import (
    SECOND,
    Health,
    HealthCheck,
    HealthStatus,
    OnFailure,
    StartupCheck,
    command_of,
)
from lockgate.effects.model import StartRuntime, Watch
from lockgate.effects.outcome import Done, Exited, Failed, Fault, Launched
from lockgate.statemachine import inputs as i
from lockgate.statemachine.health import after, current, due, next_check, owed_action
from lockgate.statemachine.record import Notice, Record, Refused, Step, newborn
from lockgate.statemachine.status import Presence, Status, Verb
from lockgate.statemachine.step import admissible, step

STARTING, HEALTHY, UNHEALTHY = HealthStatus
CHECK = HealthCheck(command=("true",), interval=5 * SECOND, retries=3)
STARTUP = StartupCheck(command=("up",), interval=SECOND, retries=2, successes=2)
PRESENT = Presence.PRESENT
RUNNING = replace(
    newborn(Config(id="c", health=CHECK)),
    status=Status.RUNNING,
    epoch=2,
    layer=PRESENT,
    mount=PRESENT,
    runtime=PRESENT,
    started_at=100 * SECOND,
)
LATE = 10**15


def found(check: HealthCheck, results: str, health: Health | None = None) -> Health:
    """After `+` for each check that passed and `-` for each that did not."""
    health = health or Health()
    for one in results:
        health = after(check, health, running=LATE, passed=one == "+")
    return health


def checked(record: Record, passed: bool, at: int = LATE) -> Step:
    answer = step(record, i.Checked(record.epoch, at, passed))
    assert isinstance(answer, Step)
    assert answer.orders == ()
    return answer


def failing(on_failure: OnFailure, startup: StartupCheck | None = None) -> Record:
    """Unhealthy, and runs."""
    check = replace(CHECK, on_failure=on_failure, startup=startup)
    health = Health(UNHEALTHY, 3, started=startup is None)
    return replace(RUNNING, config=replace(RUNNING.config, health=check), health=health)


class TestStanding:
    @pytest.mark.parametrize(
        ("results", "status", "failures"),
        [
            ("", STARTING, 0),
            ("+", HEALTHY, 0),
            ("--", STARTING, 2),
            ("---", UNHEALTHY, 3),
            ("-----", UNHEALTHY, 3),
            ("+--", HEALTHY, 2),
            ("--+--", HEALTHY, 2),
            ("---+", HEALTHY, 0),
        ],
    )
    def test_so_many_failures_in_a_row_make_it_unhealthy(
        self, results: str, status: HealthStatus, failures: int
    ) -> None:
        assert found(CHECK, results) == Health(status, failures)

    def test_failures_of_its_beginning_do_not_count(self) -> None:
        patient = replace(CHECK, start_period=60 * SECOND, retries=1)
        assert after(patient, Health(), running=0, passed=False) == Health()
        early = after(patient, Health(), running=60 * SECOND - 1, passed=False)
        assert early == Health()
        assert after(patient, Health(), running=60 * SECOND, passed=False).status is UNHEALTHY
        assert after(patient, Health(), running=0, passed=True).status is HEALTHY


class TestStartingUp:
    CHECK = replace(CHECK, startup=STARTUP)

    @pytest.mark.parametrize(
        ("results", "expected"),
        [
            ("+", Health(successes=1)),
            ("+-", Health(failures=1)),
            ("++", Health(started=True)),
            ("+++", Health(HEALTHY, started=True)),
            ("--", Health(UNHEALTHY, 2)),
            ("---", Health(UNHEALTHY, 2)),
            ("++---", Health(UNHEALTHY, 3, started=True)),
            ("++--", Health(failures=2, started=True)),
        ],
    )
    def test_its_own_check_comes_first(self, results: str, expected: Health) -> None:
        assert found(self.CHECK, results) == expected

    def test_without_retries_it_may_take_for_ever(self) -> None:
        patient = replace(self.CHECK, startup=replace(STARTUP, retries=0))
        assert found(patient, "-" * 9) == Health()

    def test_which_is_next(self) -> None:
        record = replace(RUNNING, config=replace(RUNNING.config, health=self.CHECK))
        assert next_check(record) == STARTUP
        assert next_check(replace(record, health=Health(started=True))) == self.CHECK


class TestDue:
    def test_the_first_at_once_the_next_an_interval_after_the_last_ended(self) -> None:
        assert due(RUNNING, 0, 0) == due(RUNNING, 0, LATE) == 0
        assert due(RUNNING, 200 * SECOND, 200 * SECOND) == 5 * SECOND
        assert due(RUNNING, 200 * SECOND, 205 * SECOND - 1) == 1
        assert due(RUNNING, 200 * SECOND, LATE) == 0
        assert due(RUNNING, 1, 1) == 5 * SECOND

    def test_a_clock_that_was_set_back_keeps_nothing_waiting(self) -> None:
        assert due(RUNNING, LATE, LATE - 1) == 0
        patient = replace(CHECK, start_period=SECOND, retries=1)
        assert after(patient, Health(), running=-1, passed=False).status is UNHEALTHY

    @pytest.mark.parametrize("status", sorted(set(Status) - {Status.RUNNING}))
    def test_none_where_nothing_runs(self, status: Status) -> None:
        assert due(replace(RUNNING, status=status), 0, 0) is None

    def test_none_without_a_check(self) -> None:
        assert due(replace(RUNNING, config=Config(id="c")), 0, 0) is None

    @pytest.mark.parametrize("status", Status)
    def test_only_what_runs_or_is_paused_stands_somehow(self, status: Status) -> None:
        stands = current(replace(RUNNING, status=status))
        assert stands == (Health() if status in (Status.RUNNING, Status.PAUSED) else None)


class TestChecked:
    def test_it_is_on_record_and_announced_when_it_changes(self) -> None:
        healthy = checked(RUNNING, passed=True)
        assert healthy.record.health == Health(HEALTHY)
        assert healthy.notices == (Notice("health_status", health="healthy"),)
        once = checked(healthy.record, passed=False)
        assert once.record.health == Health(HEALTHY, 1)
        assert once.notices == ()

    def test_what_changes_nothing_is_no_news(self) -> None:
        healthy = checked(RUNNING, passed=True).record
        assert checked(healthy, passed=True).record is healthy

    def test_its_beginning_is_counted_from_the_start_of_the_run(self) -> None:
        config = replace(RUNNING.config, health=replace(CHECK, start_period=10 * SECOND))
        record = replace(RUNNING, config=config)
        assert checked(record, passed=False, at=109 * SECOND).record is record
        after_it = checked(record, passed=False, at=110 * SECOND).record.health
        assert after_it is not None and after_it.failures == 1

    @pytest.mark.parametrize(
        "record",
        [
            replace(RUNNING, status=Status.PAUSED),
            replace(RUNNING, status=Status.STOPPED),
            replace(RUNNING, config=Config(id="c")),
        ],
        ids=("paused", "stopped", "no check"),
    )
    def test_of_what_does_not_run_it_is_no_news(self, record: Record) -> None:
        assert checked(record, passed=False).record is record

    def test_of_another_run_it_is_no_news(self) -> None:
        answer = step(RUNNING, i.Checked(1, LATE, False))
        assert isinstance(answer, Step) and answer.record is RUNNING

    def test_it_goes_with_the_run(self) -> None:
        unhealthy = failing("none")
        ended = step(unhealthy, i.Died(2, Exited(0, 1)))
        assert isinstance(ended, Step) and ended.record.health is None


class TestOwed:
    @pytest.mark.parametrize(
        ("on_failure", "action"),
        [
            ("none", None),
            ("kill", i.Kill(by_health=True)),
            ("stop", i.Stop(by_health=True)),
            ("restart", i.Restart(by_health=True)),
        ],
    )
    def test_what_was_wished_for(self, on_failure: OnFailure, action: i.Command | None) -> None:
        assert owed_action(failing(on_failure)) == action

    def test_one_that_never_came_up_is_started_anew(self) -> None:
        assert owed_action(failing("none", STARTUP)) == i.Restart(by_health=True)

    @pytest.mark.parametrize(
        "record",
        [
            RUNNING,
            replace(failing("kill"), health=Health(HEALTHY, 2)),
            replace(failing("kill"), status=Status.STOPPING),
            replace(failing("kill"), status=Status.PAUSED),
            replace(failing("kill"), config=Config(id="c")),
        ],
        ids=("unchecked", "healthy", "stopping", "paused", "no check"),
    )
    def test_nothing_otherwise(self, record: Record) -> None:
        assert owed_action(record) is None

    @pytest.mark.parametrize("on_failure", ["kill", "stop", "restart"])
    def test_it_is_done_while_it_is_owed_and_only_that(self, on_failure: OnFailure) -> None:
        record = failing(on_failure)
        for command in (i.Kill(by_health=True), i.Stop(by_health=True), i.Restart(by_health=True)):
            owed = owed_action(record) == command
            assert isinstance(step(record, command), Step if owed else Refused)
            assert isinstance(step(replace(record, health=Health(HEALTHY)), command), Refused)

    def test_its_user_may_do_the_same_at_any_time(self) -> None:
        for command in (i.Kill(), i.Stop(), i.Restart()):
            assert isinstance(step(RUNNING, command), Step)

    def test_a_kill_for_its_health_leaves_the_policy_its_say_and_a_stop_does_not(self) -> None:
        for on_failure, by_user in (("kill", False), ("stop", True), ("restart", False)):
            record = failing(on_failure)  # type: ignore[arg-type]
            action = owed_action(record)
            assert action is not None
            answer = step(record, action)
            assert isinstance(answer, Step) and answer.record.stopped_by_user is by_user

    def test_a_restart_by_its_user_starts_counting_anew_and_one_for_its_health_does_not(
        self,
    ) -> None:
        record = replace(failing("restart"), restarts=4)
        for command, restarts in ((i.Restart(), 0), (i.Restart(by_health=True), 4)):
            answer = step(record, command)
            assert isinstance(answer, Step) and answer.record.restarts == restarts


class TestWatching:
    CREATED = replace(RUNNING, status=Status.CREATED, started_at=0)

    def watching(self) -> Step:
        answer = step(self.CREATED, i.Start())
        assert isinstance(answer, Step)
        return answer

    def test_somebody_watches_before_it_runs(self) -> None:
        (order,) = self.watching().orders
        assert order.effect == Watch("c", 2)

    def test_then_it_runs(self) -> None:
        asked = self.watching()
        answer = step(asked.record, Done(asked.orders[0].ticket))
        assert isinstance(answer, Step)
        (order,) = answer.orders
        assert order.effect == StartRuntime("c", 2)
        running = step(answer.record, Done(order.ticket, Launched(7)))
        assert isinstance(running, Step) and running.record.status is Status.RUNNING

    def test_what_nobody_can_watch_is_not_started(self) -> None:
        asked = self.watching()
        answer = step(asked.record, Failed(asked.orders[0].ticket, Fault("failed", "no")))
        assert isinstance(answer, Step)
        assert answer.record.unwinding
        assert StartRuntime not in {type(order.effect) for order in answer.orders}

    def test_it_may_end_meanwhile(self) -> None:
        asked = self.watching()
        answer = step(asked.record, i.Died(2, Exited(9, 1)))
        assert isinstance(answer, Step)
        assert answer.record.status is Status.STOPPED and answer.record.operation is None

    def test_nobody_where_there_is_nothing_to_watch(self) -> None:
        answer = step(replace(self.CREATED, config=Config(id="c")), i.Start())
        assert isinstance(answer, Step)
        assert [type(order.effect) for order in answer.orders] == [StartRuntime]


def test_what_may_be_asked_is_told_without_regard_to_health() -> None:
    assert Verb.RESTART in admissible(failing("none"))


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ((), ()),
        (("NONE",), ()),
        (("none",), ()),
        (("CMD", "a", "b c"), ("a", "b c")),
        (("CMD",), ()),
        (("CMD-SHELL", "a", "b"), ("/bin/sh", "-c", "a b")),
        (("CMD-SHELL", "a | b"), ("/bin/sh", "-c", "a | b")),
        (("a", "b"), ("a", "b")),
        (("none", "of", "these"), ("none", "of", "these")),
    ],
)
def test_how_images_write_it(words: tuple[str, ...], command: tuple[str, ...]) -> None:
    assert command_of(words) == command
