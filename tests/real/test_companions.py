"""Those beside a container's first process: a monitor that stands still, groups of processes killed at one
blow, and children that outlive it (FAULTS §3.2, §3.8). Whatever becomes of them, the next command
recovers, the promises hold, and nothing is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.ground import Ground
from tests.oracle import judged, recovered
from tests.waiting import until

from lockgate import Engine, Record, Status
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.effects.config import Namespaces, cgroup
from lockgate.effects.model import Process

pytestmark = [pytest.mark.real, pytest.mark.slow]

SLEEP = ["sleep", "600"]
SOON = 1.0
"""Seconds in which whoever only looks has an answer."""


def brought(engine: Engine, stage: str) -> Record:
    engine.create(name="web", image="busybox", command=SLEEP, network="private")
    engine.init("web")
    if stage != "created":
        engine.start("web")
    if stage == "paused":
        engine.pause("web")
    if stage == "joined":
        engine.exec("web", SLEEP)
    return engine.inspect("web")


def monitor_of(record: Record) -> Process:
    assert record.monitor is not None
    return record.monitor


class TestAMonitorThatStandsStill:
    """It lives, and says nothing: it is not dead, and there is no more to be learnt."""

    @pytest.mark.parametrize("stage", ["created", "running", "paused", "joined"])
    def test_everything_can_be_looked_at_and_removed(
        self, stage: str, engine: Engine, root: Path
    ) -> None:
        before = Ground.of(root)
        monitor = monitor_of(brought(engine, stage))
        os.kill(monitor.pid, signal.SIGSTOP)
        began = time.monotonic()
        engine.list()
        engine.inspect("web")
        assert time.monotonic() - began < SOON
        engine.remove("web", force=True, timeout=0)
        before.still(root)

    def test_it_goes_on_and_tells_the_truth(self, engine: Engine, root: Path) -> None:
        """Nobody made up an end meanwhile."""
        before = Ground.of(root)
        record = brought(engine, "running")
        monitor = monitor_of(record)
        os.kill(monitor.pid, signal.SIGSTOP)
        assert record.process is not None
        os.kill(record.process.pid, signal.SIGKILL)
        assert engine.inspect("web").exit_code is None
        with pytest.raises(TimeoutError):
            engine.wait("web", timeout=0.5)
        os.kill(monitor.pid, signal.SIGCONT)
        assert engine.wait("web", timeout=20) == 137
        judged(engine, root, before)

    @pytest.mark.parametrize("dead", [False, True])
    def test_a_stop_makes_it_go_on(self, dead: bool, engine: Engine, root: Path) -> None:
        """Else nobody would ever say how it has ended."""
        before = Ground.of(root)
        record = brought(engine, "running")
        os.kill(monitor_of(record).pid, signal.SIGSTOP)
        if dead:
            assert record.process is not None
            os.kill(record.process.pid, signal.SIGKILL)
        assert engine.stop("web", timeout=0).exit_code == 137
        judged(engine, root, before)


class TestAGroupKilledAtOneBlow:
    @pytest.mark.parametrize("stage", ["created", "running", "joined"])
    @pytest.mark.parametrize("whose", ["monitor", "process"])
    def test_of_the_monitor_or_of_the_container(
        self, whose: str, stage: str, engine: Engine, root: Path
    ) -> None:
        before = Ground.of(root)
        record = brought(engine, stage)
        first = record.process if whose == "process" else record.monitor
        assert first is not None
        os.killpg(os.getpgid(first.pid), signal.SIGKILL)
        if whose == "process":
            until(lambda: engine.inspect("web").status not in (Status.CREATED, Status.RUNNING))
        judged(engine, root, before)

    @pytest.mark.parametrize("delay", [0.0, 0.1, 0.2, 0.3, 0.5])
    def test_of_whoever_starts_it(
        self, delay: float, engine: Engine, root: Path, runtime: str
    ) -> None:
        """A terminal that is closed takes along whoever is at work in it, and no container."""
        before = Ground.of(root)
        engine.create(name="web", image="busybox", command=SLEEP)
        line = [sys.executable, "-c", "from lockgate.cli import main; main()"]
        line += ["--root", str(root), "--runtime", runtime, "start", "web"]
        with subprocess.Popen(line, start_new_session=True, stdout=subprocess.DEVNULL) as at_work:
            time.sleep(delay)
            os.killpg(at_work.pid, signal.SIGKILL)
        judged(engine, root, before)


class TestSurvivors:
    """Without a pid namespace of its own, what a container began outlives its first process."""

    CHILD = "setsid sleep 600 & setsid sleep 600 & "

    @pytest.fixture
    def ground(self, root: Path) -> Ground:
        return Ground.of(root)

    def begun(self, engine: Engine, then: str, **wishes: object) -> Record:
        engine.create(
            name="web",
            image="busybox",
            command=["sh", "-c", self.CHILD + then],
            namespaces=Namespaces(pid="host"),
            **wishes,  # type: ignore[arg-type]
        )
        return engine.start("web")

    def living(self, record: Record) -> frozenset[int]:
        return Cgroups.here().members(cgroup(record.config))

    @pytest.fixture
    def outlived(self, engine: Engine, ground: Ground) -> Record:
        """It has ended by itself, its children have not. `ground`: as it was before."""
        record = self.begun(engine, "exit 7")
        assert engine.wait("web") == 7
        assert len(self.living(record)) == 2
        return record

    def test_it_has_ended_when_its_first_process_has(
        self, outlived: Record, engine: Engine, root: Path, ground: Ground
    ) -> None:
        assert engine.inspect("web").status is Status.STOPPED
        assert recovered(engine, root) == (engine.inspect("web"),)
        engine.remove("web")
        ground.still(root)

    def test_they_go_with_what_is_cleaned_up(self, outlived: Record, engine: Engine) -> None:
        engine.cleanup("web")
        assert not self.living(outlived)

    def test_another_run_does_not_meet_them(self, outlived: Record, engine: Engine) -> None:
        old = self.living(outlived)
        engine.start("web")
        assert not old & self.living(outlived)

    def test_a_stop_ends_them_too(self, engine: Engine) -> None:
        """L-85: all of its cgroup is killed."""
        record = self.begun(engine, "exec sleep 600")
        until(lambda: len(self.living(record)) == 3)
        engine.stop("web", timeout=0)
        until(lambda: not self.living(record), "its children live on")

    def test_a_policy_begins_anew_without_them(self, engine: Engine) -> None:
        record = self.begun(engine, "sleep 1; exit 7", restart="on-failure", restart_retries=1)

        def over() -> bool:
            seen = engine.inspect("web")
            return (seen.restarts, seen.todo, seen.exit_code) == (1, (), 7)

        until(over)
        assert len(self.living(record)) == 2
