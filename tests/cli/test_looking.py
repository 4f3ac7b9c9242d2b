"""`ps`, `inspect`, `logs` and `events`: they look, and change nothing."""

import json
import tarfile
from pathlib import Path

import pytest

from lockgate.effects.ports import Change, LogLine

from .conftest import Shell

KEYS = {
    *("id", "name", "state", "exit_code", "pid", "mounted", "mountpoint", "started_at"),
    *("finished_at", "oom_killed", "operation"),
}


class TestPs:
    def test_lists_the_living_and_with_all_the_resting(self, shell: Shell, web: str) -> None:
        assert "web" not in shell.ok("ps")
        assert "configured" in shell.ok("ps", "-a")
        shell.ok("start", "web")
        assert "running" in shell.ok("ps")

    def test_ids_for_scripts(self, shell: Shell, web: str) -> None:
        other = shell.ok("create", "--image", "busybox").strip()
        assert shell.ok("ps", "-aq").split() == [web, other]  # oldest first

    def test_json(self, shell: Shell, web: str) -> None:
        assert json.loads(shell.ok("ps", "--json")) == []
        (found,) = json.loads(shell.ok("ps", "-a", "--json"))
        assert set(found) >= KEYS
        assert (found["id"], found["name"], found["state"]) == (web, "web", "configured")


class TestInspect:
    def test_tells_all_there_is_to_know(self, shell: Shell, web: str) -> None:
        shell.ok("start", "web")
        (found,) = json.loads(shell.ok("inspect", "web"))
        assert set(found) >= KEYS
        assert (found["state"], found["mounted"], found["exit_code"]) == ("running", True, None)
        assert found["pid"] > 1
        assert found["started_at"].endswith("Z")
        shell.ok("kill", "web")
        (found,) = json.loads(shell.ok("inspect", web[:8]))
        assert (found["exit_code"], found["pid"]) == (137, None)

    def test_shows_those_it_can(self, shell: Shell, web: str) -> None:
        result = shell("inspect", "nobody", "web")
        assert result.exit_code == 3
        assert [one["name"] for one in json.loads(result.stdout)] == ["web"]
        assert "nobody" in result.stderr


class TestLogs:
    def test_each_stream_to_its_own(self, shell: Shell, web: str) -> None:
        shell.log.write("out")
        shell.log.write("oh", "stderr")
        result = shell("logs", "web")
        assert (result.stdout, result.stderr) == ("out\n", "oh\n")

    def test_a_line_in_parts_is_one_line(self, shell: Shell, web: str) -> None:
        shell.log.write("first ", partial=True)
        shell.log.write("second")
        assert shell.ok("logs", "web") == "first second\n"

    def test_with_times(self, shell: Shell, web: str) -> None:
        shell.log.write("out")
        assert shell.ok("logs", "-t", "web") == "2026-07-01T12:00:00.000000000Z out\n"

    @pytest.mark.parametrize(
        ("words", "shown"),
        [
            (("-n", "2"), "2 3"),
            (("-n", "0"), ""),
            (("-n", "9"), "0 1 2 3"),
            (("--since", "2026-07-01T12:00:02Z"), "2 3"),
            (("--since", "2026-07-01T14:00:03+02:00"), "3"),
            (("--until", "2026-07-01T12:00:01"), "0 1"),
            (("--since", "2026-07-01T12:00:01Z", "--until", "2026-07-01T12:00:02Z"), "1 2"),
            (("--until", "99999d"), ""),
            (("--since", "1s", "-n", "3"), None),
        ],
    )
    def test_some_of_it(
        self, shell: Shell, web: str, words: tuple[str, ...], shown: str | None
    ) -> None:
        for number in range(4):
            shell.log.write(str(number))
        told = shell.ok("logs", *words, "web").split()
        assert told == ([] if shown is None else shown.split())

    def test_what_is_no_time(self, shell: Shell, web: str) -> None:
        for words in (("--since", "yesterday"), ("--until", "5"), ("-n", "-1")):
            assert shell.no(2, "logs", *words, "web")

    def test_a_time_nobody_can_read_hides_nothing(self, shell: Shell, web: str) -> None:
        shell.log.lines.append(LogLine("", "", "garbage"))
        assert shell.ok("logs", "--since", "2026-07-01T12:00:00Z", "web") == "garbage\n"

    def test_followed_to_the_end_of_the_run(self, shell: Shell, web: str) -> None:
        shell.ok("start", "web")
        shell.log.write("early")

        def idle(_: object) -> None:
            if len(shell.log.lines) == 1:
                shell.log.write("late")
            else:
                shell.engine.kill("web")

        shell.log.idle = idle
        assert shell.ok("logs", "-f", "web") == "early\nlate\n"


class TestEvents:
    def test_in_order_and_numbered_without_gaps(self, shell: Shell, web: str) -> None:
        shell.ok("start", "web")
        shell.ok("kill", "web")
        shell.ok("rm", "web")
        told = [json.loads(line) for line in shell.ok("events", "--json").splitlines()]
        assert [one["number"] for one in told] == list(range(1, len(told) + 1))
        assert [one["event"] for one in told] == [
            *("create", "init", "start", "died", "kill", "cleanup", "remove"),
        ]
        since = str(told[2]["number"])
        rest = shell.ok("events", "--json", "--since", since).splitlines()
        assert [json.loads(line) for line in rest] == told[3:]

    def test_as_lines(self, shell: Shell, web: str) -> None:
        header, line = shell.ok("events").splitlines()
        assert "EVENT" in header
        assert "create" in line and "web" in line


def test_sizes_where_they_are_asked_for(shell: Shell, web: str) -> None:
    (found,) = json.loads(shell.ok("inspect", "--size", "web"))
    assert (found["id"], found["size_written"], found["size_image"]) == (web, 0, 0)
    (found,) = json.loads(shell.ok("inspect", "web"))
    assert "size_written" not in found


def test_changes(shell: Shell, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = (Change("C", "/etc"), Change("D", "/etc/\x1b[31m"))
    monkeypatch.setattr(shell.host.contents, "changes", lambda config: found)
    assert shell.ok("diff", "web") == "C /etc\nD /etc/\\x1b[31m\n"
    assert json.loads(shell.ok("diff", "--json", "web"))[0] == {"kind": "C", "path": "/etc"}


def test_an_archive_of_it(shell: Shell, web: str, tmp_path: Path) -> None:
    assert shell.ok("export", "-o", str(tmp_path / "web.tar"), "web") == ""
    with tarfile.open(tmp_path / "web.tar") as tar:
        assert tar.getnames() == ["."]
    assert "no container" in shell.no(3, "export", "-o", str(tmp_path / "x"), "other")
