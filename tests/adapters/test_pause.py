"""The first process of a pod: what lies ready for it, and what it does."""

import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from lockgate.adapters.pause import COMMAND, pause_root
from lockgate.effects.outcome import PortError

SOON = 10


def program(root: Path) -> Path:
    return Path(pause_root(root) + COMMAND[0])


def test_is_made_once_and_mended(tmp_path: Path) -> None:
    made = program(tmp_path)
    assert stat.S_IMODE(made.stat().st_mode) == 0o755
    inode = made.stat().st_ino
    assert program(tmp_path).stat().st_ino == inode  # it may be running
    made.chmod(0o644)
    assert stat.S_IMODE(program(tmp_path).stat().st_mode) == 0o755
    made.write_bytes(b"something else")
    assert program(tmp_path).read_bytes().startswith(b"\x7fELF")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_there_is_one_for_these_machines(tmp_path: Path, machine: str) -> None:
    assert Path(pause_root(tmp_path, machine), "pause").read_bytes().startswith(b"\x7fELF\x02\x01")


def test_and_a_word_for_others(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="no pause program for pdp11: make the pod from an image"):
        pause_root(tmp_path, "pdp11")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_and_ends_at_once_when_asked(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen([program(tmp_path)]) as running:
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.1)
        running.send_signal(number)
        assert running.wait(SOON) == 0


def test_what_it_inherits_it_reaps(tmp_path: Path) -> None:
    """A child it never knew: its shell had it before it became this program."""
    script = f"sleep 0.2 >&- & echo $!; exec {program(tmp_path)}"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        child = Path("/proc", running.stdout.readline().strip())
        deadline = time.monotonic() + SOON
        while (left := child.exists()) and time.monotonic() < deadline:  # a zombie would stay
            time.sleep(0.005)
        running.terminate()
        assert (running.wait(SOON), left) == (0, False)
