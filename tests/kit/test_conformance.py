"""Engines beside the model: those that follow the law are left in peace, any other is found out."""

import shutil
from types import MappingProxyType

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from lockgate.statemachine.status import Status, Verb
from lockgate.testing.conformance import WAYS, machine, oracle, page, survey
from lockgate.testing.drivers import COMMANDS, OfLockgate, OfRuntime
from lockgate.testing.engines import ready

FEW = settings(
    max_examples=100,
    stateful_step_count=15,
    deadline=None,
    phases=[Phase.generate],
    derandomize=True,
)


def test_the_model_agrees_with_itself() -> None:
    driver = oracle()
    assert list(survey(driver)) == []
    assert "66 questions" in page(driver, ())


def test_every_status_a_user_can_see_is_asked_and_every_command() -> None:
    passing = {Status.ABSENT, Status.STOPPING, Status.REMOVING, Status.UNKNOWN}
    assert set(WAYS) == set(Status) - passing
    assert {command.verb for command in COMMANDS.values()} == set(COMMANDS)


class Refusing(OfLockgate):
    """Pausing is not for everybody."""

    def ask(self, verb: Verb) -> str:
        return "no\nnot today" if verb is Verb.PAUSE else super().ask(verb)


class Lax(OfLockgate):
    """What is not lawful is not done, and nobody is told."""

    def ask(self, verb: Verb) -> str:
        super().ask(verb)
        return ""


class Forgetful(OfLockgate):
    """A second stop loses the container."""

    def ask(self, verb: Verb) -> str:
        again = verb is Verb.STOP and self.status() is Status.STOPPED
        return super().ask(Verb.FORCE_REMOVE if again else verb)


class Blind(OfLockgate):
    """It does not see an end nobody asked for."""

    def die(self) -> None:
        pass


def made(kind: type[OfLockgate]) -> OfLockgate:
    return kind(oracle()._engine)


class TestABrokenOne:
    @pytest.mark.parametrize(
        ("kind", "found"),
        [
            (Refusing, "pause where it is running: refused, running, not paused (not today)"),
            (Lax, "start where it is running: running, not refused"),
            (Forgetful, "stop where it is stopped: absent, not stopped"),
            (Blind, "start where it is stopped: it is running, not stopped, not stopped"),
        ],
    )
    def test_is_found_out(self, kind: type[OfLockgate], found: str) -> None:
        assert found in [str(finding) for finding in survey(made(kind))]

    @pytest.mark.parametrize(
        ("kind", "found"),
        [
            (Refusing, "pause where it is running"),
            (Lax, "not refused"),
            (Blind, "its process died"),
        ],
    )
    def test_is_found_out_in_any_order(self, kind: type[OfLockgate], found: str) -> None:
        with pytest.raises(AssertionError, match=found):
            run_state_machine_as_test(machine(lambda: made(kind)), settings=FEW)

    def test_what_it_says_of_itself_is_not_held_against_it(self) -> None:
        driver = made(Refusing)
        driver.deviations = MappingProxyType({(Verb.PAUSE, Status.RUNNING): "not for everybody"})
        found = list(survey(driver, statuses=[Status.RUNNING]))
        assert found == []
        assert "known: pause where it is running: not for everybody" in page(driver, found)


def test_any_order_of_commands_and_deaths() -> None:
    run_state_machine_as_test(machine(oracle), settings=FEW)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(LookupError, match="no program 'levitate'"), ready("levitate"):
        pass


@pytest.mark.real
class TestOfThisHost:
    def test_ours_really_does_what_the_model_does(self) -> None:
        with ready("lockgate") as driver:
            assert list(survey(driver)) == []

    def test_a_bare_runtime(self) -> None:
        with ready("runc") as driver:
            assert list(survey(driver)) == []

    def test_what_a_runtime_does_otherwise_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(OfRuntime, "deviations", {})
        with ready("runc") as driver:
            found = [str(one) for one in survey(driver, statuses=[Status.CREATED])]
        assert found == [
            "signal where it is created: created, not refused",
            "pause where it is created: paused, not refused",
        ]

    @pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed")
    def test_podman_lets_start_what_runs(self) -> None:
        with ready("podman") as driver:
            found = survey(driver, statuses=[Status.RUNNING], verbs=[Verb.START, Verb.PAUSE])
            assert [str(one) for one in found] == [
                "start where it is running: running, not refused"
            ]
