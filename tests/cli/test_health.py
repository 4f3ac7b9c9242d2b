"""Health checks on the command line: wished for, run by hand, shown."""

import json
from typing import get_args

import pytest

from lockgate.cli import health
from lockgate.effects.health import SECOND, HealthCheck, OnFailure, StartupCheck
from lockgate.effects.sessions import Session

from .conftest import Shell

MINUTE = 60 * SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("500ms", SECOND // 2),
        ("1.5s", 3 * SECOND // 2),
        ("1m30s", 90 * SECOND),
        ("2h", 120 * MINUTE),
        ("0.000000001s", 1),
    ],
)
def test_durations(text: str, expected: int) -> None:
    assert health.duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "s", "5d", "-5s", "1s 2s", "٣s", "1e3s", "5s5"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: write 500ms, 30s, 1m30s or 2h"):
        health.duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl localhost || exit 1", ("/bin/sh", "-c", "curl localhost || exit 1")),
        ("CMD-SHELL curl localhost", ("/bin/sh", "-c", "curl localhost")),
        ('["CMD", "curl", "local host"]', ("curl", "local host")),
        ('["CMD-SHELL", "curl localhost"]', ("/bin/sh", "-c", "curl localhost")),
        ('["curl", "localhost"]', ("curl", "localhost")),
        ('["NONE"]', ()),
        ("none", ()),
    ],
)
def test_a_check_is_written_as_elsewhere(text: str, expected: tuple[str, ...]) -> None:
    assert health.test(text) == expected


def test_what_may_become_of_it_is_what_the_engine_knows() -> None:
    assert get_args(OnFailure) == health.ON_FAILURE


def wished(shell: Shell, *words: str) -> HealthCheck | None:
    made = shell.ok("create", "--image", "busybox", *words, "true").strip()
    return shell.engine.inspect(made).config.health


def test_everything_may_be_wished_for(shell: Shell) -> None:
    options = {
        "cmd": "check", "interval": "1s", "timeout": "2s", "retries": "4", "start-period": "5s",
        "on-failure": "restart", "max-log-count": "6", "max-log-size": "7",
        "startup-cmd": '["up"]', "startup-interval": "8s", "startup-timeout": "9s",
        "startup-retries": "10", "startup-success": "11",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--health-{name}", value)]
    assert wished(shell, *words) == HealthCheck(
        command=("/bin/sh", "-c", "check"),
        interval=SECOND,
        timeout=2 * SECOND,
        retries=4,
        start_period=5 * SECOND,
        on_failure="restart",
        keep=6,
        size=7,
        startup=StartupCheck(
            command=("up",), interval=8 * SECOND, timeout=9 * SECOND, retries=10, successes=11
        ),
    )


def test_what_is_left_out_is_as_the_help_says(shell: Shell) -> None:
    assert wished(shell, "--health-cmd", '["a"]') == HealthCheck(command=("a",))
    assert wished(shell) is None
    assert wished(shell, "--no-healthcheck") is None
    assert wished(shell, "--health-cmd", "none") is None


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--health-interval", "5s"), "--health-interval says how a check is run"),
        (("--health-cmd", "[1]"), "--health-cmd"),
        (("--health-cmd", "a", "--health-interval", "5"), "'5' is no duration"),
        (("--health-cmd", "a", "--health-startup-retries", "1"), "wants a --health-startup-cmd"),
        (("--health-cmd", "a", "--no-healthcheck"), "something is said of it"),
        (("--health-cmd", "none", "--health-retries", "2"), "something is said of it"),
        (("--health-cmd", "a", "--health-on-failure", "pray"), "pray"),
    ],
)
def test_what_makes_no_sense(shell: Shell, words: tuple[str, ...], why: str) -> None:
    result = shell("create", "--image", "busybox", *words, "true")
    assert result.exit_code == 2 and why in result.stderr
    assert shell.engine.list() == ()


class TestRunByHand:
    @pytest.fixture(autouse=True)
    def running(self, shell: Shell) -> None:
        shell.ok("create", "--name", "web", "--image", "busybox", "--health-cmd", "check", "sleep")
        shell.ok("start", "web")

    def answer(self, shell: Shell, code: int) -> None:
        def answered(session: Session) -> int:
            return code

        assert shell.engine.simulation is not None
        shell.engine.simulation.sessions.answer = answered

    def test_its_code_says_whether_it_passed(self, shell: Shell) -> None:
        assert shell("healthcheck", "run", "web").exit_code == 0
        self.answer(shell, 3)
        assert shell("healthcheck", "run", "web").exit_code == 1

    def test_how_it_stands_is_shown_where_one_looks(self, shell: Shell) -> None:
        assert "running (starting)" in shell.ok("ps")
        shell("healthcheck", "run", "web")
        assert "running (healthy)" in shell.ok("ps")
        (known,) = json.loads(shell.ok("inspect", "web"))
        assert (known["health"], known["health_failures"]) == ("healthy", 0)
        assert known["health_check"]["command"] == ["/bin/sh", "-c", "check"]
        assert [one["code"] for one in known["health_log"]] == [0]
        assert "health_status healthy" in shell.ok("events")
        assert "health check passed" in shell.ok("history", "web")

    def test_one_can_wait_for_it(self, shell: Shell) -> None:
        shell("healthcheck", "run", "web")
        shell.ok("wait", "--condition", "healthy", "web")

    def test_what_cannot_be_checked_says_why(self, shell: Shell) -> None:
        shell.ok("pause", "web")
        assert "it is paused; unpause it first" in shell.no(4, "healthcheck", "run", "web")
