"""`top` and `stats`: what containers use."""

import json

from .conftest import Shell


def test_the_processes_of_a_run(shell: Shell, web: str) -> None:
    assert len(shell.ok("top", "web").splitlines()) == 1  # only the header
    shell.ok("start", "web")
    header, line = shell.ok("top", "web").splitlines()
    assert header.split() == ["PID", "PPID", "UID", "STATE", "CPU", "MEMORY", "COMMAND"]
    assert line.split()[0] == str(shell.engine.top("web")[0].pid)
    (shown,) = json.loads(shell.ok("top", "--json", "web"))
    assert shown["state"] == "S"


def test_other_fields(shell: Shell, web: str) -> None:
    shell.ok("start", "web")
    header, line = shell.ok("top", "web", "elapsed", "tty", "command").splitlines()
    assert header.split() == ["ELAPSED", "TTY", "COMMAND"]
    assert line.split() == ["0s", "no", "sleep", "60"]
    assert "'age' is nothing to show; there are: pid," in shell("top", "web", "age").stderr


def test_what_they_use(shell: Shell, web: str) -> None:
    assert shell.ok("stats", "web").splitlines()[1].split()[2:] == ["-"] * 6
    shell.ok("start", "web")
    (shown,) = json.loads(shell.ok("stats", "--json", "--all"))
    assert (shown["id"], shown["name"], shown["pids"], shown["read"]) == (web, "web", 1, None)
    assert "no container" in shell.no(3, "top", "nobody")
