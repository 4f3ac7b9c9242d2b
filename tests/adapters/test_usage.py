"""What is used, as either version of cgroups writes it."""

import os
from pathlib import Path

import pytest

from lockgate.adapters.oci.cgroups import Cgroups, Hierarchy
from lockgate.adapters.oci.usage import LocalUsage
from lockgate.effects.config import Config
from lockgate.effects.usage import Usage

CONFIG = Config(id="c0ffee", cgroup_parent="/lockgate-test")
V1 = {
    "cpuacct": {"cpuacct.usage": "1500\n"},
    "memory": {"memory.usage_in_bytes": "4096\n", "memory.limit_in_bytes": "8192\n"},
    "pids": {"pids.current": "3\n"},
    "blkio": {
        "blkio.throttle.io_service_bytes": "8:0 Read 10\n8:0 Write 20\n8:16 Read 1\nTotal 31\n"
    },
}
V2 = {
    "cpu.stat": "usage_usec 2\nuser_usec 1\n",
    "memory.current": "4096\n",
    "memory.max": "8192\n",
    "pids.current": "3\n",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=0\n",
}


def written(folder: Path, files: dict[str, str]) -> None:
    place = folder / "lockgate-test" / "c0ffee"
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text)


@pytest.fixture
def v1(tmp_path: Path) -> LocalUsage:
    for controller, files in V1.items():
        written(tmp_path / controller, files)
    return LocalUsage(
        tmp_path, Cgroups(tuple(Hierarchy(tmp_path / one, frozenset({one})) for one in V1))
    )


@pytest.fixture
def v2(tmp_path: Path) -> LocalUsage:
    written(tmp_path, V2)
    return LocalUsage(tmp_path, Cgroups((Hierarchy(tmp_path, frozenset()),)))


def test_version_one(v1: LocalUsage) -> None:
    assert v1.measure(CONFIG) == Usage(
        cpu=1500, memory=4096, memory_limit=8192, pids=3, read=11, written=20
    )


def test_version_two(v2: LocalUsage) -> None:
    assert v2.measure(CONFIG) == Usage(
        cpu=2000, memory=4096, memory_limit=8192, pids=3, read=11, written=20
    )


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", "", "x"])
def test_no_limit_is_none(v1: LocalUsage, tmp_path: Path, text: str) -> None:
    written(tmp_path / "memory", {"memory.limit_in_bytes": text})
    assert v1.measure(CONFIG).memory_limit is None


def test_what_is_not_counted_is_nothing(tmp_path: Path) -> None:
    nothing = LocalUsage(tmp_path, Cgroups((Hierarchy(tmp_path, frozenset()),)))
    assert nothing.measure(CONFIG) == Usage()
    assert nothing.processes(CONFIG) == ()


def test_processes_are_those_in_the_cgroup_that_live(v2: LocalUsage, tmp_path: Path) -> None:
    written(tmp_path, {"cgroup.procs": f"{os.getpid()}\n999999999\n"})
    (ours,) = v2.processes(CONFIG)
    assert (ours.pid, ours.ppid, ours.uid) == (os.getpid(), os.getppid(), os.geteuid())
    assert (ours.state, ours.memory > 0, ours.cpu > 0) == ("R", True, True)
    said = Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
    assert list(ours.command) == said
    assert ours.age > 0 and ours.inside in (ours.pid, *range(2, ours.pid))


@pytest.mark.parametrize(
    ("tree", "name", "text", "killed"),
    [
        ("memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", True),
        ("memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", False),
        ("", "memory.events", "low 0\nmax 7\noom 1\noom_kill 2\n", True),
        ("", "memory.events", "low 0\nmax 7\noom 1\noom_kill 0\n", False),
        ("", "memory.events", "low 0\n", False),
        ("", "memory.events", "nonsense", False),
        ("", "other", "oom_kill 1", False),
        ("cpu", "memory.oom_control", "oom_kill 1", False),
    ],
)
def test_the_kernel_counts_whom_it_kills_for_memory(
    tmp_path: Path, tree: str, name: str, text: str, killed: bool
) -> None:
    place = tmp_path / "lockgate" / "web"
    place.mkdir(parents=True)
    (place / name).write_text(text)
    cgroups = Cgroups((Hierarchy(tmp_path, frozenset({tree} if tree else set[str]())),))
    assert cgroups.killed_for_memory("/lockgate/web") is killed
    assert not cgroups.killed_for_memory("/lockgate/other")
    assert not cgroups.killed_for_memory("")
