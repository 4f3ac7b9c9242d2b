"""Terminals and pipes of a real container's first process, through a real pseudo-terminal."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from lockgate import Engine

pytestmark = pytest.mark.real
LOCKGATE = (sys.executable, "-c", "from lockgate.cli import main; main()")


@pytest.fixture
def command(engine: Engine, tmp_path: Path) -> list[str]:
    return [
        *LOCKGATE,
        "--root",
        str(tmp_path / "root"),
        "--runtime",
        engine.description.split(" ")[0],
    ]


class Person:
    """Sits at a terminal."""

    def __init__(self, words: list[str], rows: int = 24, columns: int = 80) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self._theirs)
        self.child = subprocess.Popen(
            words, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs,
            start_new_session=True,
        )  # fmt: skip
        self.heard = b""

    def types(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def hears(self, what: bytes) -> None:
        while what not in self.heard:
            self.heard += os.read(self._ours, 4096)
        self.heard = self.heard.partition(what)[2]

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def leaves(self) -> int:
        """The exit code of what was run, the terminal being as it was before."""
        code = self.child.wait(20)
        assert termios.tcgetattr(self._theirs) == self.before
        os.close(self._ours)
        os.close(self._theirs)
        return code


class TestATerminal:
    def test_is_the_containers_own(self, command: list[str]) -> None:
        script = "test -t 0 && echo ready; read line; echo got $line; exit 7"
        person = Person([*command, "run", "-it", "--image", "busybox", "--", "sh", "-c", script])
        person.hears(b"ready\r\n")
        person.types(b"hello\r")
        person.hears(b"got hello\r\n")
        assert person.leaves() == 7

    def test_has_the_size_of_ours(self, command: list[str]) -> None:
        script = "trap 'exit 0' INT; while :; do stty size; sleep 0.05; done"
        words = [*command, "run", "-it", "--image", "busybox", "--", "sh", "-c", script]
        person = Person(words, 33, 99)
        person.hears(b"33 99\r\n")
        person.resize(40, 132)
        person.child.send_signal(signal.SIGWINCH)  # it is no session of its own for the kernel
        person.hears(b"40 132\r\n")
        person.types(b"\x03")
        assert person.leaves() == 0

    def test_can_be_left_and_come_back_to(self, engine: Engine, command: list[str]) -> None:
        script = "echo ready; while read line; do echo got $line; done; exit 4"
        words = [*command, "run", "-it", "--name", "web", "--image", "busybox"]
        person = Person([*words, "--", "sh", "-c", script])
        person.hears(b"ready")
        person.types(b"\x10\x11")
        assert person.leaves() == 0
        assert engine.inspect("web").status == "running"
        person = Person([*command, "attach", "web"])
        person.types(b"again\r")
        person.hears(b"got again")
        person.types(b"\x04")
        assert person.leaves() == 4

    def test_ctrl_c_is_for_the_container(self, command: list[str]) -> None:
        script = "trap 'exit 9' INT; echo ready; while :; do sleep 0.1; done"
        person = Person([*command, "run", "-it", "--image", "busybox", "--", "sh", "-c", script])
        person.hears(b"ready")
        person.types(b"\x03")
        assert person.leaves() == 9


class TestPipes:
    def test_what_we_are_given_it_reads_to_the_end(self, command: list[str]) -> None:
        given = b"".join(b"%d\n" % number for number in range(20_000))
        words = [*command, "run", "-i", "--rm", "--image", "busybox", "--", "cat"]
        done = subprocess.run(words, input=given, capture_output=True, timeout=60, check=True)
        assert done.stdout == given

    def test_streams_stay_apart(self, command: list[str]) -> None:
        words = [*command, "run", "-i", "--rm", "--image", "busybox", "--"]
        script = "cat >/dev/null; echo out; echo err >&2; exit 3"
        done = subprocess.run(
            [*words, "sh", "-c", script], input=b"", capture_output=True, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")

    def test_several_may_listen(self, engine: Engine, command: list[str]) -> None:
        script = "read go; echo ready"
        engine.create(name="web", image="busybox", command=["sh", "-c", script], stdin=True)
        engine.start("web")
        listening = [
            subprocess.Popen([*command, "attach", "--no-stdin", "web"], stdout=subprocess.PIPE)
            for _ in "ab"
        ]
        speaking = subprocess.Popen(
            [*command, "attach", "web"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        attached = Path(engine.inspect("web").mountpoint).parent / "attach"
        while _connected(attached) < 3:
            pass
        told, _ = speaking.communicate(b"go\n", timeout=20)
        assert [told, *(one.communicate(timeout=20)[0] for one in listening)] == [b"ready\n"] * 3


def _connected(path: Path) -> int:
    """How many sockets are connected there."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return sum(line.split()[5] == "03" and line.endswith("/attach") for line in lines if path)
