"""What the monitor is called with, and how its answer is heard."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.adapters.oci.command import RuntimeCommand
from lockgate.adapters.oci.launch import command_line, heard
from lockgate.adapters.oci.run import Answer, Run
from lockgate.effects.config import Config

RUNTIME = RuntimeCommand(Path("/usr/bin/runc"), Path("/records"), {})


def line(config: Config) -> list[str]:
    return command_line(
        Run.of(Path("/root"), config.id, 1), config, Path("/usr/bin/conmon"), RUNTIME
    )


@pytest.mark.parametrize(
    ("parent", "said"), [("/lockgate", False), ("machine.slice", True), ("", False)]
)
def test_a_runtime_is_told_when_systemd_makes_the_cgroup(parent: str, said: bool) -> None:
    assert ("--systemd-cgroup" in line(Config(id="c", cgroup_parent=parent))) is said


SLOWLY = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as sync:
    for byte in sys.argv[2].encode():
        sync.write(bytes((byte,)))
        time.sleep(0.005)
"""
"""A monitor that writes its answer a byte at a time; it is known by its `--exit-dir`."""


class TestAnAnswerInPieces:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Run:
        (tmp_path / "containers" / "web").mkdir(parents=True)
        run = Run.of(tmp_path, "web", 1)
        run.make()
        run.sync.touch()
        return run

    @pytest.fixture
    def says(self, run: Run, request: pytest.FixtureRequest) -> Iterator[str]:
        text = str(request.param)
        words = [sys.executable, "-c", SLOWLY, str(run.sync), text, "--exit-dir", str(run.exits)]
        with subprocess.Popen(words) as monitor:
            run.monitor_pidfile.write_text(str(monitor.pid))
            yield text

    @pytest.mark.parametrize("says", ['{"data": 12345}\n'], indirect=True)
    def test_is_heard_when_it_is_whole(self, run: Run, says: str) -> None:
        assert heard(run, time.monotonic() + 20) == Answer(12345)

    @pytest.mark.parametrize("says", ['{"data": 12345}'], indirect=True)
    def test_is_none_where_it_breaks_off(self, run: Run, says: str) -> None:
        """What is a pid of somebody else so far is not taken for one."""
        assert heard(run, time.monotonic() + 20) is None
