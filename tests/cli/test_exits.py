"""Every way a command ends: its exit code, and one line that says it all."""

import threading
from pathlib import Path

import click
import msgspec
import pytest

from lockgate import errors
from lockgate.cli import exits
from lockgate.effects.outcome import Fault, PortError
from lockgate.side_by_side import AT_ONCE
from lockgate.statemachine.record import Refused
from lockgate.statemachine.status import Status, Verb

from .conftest import Shell

REFUSED = Refused(Verb.START, Status.RUNNING, False, (Verb.STOP,))
FAULT = Fault("failed", "the disk is on fire")


class TestVerdict:
    @pytest.mark.parametrize(
        ("problem", "code"),
        [
            (click.UsageError("so not"), 2),
            (click.ClickException("no"), 1),
            (exits.Problem("its own", 42), 42),
            (errors.InvalidArgument("nonsense"), 2),
            (errors.NoSuchContainer("web"), 3),
            (errors.NoSuchImage("busybox"), 3),
            (errors.AmbiguousName("c", ("c0", "c1")), 3),
            (errors.IllegalState("web", REFUSED), 4),
            (errors.Busy("web", REFUSED), 4),
            (errors.NameTaken("web", "c0ffee"), 1),
            (errors.OperationFailed("start", "web", FAULT), 1),
            (errors.LockgateError("anything else"), 1),
            (errors.StoreError("no space left"), 1),
            (PortError("failed", "a port says no"), 1),
            (msgspec.DecodeError("truncated"), 1),
            (PermissionError(13, "Permission denied", "/var/lib/lockgate"), 1),
            (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), 2),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_of_what_is_expected(self, problem: Exception, code: int) -> None:
        known = exits.verdict(problem)
        assert known is not None
        assert known[0] == code
        assert known[1]

    @pytest.mark.parametrize(
        "bug", [AssertionError("?"), KeyError("k"), OSError(24, "Too many open files")]
    )
    def test_a_bug_has_none_and_flies(self, bug: Exception) -> None:
        assert exits.verdict(bug) is None
        with pytest.raises(type(bug)):
            exits.report(bug)

    def test_a_file_is_named(self) -> None:
        problem = PermissionError(13, "Permission denied", "/var/lib/lockgate")
        assert exits.verdict(problem) == (1, "/var/lib/lockgate: Permission denied")

    def test_the_codes_are_distinct_and_in_the_help(self, shell: Shell) -> None:
        codes = [exits.OK, exits.FAILURE, exits.USAGE, exits.NO_SUCH, exits.ILLEGAL]
        codes += [exits.DIVERGED, exits.NOT_RUN, exits.NOT_EXECUTABLE, exits.NOT_FOUND]
        assert codes == [0, 1, 2, 3, 4, 5, 125, 126, 127]
        listed = shell.ok("--help").partition("Exit codes:")[2]
        for _, meaning in exits.MEANINGS:
            assert meaning in listed


class TestOneLine:
    def test_whatever_the_message_holds(self, capsys: pytest.CaptureFixture[str]) -> None:
        exits.say("first\n  second\r\x1b[31mred\x07\t end ")
        assert capsys.readouterr().err == "lockgate: first second [31mred end\n"

    def test_usage_errors_too(self, shell: Shell) -> None:
        assert (
            shell.no(2, "stop", "--never")
            == "No such option '--never'. (see `lockgate stop --help`)"
        )
        assert "Did you mean 'history'?" in shell.no(2, "histroy")
        assert "name containers, or give --all" in shell.no(2, "rm")
        assert "Missing argument 'NAME...'" in shell.no(2, "inspect")

    def test_no_command_at_all_is_answered_with_the_help(self, shell: Shell) -> None:
        result = shell()
        assert result.exit_code == 2
        assert result.stderr.startswith("Usage: lockgate")


class TestEach:
    def test_one_that_fails_keeps_no_other_from_its_turn(self, shell: Shell, web: str) -> None:
        shell.ok("create", "--name", "other", "--image", "busybox")
        result = shell("pause", "nobody", "web", "other")
        assert result.exit_code == 3  # the first failure's
        assert result.stdout == ""
        assert [line[:40] for line in result.stderr.splitlines()] == [
            "lockgate: no container has the name or i",
            "lockgate: cannot pause container web: it",
            "lockgate: cannot pause container other: ",
        ]
        result = shell("start", "web", "nobody", "other")
        assert (result.exit_code, result.stdout) == (3, "web\nother\n")
        result = shell("start", "web", "nobody")
        assert result.exit_code == 4

    def test_they_wait_side_by_side_and_are_told_in_order(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        together = threading.Barrier(3, timeout=10)
        last = threading.Event()

        def act(name: str) -> str:
            together.wait()
            if name == "a":
                assert last.wait(10)
            if name == "c":
                last.set()
            return name.upper()

        assert exits.each(["a", "b", "c"], act, tell=True) == 0
        assert capsys.readouterr().out == "A\nB\nC\n"

    def test_no_more_than_a_few_at_once(self) -> None:
        busy, most, lock = 0, 0, threading.Lock()
        several = threading.Barrier(AT_ONCE, timeout=10)

        def act(name: str) -> None:
            nonlocal busy, most
            with lock:
                busy += 1
                most = max(most, busy)
            several.wait()
            with lock:
                busy -= 1

        names = [str(number) for number in range(2 * AT_ONCE)]
        assert exits.each(names, act) == 0
        assert most == AT_ONCE

    def test_who_comes_after_whom(self, capsys: pytest.CaptureFixture[str]) -> None:
        told: list[str] = []
        assert exits.each(["c", "a", "b"], told.append, turns=[["a"], ["b"], ["c"]]) == 0
        assert told == ["a", "b", "c"]
        assert capsys.readouterr().out == "c\na\nb\n"

    def test_a_bug_flies(self) -> None:
        def act(name: str) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            exits.each(["web"], act)


class TestOpening:
    """An engine that cannot be opened, whatever is asked of it."""

    @pytest.mark.parametrize(
        ("problem", "code", "said"),
        [
            (errors.LockgateError("there is no conmon: install it"), 1, "there is no conmon"),
            (errors.StoreError("the store is from a newer version"), 1, "newer version"),
            (PermissionError(13, "Permission denied", "/r"), 1, "/r: Permission denied"),
            (errors.InvalidArgument("cannot use /r as the root folder"), 2, "cannot use /r"),
        ],
    )
    def test_is_one_line(self, shell: Shell, problem: Exception, code: int, said: str) -> None:
        def opener(root: Path, runtime: str | None) -> None:
            raise problem

        shell.opener = opener  # type: ignore[assignment]
        assert said in shell.no(code, "ps")
        assert said in shell.no(code, "stop", "a", "b")
        assert said in shell.no(2 if code == 2 else 125, "run", "--image", "busybox", "x")

    def test_interrupted_is_130(self, shell: Shell) -> None:
        def opener(root: Path, runtime: str | None) -> None:
            raise KeyboardInterrupt

        shell.opener = opener  # type: ignore[assignment]
        result = shell("ps")
        assert (result.exit_code, result.stdout, result.stderr.strip()) == (130, "", "")

    def test_a_bug_flies(self, shell: Shell) -> None:
        def opener(root: Path, runtime: str | None) -> None:
            raise ZeroDivisionError

        shell.opener = opener  # type: ignore[assignment]
        with pytest.raises(ZeroDivisionError):
            shell("ps")
