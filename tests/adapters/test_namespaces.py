"""Network namespaces of our own making."""

import subprocess
from pathlib import Path

import pytest
from tests.lying import lies_once

from lockgate.adapters.network import Namespaces
from lockgate.adapters.syscalls import mounted_at
from lockgate.effects.config import Config

pytestmark = pytest.mark.real
CONFIG = Config(id="c0ffee", network="private")


@pytest.fixture
def namespaces(tmp_path: Path) -> Namespaces:
    return Namespaces(tmp_path / "netns")


def test_it_has_a_loopback_that_is_up_and_nothing_else(namespaces: Namespaces) -> None:
    handle = namespaces.join(CONFIG, 1).netns
    shown = subprocess.run(
        ["nsenter", f"--net={handle}", "cat", "/proc/net/dev"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split(":")[0].strip() for line in shown.stdout.splitlines()[2:]] == ["lo"]
    pinged = subprocess.run(
        ["nsenter", f"--net={handle}", "python3", "-c", PING], capture_output=True, check=False
    )
    assert pinged.returncode == 0, pinged.stderr
    namespaces.leave(CONFIG, 1)


def test_one_that_is_said_not_to_be_there_and_is_was_not_left(
    namespaces: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = Path(namespaces.join(CONFIG, 1).netns)
    with monkeypatch.context() as patch:
        lies_once(patch, "unlink", handle.name)
        with pytest.raises(FileNotFoundError):
            namespaces.leave(CONFIG, 1)
    namespaces.leave(CONFIG, 1)
    assert not handle.exists()


PING = "import socket; s = socket.create_server(('127.0.0.1', 0)); s.close()"


def test_ours_is_not_touched(namespaces: Namespaces) -> None:
    before = Path("/proc/self/ns/net").stat().st_ino
    handle = namespaces.join(CONFIG, 1).netns
    assert Path("/proc/self/ns/net").stat().st_ino == before
    assert Path(handle).stat().st_ino != before
    namespaces.leave(CONFIG, 1)


def test_twice_is_once(namespaces: Namespaces) -> None:
    assert namespaces.join(CONFIG, 1) == namespaces.join(CONFIG, 1)
    namespaces.leave(CONFIG, 1)
    namespaces.leave(CONFIG, 1)


def test_each_run_has_its_own_and_leaving_gives_back_all(
    namespaces: Namespaces, tmp_path: Path
) -> None:
    first, second = (namespaces.join(CONFIG, epoch).netns for epoch in (1, 2))
    assert Path(first).stat().st_ino != Path(second).stat().st_ino
    namespaces.leave(CONFIG, 2)
    assert list((tmp_path / "netns").iterdir()) == []


def test_a_handle_that_is_only_a_file_is_made_into_one(
    namespaces: Namespaces, tmp_path: Path
) -> None:
    """Killed between making the file and the mount."""
    handle = Path(namespaces.join(CONFIG, 1).netns)
    namespaces.leave(CONFIG, 1)
    handle.touch()
    assert mounted_at(namespaces.join(CONFIG, 1).netns) is not None
    namespaces.leave(CONFIG, 1)
