"""Programs begun behind us, which nobody waits for."""

import os
from pathlib import Path

import pytest

from lockgate.adapters import behind
from lockgate.adapters.behind import begin
from lockgate.effects.outcome import PortError


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is called in systemd-run's place, where there is systemd."""
    made = tmp_path / "bin" / "systemd-run"
    made.parent.mkdir()
    monkeypatch.setattr(behind, "SYSTEMD", tmp_path)
    monkeypatch.setenv("PATH", f"{made.parent}:{os.environ['PATH']}")
    return made


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_it_finds_itself_in_the_folder_and_a_child_of_nobody_here(
    tmp_path: Path, pipe: Path
) -> None:
    begin(("/bin/sh", "-c", f"echo $PWD $PPID >{pipe}"), "unit", tmp_path)
    folder, parent = pipe.read_text().split()
    assert (folder, parent != str(os.getpid())) == (str(tmp_path), True)


def test_of_our_environment_it_has_little(
    tmp_path: Path, pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "1")
    begin(("/usr/bin/env", "sh", "-c", f"env >{pipe}"), "unit", tmp_path)
    told = {line.partition("=")[0] for line in pipe.read_text().splitlines()}
    assert "PATH" in told and "SECRET" not in told


def test_where_systemd_is_it_is_a_unit_of_its_own(
    tmp_path: Path, pipe: Path, manager: Path
) -> None:
    script(manager, f'exec >/dev/null 2>&1\n(echo "$@" >{pipe}) &')
    begin(("watcher", "root"), "lockgate-c0ffee-1", tmp_path)
    assert pipe.read_text().split() == [
        "--quiet", "--collect", "--unit=lockgate-c0ffee-1", "--", "watcher", "root",
    ]  # fmt: skip


def test_what_cannot_begin_is_told(tmp_path: Path, manager: Path) -> None:
    script(manager, "echo no bus >&2\nexit 1")
    with pytest.raises(PortError, match="cannot begin watcher: no bus"):
        begin(("watcher",), "unit", tmp_path)
