"""`exec`: a process that joins a running container."""

import pytest

from lockgate.effects.sessions import Session

from .conftest import Shell


@pytest.fixture(autouse=True)
def running(shell: Shell, web: str) -> None:
    shell.ok("start", "web")


def answer(shell: Shell, code: int | None) -> list[Session]:
    """What a command is answered with; the sessions there were."""
    seen: list[Session] = []

    def answered(session: Session) -> int | None:
        seen.append(session)
        return code

    assert shell.engine.simulation is not None
    shell.engine.simulation.sessions.answer = answered
    return seen


def test_its_code_is_ours(shell: Shell) -> None:
    (seen,) = (answer(shell, 7),)
    assert shell("exec", "web", "ls", "-l").exit_code == 7
    assert seen[0].wish.command == ("ls", "-l")  # options after the name are the command's


def test_wishes_reach_it(shell: Shell) -> None:
    seen = answer(shell, 0)
    shell.ok("exec", "-e", "A=1", "-w", "/tmp", "-u", "33:34", "--privileged", "web", "ls")
    wish = seen[0].wish
    assert (wish.env[0], wish.workdir, wish.user, wish.privileged) == ("A=1", "/tmp", "33:34", True)


def test_detached_it_is_left_to_itself(shell: Shell) -> None:
    session = shell.ok("exec", "-d", "web", "sleep", "9").strip()
    assert shell.engine.session("web", session).standing == "running"


def test_what_cannot_be_run_has_the_codes_of_the_field(shell: Shell) -> None:
    answer(shell, None)
    assert "not found" in shell.no(127, "exec", "web", "nope")
    shell.ok("pause", "web")
    assert "it is paused; unpause it first" in shell.no(125, "exec", "web", "ls")
    assert "no container" in shell.no(125, "exec", "nobody", "ls")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("-d", "-i"), "neither input nor terminal"),
        (("-d", "-t"), "neither input nor terminal"),
        (("-t",), "-t needs a terminal"),
    ],
)
def test_what_makes_no_sense(shell: Shell, words: tuple[str, ...], why: str) -> None:
    assert why in shell.no(2, "exec", *words, "web", "ls")


def test_a_command_is_needed(shell: Shell) -> None:
    assert "Missing argument 'CMD...'" in shell.no(2, "exec", "web")


class TestAttach:
    def test_where_nobody_writes_is_said(self, shell: Shell) -> None:
        assert "cannot attach to container web" in shell.no(1, "attach", "web")

    def test_where_nothing_runs(self, shell: Shell) -> None:
        shell.ok("kill", "web")
        assert "it is stopped; start it first" in shell.no(4, "attach", "web")

    @pytest.mark.parametrize("keys", ["ctrl-", "alt-x"])
    def test_keys_that_are_none(self, shell: Shell, keys: str) -> None:
        assert "is no key" in shell.no(2, "attach", "--detach-keys", keys, "web")


def test_what_runs_with_us_and_cannot_is_removed(shell: Shell) -> None:
    """A simulated one has no terminal to lend ours to."""
    before = shell.engine.list()
    words = ("run", "-i", "--rm", "--name", "other", "--image", "busybox")
    assert "nothing is written on a simulated host" in shell.no(127, *words)
    assert shell.engine.list() == before
