"""6. A disk that is completely full, of blocks and of inodes: what is there can be listed, stopped and
removed, and then there is room.

In established engines removal has to write before it can free anything (FAULTS B101, B102).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.disks import Disk
from tests.promises.conftest import patient

from lockgate import Engine, Status
from lockgate.effects.ports import StoreError
from lockgate.errors import LockgateError
from lockgate.testing import busybox
from lockgate.testing import properties as promised

NAMES = ("web", "ended", "idle")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Disk(tmp_path / "disk") as small:
        small.mount("size=24m,nr_inodes=3k")
        yield small


@pytest.fixture
def folder(disk: Disk, tmp_path: Path, runtime: str) -> Iterator[Path]:
    """Three containers, one of them running; no engine is open."""
    root = disk.place / "root"
    with Engine.open(root, runtime=runtime) as engine:
        engine.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        for name in NAMES:
            patient(engine, name)
        for name in ("web", "ended"):
            record = engine.start(name)
            Path(record.mountpoint, "data").write_bytes(bytes(1 << 19))
        engine.kill("ended")
    yield root
    disk.empty()
    with Engine.open(root, runtime=runtime) as engine:
        for record in engine.list():
            engine.remove(record.id, force=True, timeout=0)


def full(disk: Disk) -> None:
    disk.fill(inodes=True)
    assert disk.free() == (0, 0)


@pytest.mark.real
@pytest.mark.parametrize("how", ["stop first", "by force"])
def test_it_is_listed_stopped_and_removed(how: str, folder: Path, disk: Disk, runtime: str) -> None:
    full(disk)
    before = disk.free()
    with Engine.open(folder, runtime=runtime) as engine:
        assert [one.config.name for one in engine.list()] == list(NAMES)
        assert engine.inspect("web").status is Status.RUNNING
        if how == "stop first":
            assert engine.stop("web", timeout=0).status is Status.STOPPED
        for name in NAMES:
            engine.remove(name, force=True, timeout=0)
            if name != "idle":  # which has written nothing, and its history stays
                promised.freed(before, disk.free())
            before = disk.free()
        assert engine.list() == ()
        # and now there is room for another
        patient(engine, "another")
        engine.remove("another")


@pytest.mark.real
def test_who_was_there_before_it_was_full_can_go_on(folder: Path, disk: Disk, runtime: str) -> None:
    with Engine.open(folder, runtime=runtime) as engine:
        full(disk)
        with pytest.raises((LockgateError, StoreError), match="no space"):
            patient(engine, "another")
        for name in NAMES:
            engine.remove(name, force=True, timeout=0)
        assert engine.list() == ()
