"""Volumes: a first container fills them, whatever it contains; a crash leaves none half made."""

import os
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lockgate.adapters.storage import Limits, OverlayStorage
from lockgate.adapters.storage.volumes import LocalVolumes
from lockgate.effects.config import Config, VolumeMount
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Volume

from .layouts import Layout, Member, directory, link, member

pytestmark = pytest.mark.real

CONFIG = Config(id="c" * 64, image="base")


@pytest.fixture
def storage(tmp_path: Path) -> OverlayStorage:
    return OverlayStorage(tmp_path / "lockgate")


@pytest.fixture
def volumes(storage: OverlayStorage) -> LocalVolumes:
    return storage.volumes


@pytest.fixture
def container(storage: OverlayStorage, tmp_path: Path) -> Callable[..., Config]:
    """Makes one whose image has these members."""

    def container(*members: Member) -> Config:
        layout = Layout()
        layout.tag(layout.image(members))
        storage.images.import_image("base", layout.write(tmp_path / "layout"))
        storage.create(CONFIG)
        return CONFIG

    return container


def unused(volume: Volume) -> tuple[str, ...]:
    return ()


def left_in(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "volumes").iterdir())


class TestFill:
    def test_with_owner_mode_and_all_that_is_in_it(
        self, volumes: LocalVolumes, container: Callable[..., Config]
    ) -> None:
        config = container(
            directory("data", mode=0o2770, uid=7, gid=8),
            member("data/file", content=b"1234", mode=0o640, uid=9, mtime=3),
            member("data/hard", tarfile.LNKTYPE, linkname="data/file"),
            link("data/link", "/etc/passwd"),
        )
        volumes.create("v")
        volume = volumes.fill("v", config, "/data")
        data = Path(volume.path)
        found = data.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o2770, 7, 8)
        file = (data / "file").stat()
        assert (file.st_nlink, file.st_uid, file.st_mtime) == (2, 9, 3)
        assert str((data / "link").readlink()) == "/etc/passwd"
        assert volumes.lookup("v") == volume and not volume.fresh

    def test_the_first_time_only(
        self, volumes: LocalVolumes, container: Callable[..., Config]
    ) -> None:
        """L-40: not again after it was emptied, and not when something is there."""
        config = container(directory("data"), member("data/file"))
        volumes.create("v")
        data = Path(volumes.fill("v", config, "/data").path)
        (data / "file").unlink()
        volumes.fill("v", config, "/data")
        assert list(data.iterdir()) == []
        full = Path(volumes.create("full").path)
        (full / "mine").touch()
        assert not volumes.fill("full", config, "/data").fresh
        assert [path.name for path in full.iterdir()] == ["mine"]

    def test_not_when_somebody_else_was_quicker(
        self,
        volumes: LocalVolumes,
        container: Callable[..., Config],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        config = container(directory("data"), member("data/file"))
        data = Path(volumes.create("v").path)
        locked = LocalVolumes._locked

        def late(self: LocalVolumes) -> AbstractContextManager[int]:
            monkeypatch.undo()
            volumes.fill("v", config, "/data")
            (data / "file").unlink()
            return locked(self)

        monkeypatch.setattr(LocalVolumes, "_locked", late)
        assert not volumes.fill("v", config, "/data").fresh
        assert list(data.iterdir()) == []

    @pytest.mark.parametrize("path", ["/absent", "/absent/deeper", "/file", "/file/deeper"])
    def test_with_nothing_where_there_is_no_directory(
        self, volumes: LocalVolumes, container: Callable[..., Config], path: str
    ) -> None:
        config = container(member("file"))
        data = Path(volumes.create("v").path)
        assert not volumes.fill("v", config, path).fresh
        assert list(data.iterdir()) == []
        assert stat.S_IMODE(data.stat().st_mode) == 0o755

    def test_an_empty_directory_gives_owner_and_mode(
        self, volumes: LocalVolumes, container: Callable[..., Config]
    ) -> None:
        config = container(directory("data", mode=0o1777, uid=5))
        volumes.create("v")
        found = Path(volumes.fill("v", config, "/data").path).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o1777, 5)

    @pytest.mark.parametrize("target", ["{outside}", "../../../../../../../../../..{outside}"])
    def test_links_stay_inside(
        self,
        volumes: LocalVolumes,
        container: Callable[..., Config],
        tmp_path: Path,
        target: str,
    ) -> None:
        """CVE-2020-1726: what the host has where the image's link points to."""
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/secret").touch()
        config = container(link("data", target.format(outside=tmp_path / "outside")))
        volumes.create("v")
        assert list(Path(volumes.fill("v", config, "/data").path).iterdir()) == []

    def test_links_are_followed_as_the_container_would(
        self, volumes: LocalVolumes, container: Callable[..., Config]
    ) -> None:
        config = container(directory("real"), member("real/file"), link("data", "/real"))
        volumes.create("v")
        assert [p.name for p in Path(volumes.fill("v", config, "/data").path).iterdir()] == ["file"]

    def test_all_or_nothing(
        self, storage: OverlayStorage, container: Callable[..., Config]
    ) -> None:
        config = container(directory("data"), member("data/a", content=b"12345"), member("data/b"))
        frugal = LocalVolumes(storage.root, storage.seen, limits=Limits(entries=2))
        data = Path(frugal.create("v").path)
        with pytest.raises(PortError, match="raise the limit") as caught:
            frugal.fill("v", config, "/data")
        assert not caught.value.fault.dirty
        assert list(data.iterdir()) == [] and frugal.lookup("v").fresh
        assert left_in(storage.root) == ["v"]
        assert len(list(Path(storage.volumes.fill("v", config, "/data").path).iterdir())) == 2


DIES = """
import os, signal, sys
from pathlib import Path
from lockgate.adapters.storage import OverlayStorage, volumes as module
from lockgate.effects.config import Config, VolumeMount
storage = OverlayStorage(Path(sys.argv[1]))
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
{target} = die
{act}
"""


class TestCrashes:
    @pytest.mark.parametrize(
        ("target", "act", "stays"),
        [
            ("module.os.rename", 'storage.volumes.create("v")', False),
            ("module.write_atomic", 'storage.volumes.create("v")', False),
            ("module.exchange", 'storage.volumes.fill("old", config, "/data")', True),
            ("module.syncfs", 'storage.volumes.fill("old", config, "/data")', True),
            ("module.remove_tree", 'storage.volumes.remove("old", lambda volume: ())', False),
        ],
    )
    def test_leave_a_whole_volume_or_none(
        self,
        storage: OverlayStorage,
        container: Callable[..., Config],
        target: str,
        act: str,
        stays: bool,
    ) -> None:
        config = container(directory("data"), member("data/file"))
        if "old" in act:
            storage.volumes.create("old")
        named = f'config = Config(id="{config.id}", image="{config.image}")'
        program = DIES.format(target=target, act=f"{named}\n{act}")
        died = subprocess.run([sys.executable, "-c", program, storage.root])
        assert died.returncode == -signal.SIGKILL
        assert [one.name for one in storage.volumes.list()] == (["old"] if stays else [])
        assert len(left_in(storage.root)) == 1 + stays
        if stays:
            assert storage.volumes.lookup("old").fresh
            assert not storage.volumes.fill("old", config, "/data").fresh
        storage.volumes.create("other")
        assert left_in(storage.root) == sorted(one.name for one in storage.volumes.list())


class TestRecords:
    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", ".x", "x" * 129, "ä", "a\0"])
    def test_names_that_are_none(self, volumes: LocalVolumes, name: str) -> None:
        for ask in (volumes.create, volumes.lookup, volumes.path):
            with pytest.raises(PortError, match="no volume name"):
                ask(name)

    @pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]"])
    def test_a_damaged_one_hurts_nobody_and_can_be_removed(
        self, storage: OverlayStorage, volumes: LocalVolumes, content: bytes
    ) -> None:
        volumes.create("bad")
        good = volumes.create("good")
        (storage.root / "volumes/bad/volume.json").write_bytes(content)
        assert volumes.list() == (Volume(name="bad"), good)
        with pytest.raises(PortError, match="record of volume 'bad' is damaged"):
            volumes.lookup("bad")
        volumes.remove("bad", unused)
        assert volumes.list() == (good,)

    def test_they_are_open_to_their_owner_alone(
        self, storage: OverlayStorage, volumes: LocalVolumes
    ) -> None:
        volumes.create("v")
        for path in ("volumes", "volumes/v"):
            assert stat.S_IMODE((storage.root / path).stat().st_mode) == 0o700

    def test_no_umask_changes_modes(self, volumes: LocalVolumes) -> None:
        before = os.umask(0o077)
        try:
            data = Path(volumes.create("v").path)
        finally:
            os.umask(before)
        assert stat.S_IMODE(data.stat().st_mode) == 0o755


def test_two_containers_that_take_the_same_volumes_in_opposite_order(
    storage: OverlayStorage, tmp_path: Path
) -> None:
    """Neither waits for the other: a lock is never held while another is asked for (L-119)."""
    (tmp_path / "rootfs").mkdir()
    names = [f"v{number}" for number in range(5)]

    def make(container: str, order: Sequence[str]) -> None:
        mounts = tuple(VolumeMount(volume=one, destination=f"/{one}") for one in (*order, order[0]))
        storage.create(Config(id=container, rootfs=str(tmp_path / "rootfs"), mounts=mounts))

    with ThreadPoolExecutor() as pool:
        made = [pool.submit(make, f"a{n}", names) for n in range(4)]
        made += [pool.submit(make, f"b{n}", names[::-1]) for n in range(4)]
        for one in made:
            one.result(timeout=20)
    assert [volume.name for volume in storage.volumes.list()] == names
