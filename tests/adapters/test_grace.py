"""The grace period is begun early, and nothing else happens."""

import os
import threading
from pathlib import Path

import pytest
from tests.waiting import until

from lockgate.adapters.oci.cgroups import Cgroups, Hierarchy
from lockgate.adapters.oci.grace import Grace, standing

SYSTEMD, MEMORY, CPU, UNIFIED = (
    Hierarchy(Path("/sys/fs/cgroup", name), frozenset(controllers))
    for name, controllers in (
        ("systemd", {"name=systemd"}),
        ("memory", {"memory"}),
        ("cpu", {"cpu", "cpuacct"}),
        ("unified", set[str]()),
    )
)
MEMBERSHIP = "9:name=systemd:/a\n4:memory:/b/c\n3:cpuacct,cpu:/\n0::/d:e\n"


@pytest.mark.parametrize(
    ("mounted", "file"),
    [
        ((UNIFIED, MEMORY, SYSTEMD), "systemd/a/tasks"),
        ((UNIFIED, MEMORY), "memory/b/c/tasks"),
        ((UNIFIED, CPU), "cpu/tasks"),
        ((UNIFIED,), "unified/d:e/cgroup.threads"),
    ],
)
def test_a_thread_gets_to_where_its_process_is(mounted: tuple[Hierarchy, ...], file: str) -> None:
    assert standing(Cgroups(mounted), MEMBERSHIP) == Path("/sys/fs/cgroup", file)


@pytest.mark.parametrize("membership", ["", "0::/d\n", "4:memory:/../b\n"])
def test_there_may_be_no_such_place(membership: str) -> None:
    with pytest.raises(FileNotFoundError):
        standing(Cgroups((MEMORY,)), membership)


def graces() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("grace")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hierarchy:
    """A tree, made of directories, of which this process is told to be a member; and what is expected
    is kept ready for until it was looked at, however busy the machine is."""
    monkeypatch.setattr("lockgate.adapters.oci.grace.MEANWHILE", 1.0)
    line = Path("/proc/self/cgroup").read_text().splitlines()[0]
    names = line.split(":", 2)[1]
    tree = Hierarchy(tmp_path, frozenset(filter(None, names.split(","))))
    file = standing(Cgroups((tree,)), line)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return tree


def test_a_thread_is_moved_to_where_it_is_for_a_while(place: Hierarchy) -> None:
    (file,) = place.mountpoint.rglob("*s")
    grace = Grace(Cgroups((place,)))
    grace.expect()
    grace.expect()
    until(lambda: file.stat().st_size > 0, "nobody was moved")
    moved = [thread for thread in threading.enumerate() if thread.name == "grace, moved"]
    assert len(moved) == 1, "one for all who expect something"
    assert file.read_text().startswith(str(moved[0].native_id)), "and it was that one"
    until(lambda: not graces(), "a thread outlived what it was for")
    file.write_text("")
    grace.expect()
    until(lambda: file.stat().st_size > 0, "it is not for once")
    until(lambda: not graces())


@pytest.mark.parametrize("cgroups", [(), (MEMORY,)])
def test_where_it_cannot_be_done_nothing_is_said(cgroups: tuple[Hierarchy, ...]) -> None:
    grace = Grace(Cgroups(cgroups))
    grace.expect()
    until(lambda: not graces())


def test_a_forked_child_has_threads_of_its_own(place: Hierarchy) -> None:
    (file,) = place.mountpoint.rglob("*s")
    grace = Grace(Cgroups((place,)))
    grace.expect()
    until(lambda: file.stat().st_size > 0)
    if not (child := os.fork()):
        left = graces()
        grace.expect()
        os._exit(0 if graces() and not left else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    until(lambda: not graces())


@pytest.mark.parametrize("room", [0, 1])
def test_without_room_for_threads_nothing_is_said(
    place: Hierarchy, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    (file,) = place.mountpoint.rglob("*s")
    grace, begun = Grace(Cgroups((place,))), threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if len(graces()) >= room:
            raise RuntimeError("can't start new thread")
        begun(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        grace.expect()
        until(lambda: not graces())
    assert file.stat().st_size == 0
    grace.expect()
    until(lambda: file.stat().st_size > 0, "and then there was")
    until(lambda: not graces())


@pytest.mark.skipif(os.geteuid() != 0, reason="cgroups are root's")
def test_this_process_stays_where_it_is() -> None:
    before = Path("/proc/self/cgroup").read_text()
    Grace(Cgroups.here()).expect()
    until(lambda: not graces())
    assert Path("/proc/self/cgroup").read_text() == before
