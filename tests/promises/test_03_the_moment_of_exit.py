"""3. No space, or bad bytes, at the moment of exit: the end is noticed all the same, the listing
shows the others, and it can be stopped, started and removed.

Established engines show it as up for ever, or fail in every command (FAULTS rows d, e and f).
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.disks import Disk
from tests.engine.conftest import Simulation
from tests.promises.conftest import let_go, patient
from tests.waiting import until

from lockgate import AlreadyStopped, Engine, Record, Status
from lockgate.adapters.simulated import DRIFTS
from lockgate.testing import busybox


def test_on_the_simulated_host(simulation: Simulation) -> None:
    engine = simulation.engine()
    web = engine.create(name="web", image="busybox", restart="always")
    engine.create(name="other", image="busybox")
    engine.start("web")
    simulation.host.drift(web.id, DRIFTS["killed"])
    simulation.host.drift(web.id, DRIFTS["report lost"])
    converges(engine, -1)


def converges(engine: Engine, code: int) -> None:
    """Whoever looks is told the end of it; the others are shown; and every command works."""
    until(lambda: engine.inspect("web").status is Status.STOPPED)
    assert {one.config.name for one in engine.list()} == {"web", "other"}
    web = engine.inspect("web")
    assert (web.exit_code, engine.wait("web")) == (code, code)
    assert bool(web.exit_reason) == (code == -1)
    with pytest.raises(AlreadyStopped):
        engine.stop("web", timeout=0)
    Path(web.mountpoint, "go").unlink(missing_ok=True)  # this time it stays
    assert engine.start("web").status is Status.RUNNING
    assert engine.stop("web", timeout=0).status is Status.STOPPED
    engine.remove("web", force=True)
    assert [one.config.name for one in engine.list()] == ["other"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Disk(tmp_path / "disk") as made:
        made.mount("size=16m,nr_inodes=2k")
        yield made


@pytest.fixture
def small(disk: Disk, tmp_path: Path, runtime: str) -> Iterator[Engine]:
    """An engine whose folder is on a small disk."""
    with Engine.open(disk.place / "root", runtime=runtime) as engine:
        engine.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield engine
        disk.empty()
        for record in engine.list():
            engine.remove(record.id, force=True, timeout=0)


def files(engine: Engine, record: Record) -> Path:
    return Path(record.mountpoint).parents[2] / "run" / record.id / str(record.epoch)


@contextmanager
def nowhere(place: Path) -> Iterator[None]:
    """A file system in which there is no room at all."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "x", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.real
class TestReal:
    @pytest.mark.parametrize("inodes", [True, False])
    def test_row_d_no_room_for_the_exit_file(self, inodes: bool, small: Engine, disk: Disk) -> None:
        patient(small)
        patient(small, "other")
        let_go_into_a_full(disk, small.start("web"), blocks=not inodes, inodes=inodes)
        assert {one.config.name for one in small.list()} == {"web", "other"}
        # what was full is so still: it can be looked at, ended and removed
        small.remove("other")
        small.remove("web", force=True)
        assert small.list() == ()

    def test_row_d_when_there_is_room_again(self, small: Engine, disk: Disk) -> None:
        patient(small)
        patient(small, "other")
        let_go_into_a_full(disk, small.start("web"), blocks=True, inodes=True)
        disk.empty()
        converges(small, small.wait("web"))

    def test_row_e_room_in_one_place_only(self, engine: Engine) -> None:
        patient(engine)
        patient(engine, "other")
        record = engine.start("web")
        with nowhere(files(engine, record) / "persist"):
            let_go(record)
            until(lambda: engine.inspect("web").status is Status.STOPPED)
        converges(engine, engine.wait("web"))

    @pytest.mark.parametrize("content", [b"", b"seven", b"7" * 5000, b"\xff", b"-5", b"99999"])
    def test_row_f_bytes_that_are_no_code(self, content: bytes, engine: Engine) -> None:
        patient(engine)
        patient(engine, "other")
        record = engine.start("web")
        let_go(record)
        until(lambda: not alive(record))
        place = files(engine, record)
        until(lambda: (place / "exits" / record.id).exists())
        for name in (f"exits/{record.id}", "persist/exit"):
            (place / name).write_bytes(content)
        converges(engine, -1)


def alive(record: Record) -> bool:
    assert record.process is not None
    return Path(f"/proc/{record.process.pid}/exe").exists()


def let_go_into_a_full(disk: Disk, record: Record, *, blocks: bool, inodes: bool) -> None:
    """It ends when nothing can be written any more: the file that lets it go was made before."""
    let = Path(record.mountpoint, "stop")
    let.touch()
    disk.fill(blocks=blocks, inodes=inodes)
    let.rename(let.with_name("go"))
    until(lambda: not alive(record))
