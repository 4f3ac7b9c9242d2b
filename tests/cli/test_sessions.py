"""`session`: what `exec` has left to itself."""

import json

import pytest

from .conftest import Shell


@pytest.fixture
def joined(shell: Shell, web: str) -> str:
    """The id of a session in it."""
    shell.ok("start", "web")
    return shell.ok("exec", "-d", "-e", "KEY=secret", "web", "sleep", "9").strip()


def test_they_are_listed(shell: Shell, joined: str) -> None:
    header, line = shell.ok("session", "ls", "web").splitlines()
    assert header.split() == ["SESSION", "STATUS", "PID", "CREATED", "EXIT", "COMMAND"]
    assert (joined[:12] in line, "running" in line, line.endswith("sleep 9")) == (True, True, True)
    told = shell.ok("session", "ls", "--json", "web")
    (one,) = json.loads(told)
    assert (one["id"], one["status"], one["exit_code"]) == (joined, "running", None)
    assert "secret" not in told


def test_they_are_killed_and_waited_for(shell: Shell, joined: str) -> None:
    assert shell.ok("session", "kill", "-s", "TERM", "web", joined[:12]) == f"{joined[:12]}\n"
    assert shell.ok("session", "wait", "web", joined) == "143\n"
    assert "has ended" in shell.no(1, "session", "kill", "web", joined)
    assert shell.ok("session", "logs", "-t", "web", joined) == ""


def test_what_is_none(shell: Shell, joined: str) -> None:
    for words in (("wait",), ("kill",), ("logs",)):
        assert "no session" in shell.no(3, "session", *words, "web", "none")
