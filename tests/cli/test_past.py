"""`history`, `replay`, `diagram`: what happened, whether it would again, and what may happen."""

import json
import shutil
from pathlib import Path

import pytest

from lockgate.statemachine import diagram
from lockgate.statemachine.history import decode_entry

from .conftest import Shell


@pytest.fixture
def lived(shell: Shell, web: str) -> str:
    shell.ok("start", "web")
    shell.ok("kill", "web")
    shell.ok("rm", "web")
    return web


def test_a_history_is_a_table(shell: Shell, lived: str) -> None:
    lines = shell.ok("history", lived).splitlines()
    assert len(lines) == 1 + len(list(shell.engine.history(lived)))
    assert "start" in "".join(lines)


def test_a_history_is_exported_and_replayed(shell: Shell, lived: str, tmp_path: Path) -> None:
    exported = shell.ok("history", "--json", "web")
    entries = [decode_entry(line) for line in exported.encode().splitlines()]
    assert entries == list(shell.engine.history(lived))
    file = tmp_path / "web.jsonl"
    file.write_text(exported)
    assert shell.ok("replay", str(file)) == (
        f"{len(entries)} entries, equal at every entry, ends in absent\n"
    )
    assert shell.ok("replay", "web") == shell.ok("replay", str(file))  # also of one that is gone
    piped = shell("replay", "-", input=exported)
    assert (piped.exit_code, piped.stdout) == (0, shell.ok("replay", "web"))


def test_what_was_changed_is_found(shell: Shell, lived: str, tmp_path: Path) -> None:
    lines = shell.ok("history", "--json", "web").splitlines()
    changed = json.loads(lines[3])
    changed["digest"] = "0" * len(changed["digest"])
    file = tmp_path / "web.jsonl"
    file.write_text("\n".join([*lines[:3], json.dumps(changed), *lines[4:]]))
    result = shell("replay", str(file))
    assert result.exit_code == 5
    assert f"{file} diverges at entry 3" in result.stdout


class TestTravelling:
    def test_to_an_entry(self, shell: Shell, lived: str) -> None:
        record = json.loads(shell.ok("replay", "--at", "1", "web"))
        assert (record["config"]["id"], record["status"]) == (lived, "configured")
        assert shell.no(1, "replay", "--at", "99", "web").startswith("web has no entry 99")

    def test_to_where_it_became_something(self, shell: Shell, lived: str) -> None:
        entry = decode_entry(shell.ok("replay", "--until", "running", "web").encode())
        before = json.loads(shell.ok("replay", "--at", str(entry.seq - 1), "web"))
        after = json.loads(shell.ok("replay", "--at", str(entry.seq), "web"))
        assert (before["status"], after["status"]) == ("created", "running")
        assert shell.no(1, "replay", "--until", "paused", "web") == "web never was paused"
        assert "'up' is no status" in shell.no(2, "replay", "--until", "up", "web")

    def test_to_where_two_part(self, shell: Shell, lived: str) -> None:
        shell.ok("create", "--name", "other", "--image", "busybox")
        shell.ok("start", "other")
        assert shell.ok("replay", "--against", "web", "web") == "web and web went the same way\n"
        told = shell("replay", "--against", "other", "web")
        assert told.exit_code == 5
        assert told.stdout.splitlines() == [
            "web and other part at entry 7",
            "web: heard Kill, asked for Halt, is stopping",
            "other: has ended",
        ]

    def test_one_way_at_a_time(self, shell: Shell, lived: str) -> None:
        assert "one of" in shell.no(2, "replay", "--at", "1", "--until", "running", "web")
        assert "one of" in shell.no(2, "history", "--json", "--mermaid", "web")


def test_a_history_is_drawn(shell: Shell, lived: str) -> None:
    picture = shell.ok("history", "--mermaid", "web")
    assert picture.startswith("sequenceDiagram")
    assert "user->>machine: kill" in picture


@pytest.mark.parametrize("line", ["", "{}", "[1]", '{"seq": "x"}', "\x00"])
def test_what_is_no_history_is_refused(shell: Shell, tmp_path: Path, line: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(line)
    result = shell("replay", str(file))
    if line:
        assert result.exit_code == 1
        assert "line 1, is no entry of a history" in result.stderr
    else:
        assert result.stdout.startswith("0 entries")


@pytest.mark.parametrize("command", ["history", "replay"])
def test_nobody_has_no_history(shell: Shell, command: str) -> None:
    assert "nobody" in shell.no(3, command, "nobody")


def test_the_law_is_drawn(shell: Shell) -> None:
    assert shell.ok("diagram") == diagram.mermaid()
    assert shell.ok("diagram", "--format", "dot") == diagram.dot()
    assert shell.ok("diagram", "--format", "matrix") == diagram.matrix()
    assert "png" in shell("diagram", "--format", "png").stderr


def test_the_picture_is_graphviz_work(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("dot"):
        picture = shell.ok("diagram", "--format", "svg")
        assert picture.startswith("<?xml") and ">configured</text>" in picture
    monkeypatch.setenv("PATH", "/nowhere")
    assert "install graphviz" in shell.no(1, "diagram", "--format", "svg")
