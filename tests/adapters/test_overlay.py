"""Overlay storage on the real kernel: mounted or not is its word, twice is once, and no tree is
too hostile to remove."""

import errno
import fcntl
import os
import shutil
import stat
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.lying import lies_once

from lockgate.adapters.filesystem import LocalFilesystem
from lockgate.adapters.storage import OverlayStorage
from lockgate.adapters.storage.records import Records, identified
from lockgate.adapters.storage.removal import remove_tree
from lockgate.adapters.syscalls import MountFlag, UnmountFlag, mount, mounted_at, unmount
from lockgate.effects.config import Config, Security
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image

real = pytest.mark.real

ID = "c" * 64
CONFIG = Config(id=ID, image="base")

IMMUTABLE, APPEND_ONLY = 0x10, 0x20
SET_FLAGS = 0x40086602


def mounts_below(place: Path) -> list[str]:
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split(" ")[4].replace("\\054", ",") for line in table]
    return [point for point in points if point.startswith(f"{place}/")]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root; whatever a failing test leaves mounted below it goes away."""
    yield tmp_path / "lockgate"
    for point in reversed(mounts_below(tmp_path)):
        unmount(point, UnmountFlag.NOFOLLOW | UnmountFlag.DETACH)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "etc").mkdir(parents=True)
    (source / "etc/passwd").write_bytes(b"root:x:0:0\n")
    return source


@pytest.fixture
def storage(root: Path, source: Path) -> OverlayStorage:
    """Storage with one image, `base`."""
    storage = OverlayStorage(root, patience=0.02)
    storage.images.import_image("base", source)
    return storage


@pytest.fixture
def place(storage: OverlayStorage) -> Path:
    return storage.root / "containers" / ID


def refusal(error: pytest.ExceptionInfo[PortError]) -> tuple[str, bool]:
    return error.value.fault.kind, error.value.fault.dirty


def set_flags(path: Path, flags: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SET_FLAGS, struct.pack("=Q", flags))
    finally:
        os.close(fd)


# ---- a life ----------------------------------------------------------------------------


@real
class TestLife:
    def test_from_create_to_delete(self, storage: OverlayStorage, place: Path) -> None:
        storage.create(CONFIG)
        merged = Path(storage.mount(CONFIG).mountpoint)
        assert merged == place / "merged"
        assert (merged / "etc/passwd").read_bytes() == b"root:x:0:0\n"
        (merged / "etc/passwd").write_bytes(b"mine\n")
        storage.unmount(CONFIG)
        assert list(merged.iterdir()) == []
        storage.mount(CONFIG)
        assert (merged / "etc/passwd").read_bytes() == b"mine\n"
        storage.unmount(CONFIG)
        LocalFilesystem(storage.root).write_spec(CONFIG, b"{}")
        (place / "ctr.log").write_bytes(b"said")
        storage.delete(CONFIG)
        assert list(place.parent.iterdir()) == []

    def test_what_a_container_writes_no_other_sees(self, storage: OverlayStorage) -> None:
        other = Config(id="d" * 64, image="base")
        for config in (CONFIG, other):
            storage.create(config)
        mine, theirs = (Path(storage.mount(config).mountpoint) for config in (CONFIG, other))
        (mine / "file").write_bytes(b"mine")
        (mine / "etc/passwd").unlink()
        assert not (theirs / "file").exists()
        assert (theirs / "etc/passwd").exists()
        for config in (CONFIG, other):
            storage.unmount(config)
            storage.delete(config)

    def test_twice_is_once(self, storage: OverlayStorage, place: Path) -> None:
        for _ in range(2):
            storage.create(CONFIG)
        for _ in range(3):
            assert storage.mount(CONFIG).mountpoint == str(place / "merged")
        assert mounts_below(place) == [str(place / "merged")]
        storage.create(CONFIG)
        for _ in range(2):
            storage.unmount(CONFIG)
        assert mounts_below(place) == []
        for _ in range(2):
            storage.delete(CONFIG)
        storage.unmount(CONFIG)

    def test_undoing_what_was_never_done(self, tmp_path: Path) -> None:
        storage = OverlayStorage(tmp_path / "never")
        storage.unmount(CONFIG)
        storage.delete(CONFIG)
        assert list(tmp_path.iterdir()) == []

    def test_another_process_knows_as_much(self, storage: OverlayStorage, place: Path) -> None:
        """Nothing is remembered: a second instance carries on where the first one stopped."""
        storage.create(CONFIG)
        storage.mount(CONFIG)
        other = OverlayStorage(storage.root)
        other.mount(CONFIG)
        assert len(mounts_below(place)) == 1
        other.unmount(CONFIG)
        storage.delete(CONFIG)

    def test_layers_of_a_stack_hide_what_is_below(
        self, storage: OverlayStorage, source: Path
    ) -> None:
        (source / "etc/passwd").unlink()
        (source / "etc/group").write_bytes(b"root:x:0:\n")
        os.mknod(source / "etc/passwd", stat.S_IFCHR, 0)
        storage.images.import_image("above", source, base="base")
        config = Config(id=ID, image="above")
        storage.create(config)
        merged = Path(storage.mount(config).mountpoint)
        assert [path.name for path in (merged / "etc").iterdir()] == ["group"]
        storage.unmount(config)

    def test_the_container_sees_owner_and_mode_of_the_images_top(
        self, storage: OverlayStorage, source: Path, place: Path
    ) -> None:
        source.chmod(0o1751)
        os.chown(source, 12, 13)
        storage.images.import_image("base", source)
        before = os.umask(0o777)
        try:
            storage.create(CONFIG)
        finally:
            os.umask(before)
        top = Path(storage.mount(CONFIG).mountpoint).stat()
        assert (stat.S_IMODE(top.st_mode), top.st_uid, top.st_gid) == (0o1751, 12, 13)
        storage.unmount(CONFIG)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
        assert modes == {"upper": 0o1751, "work": 0o700, "merged": 0o700}
        for path in (place, place.parent, storage.root / "layers", storage.root / "images"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700

    def test_what_the_container_did_to_its_top_is_kept(self, storage: OverlayStorage) -> None:
        storage.create(CONFIG)
        Path(storage.mount(CONFIG).mountpoint).chmod(0o700)
        storage.create(CONFIG)
        top = Path(storage.mount(CONFIG).mountpoint).stat()
        assert stat.S_IMODE(top.st_mode) == 0o700
        storage.unmount(CONFIG)

    def test_a_create_that_was_cut_short_is_finished(
        self, storage: OverlayStorage, place: Path
    ) -> None:
        storage.create(CONFIG)
        (place / "merged").rmdir()
        (place / "work").rmdir()
        (place / "upper").chmod(0)
        storage.create(CONFIG)
        merged = Path(storage.mount(CONFIG).mountpoint)
        assert stat.S_IMODE(merged.stat().st_mode) == 0o755
        storage.unmount(CONFIG)

    def test_devices_in_a_root_file_system_are_inert(self, storage: OverlayStorage) -> None:
        storage.create(CONFIG)
        device = Path(storage.mount(CONFIG).mountpoint) / "null"
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        with pytest.raises(PermissionError):
            device.read_bytes()
        storage.unmount(CONFIG)

    def test_but_not_in_that_of_the_privileged(self, storage: OverlayStorage) -> None:
        config = replace(CONFIG, security=Security(privileged=True))
        storage.create(config)
        device = Path(storage.mount(config).mountpoint) / "null"
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        assert device.read_bytes() == b""
        storage.unmount(config)


# ---- images ----------------------------------------------------------------------------


class TestImages:
    def test_a_missing_image_leaves_no_trace(self, storage: OverlayStorage) -> None:
        with pytest.raises(PortError, match="there are: base") as caught:
            storage.create(Config(id=ID, image="absent"))
        assert refusal(caught) == ("missing", False)
        assert not (storage.root / "containers").exists()

    @real
    def test_a_container_keeps_the_image_it_was_made_from(
        self, storage: OverlayStorage, source: Path
    ) -> None:
        pinned = Config(id=ID, image="base", image_id=storage.images.lookup("base").id)
        storage.create(pinned)
        (source / "etc/passwd").write_bytes(b"newer")
        storage.images.import_image("base", source)
        merged = Path(storage.mount(pinned).mountpoint)
        assert (merged / "etc/passwd").read_bytes() == b"root:x:0:0\n"
        storage.unmount(pinned)

    def test_a_pinned_image_that_is_gone(self, storage: OverlayStorage) -> None:
        with pytest.raises(PortError, match="import it again") as caught:
            storage.create(Config(id=ID, image="base", image_id="0" * 64))
        assert refusal(caught) == ("missing", False)

    def test_a_lost_layer(self, storage: OverlayStorage) -> None:
        storage.create(CONFIG)
        shutil.rmtree(storage.root / "layers")
        for use in (storage.create, storage.mount):
            with pytest.raises(PortError, match="image base lost its layer") as caught:
                use(CONFIG)
            assert refusal(caught) == ("missing", False)

    @real
    def test_a_damaged_record_holds_nobody_prisoner(
        self, storage: OverlayStorage, place: Path
    ) -> None:
        """P11: what cannot be mounted any more can still be unmounted and deleted."""
        storage.create(CONFIG)
        storage.mount(CONFIG)
        (storage.root / "images/base.json").write_bytes(b"\xff")
        storage.mount(CONFIG)
        storage.unmount(CONFIG)
        with pytest.raises(PortError, match="damaged"):
            storage.mount(CONFIG)
        storage.delete(CONFIG)
        assert not place.exists()

    @pytest.mark.parametrize(
        "config",
        [Config(id=ID), Config(id=ID, image="base", rootfs="/"), Config(id="../x", image="base")],
        ids=["neither", "both", "hostile id"],
    )
    def test_a_config_that_makes_no_sense(self, storage: OverlayStorage, config: Config) -> None:
        with pytest.raises(PortError) as caught:
            storage.create(config)
        assert refusal(caught) == ("refused", False)
        assert not (storage.root / "containers").exists()


class TestPlainDirectories:
    @pytest.fixture
    def config(self, source: Path, tmp_path: Path) -> Config:
        (tmp_path / "link").symlink_to(source)
        return Config(id=ID, rootfs=str(tmp_path / "link"))

    def test_are_used_as_they_are(
        self, storage: OverlayStorage, place: Path, source: Path, config: Config
    ) -> None:
        storage.create(config)
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert list(place.iterdir()) == []
        assert storage.mount(config).mountpoint == str(source)
        assert mounts_below(source.parent) == []
        storage.unmount(config)
        storage.delete(config)
        assert not place.exists()
        assert (source / "etc/passwd").exists()

    @real
    def test_are_never_unmounted(self, storage: OverlayStorage, config: Config) -> None:
        rootfs = Path(config.rootfs).resolve()
        mount("theirs", rootfs, "tmpfs", MountFlag.NODEV)
        storage.create(config)
        storage.mount(config)
        storage.unmount(config)
        storage.delete(config)
        assert mounted_at(rootfs) is not None
        unmount(rootfs)

    @pytest.mark.parametrize("rootfs", ["/absent", "relative", "/etc/passwd"])
    def test_must_be_there(self, storage: OverlayStorage, rootfs: str) -> None:
        config = Config(id=ID, rootfs=rootfs)
        for use in (storage.create, storage.mount):
            with pytest.raises(PortError, match="no absolute path of a directory") as caught:
                use(config)
            assert refusal(caught) == ("missing", False)


# ---- mounting --------------------------------------------------------------------------


@real
class TestMount:
    def test_before_create(self, storage: OverlayStorage) -> None:
        with pytest.raises(PortError, match="create it first") as caught:
            storage.mount(CONFIG)
        assert refusal(caught) == ("missing", False)

    def test_something_else_in_its_place(self, storage: OverlayStorage, place: Path) -> None:
        storage.create(CONFIG)
        mount("somebody", place / "merged", "tmpfs", MountFlag.NODEV)
        with pytest.raises(PortError, match="somebody") as caught:
            storage.mount(CONFIG)
        assert refusal(caught) == ("refused", False)
        assert len(mounts_below(place)) == 1
        storage.unmount(CONFIG)

    def test_another_containers_mount_in_its_place(self, storage: OverlayStorage) -> None:
        other = Config(id="d" * 64, image="base")
        for config in (CONFIG, other):
            storage.create(config)
        theirs = storage.mount(other).mountpoint
        mine = storage.root / "containers" / ID / "merged"
        mount(theirs, mine, "", MountFlag.BIND)
        with pytest.raises(PortError, match="not ours"):
            storage.mount(CONFIG)
        for config in (CONFIG, other):
            storage.unmount(config)

    def test_a_part_of_its_own_mount_in_its_place(
        self, storage: OverlayStorage, place: Path
    ) -> None:
        storage.create(CONFIG)
        mount(
            str(Path(storage.mount(CONFIG).mountpoint) / "etc"),
            place / "merged",
            "",
            MountFlag.BIND,
        )
        with pytest.raises(PortError, match="not ours"):
            storage.mount(CONFIG)
        storage.unmount(CONFIG)
        assert mounts_below(place) == []

    @pytest.mark.parametrize("name", ["a,b", "a:b", "a\\b", "a b", "a\nb", "é", "x" * 250])
    def test_wherever_the_root_is(self, tmp_path: Path, source: Path, name: str) -> None:
        storage = OverlayStorage(tmp_path / name / name)
        storage.images.import_image("base", source)
        storage.create(CONFIG)
        merged = Path(storage.mount(CONFIG).mountpoint)
        assert (merged / "etc/passwd").exists()
        storage.mount(CONFIG)
        storage.unmount(CONFIG)
        storage.delete(CONFIG)

    @pytest.mark.parametrize("count", [30, 150, 400, 500])
    def test_however_many_layers(self, storage: OverlayStorage, count: int) -> None:
        """By one string; by one string of short names; layer by layer; and all the kernel stacks."""
        layers = tuple(f"{number:064x}" for number in range(count))
        for number, layer in enumerate(layers):
            path = storage.images.layers.path(layer)
            path.mkdir()
            (path / "which").write_text(str(number))
            (path / f"of {number}").touch()
        Records(storage.root).put(identified(Image(name="deep", layers=layers)))
        config = Config(id=ID, image="deep")
        storage.create(config)
        before = len(list(Path("/proc/self/fd").iterdir()))
        merged = Path(storage.mount(config).mountpoint)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        assert (merged / "which").read_text() == str(count - 1)
        assert len(list(merged.iterdir())) == count + 1
        storage.mount(config)
        storage.unmount(config)
        storage.delete(config)

    def test_what_the_kernel_refuses_names_the_place(
        self, storage: OverlayStorage, place: Path
    ) -> None:
        storage.create(CONFIG)
        (place / "work").rmdir()
        (place / "work").touch()
        with pytest.raises(OSError, match="overlay of 1 layers") as caught:
            storage.mount(CONFIG)
        assert caught.value.filename == str(place / "merged")
        assert mounts_below(place) == []

    def test_after_a_lazy_unmounting_it_can_be_mounted_again(
        self, storage: OverlayStorage, place: Path
    ) -> None:
        storage.create(CONFIG)
        with (Path(storage.mount(CONFIG).mountpoint) / "etc/passwd").open():
            storage.unmount(CONFIG)
            merged = Path(storage.mount(CONFIG).mountpoint)
            assert (merged / "etc/passwd").exists()
            storage.unmount(CONFIG)

    def test_threads_mount_side_by_side(self, storage: OverlayStorage) -> None:
        """No working directory is involved, which they would share."""
        configs = [Config(id=f"{number:064x}", image="base") for number in range(8)]
        here = Path.cwd()
        errors: list[BaseException] = []

        def live(config: Config) -> None:
            try:
                for _ in range(5):
                    storage.create(config)
                    merged = Path(storage.mount(config).mountpoint)
                    (merged / "whose").write_text(config.id)
                    storage.unmount(config)
                    storage.mount(config)
                    assert (merged / "whose").read_text() == config.id
                    storage.unmount(config)
                    storage.delete(config)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=live, args=(config,)) for config in configs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert Path.cwd() == here


@real
class TestUnmount:
    def test_busy_for_a_moment_is_waited_for(
        self, storage: OverlayStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage.create(CONFIG)
        busy = (Path(storage.mount(CONFIG).mountpoint) / "etc/passwd").open()
        flags: list[UnmountFlag] = []

        def recorded(target: Path, how: UnmountFlag) -> None:
            flags.append(how)
            unmount(target, how)

        monkeypatch.setattr("lockgate.adapters.storage.overlay.unmount", recorded)
        monkeypatch.setattr(
            "lockgate.adapters.storage.overlay.time.sleep", lambda seconds: busy.close()
        )
        storage.unmount(CONFIG)
        assert flags == [UnmountFlag.NOFOLLOW, UnmountFlag.NOFOLLOW]

    def test_busy_for_good_is_detached(self, storage: OverlayStorage, place: Path) -> None:
        storage.create(CONFIG)
        merged = Path(storage.mount(CONFIG).mountpoint)
        with (merged / "etc/passwd").open("rb") as busy:
            storage.unmount(CONFIG)
            assert mounts_below(place) == []
            assert busy.read() == b"root:x:0:0\n"
            storage.delete(CONFIG)
            assert not place.exists()

    def test_with_mounts_inside(self, storage: OverlayStorage, place: Path) -> None:
        storage.create(CONFIG)
        merged = Path(storage.mount(CONFIG).mountpoint)
        mount("volume", merged / "etc", "tmpfs", MountFlag.NODEV)
        storage.unmount(CONFIG)
        assert mounts_below(place) == []

    def test_mounts_on_top_of_one_another(self, storage: OverlayStorage, place: Path) -> None:
        storage.create(CONFIG)
        merged = Path(storage.mount(CONFIG).mountpoint)
        mount("above", merged, "tmpfs", MountFlag.NODEV)
        storage.unmount(CONFIG)
        assert mounts_below(place) == []

    def test_somebody_else_was_quicker(
        self, storage: OverlayStorage, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage.create(CONFIG)
        storage.mount(CONFIG)

        def after_another(target: Path, how: UnmountFlag) -> None:
            unmount(target, how)
            unmount(target, how)  # raises EINVAL: nothing is mounted any more

        monkeypatch.setattr("lockgate.adapters.storage.overlay.unmount", after_another)
        storage.unmount(CONFIG)
        assert mounts_below(place) == []

    def test_what_the_kernel_forbids_is_an_error(
        self, storage: OverlayStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage.create(CONFIG)
        storage.mount(CONFIG)

        def forbidden(target: Path, how: UnmountFlag) -> None:
            raise PermissionError(errno.EPERM, "injected")

        with monkeypatch.context() as patched:
            patched.setattr("lockgate.adapters.storage.overlay.unmount", forbidden)
            with pytest.raises(PermissionError):
                storage.unmount(CONFIG)
        storage.unmount(CONFIG)


# ---- deleting --------------------------------------------------------------------------


@real
class TestDelete:
    @pytest.mark.parametrize(
        ("call", "name"),
        [
            ("open", "containers"),
            ("rmdir", "upper"),
            ("unlink", "passwd"),
            ("rmdir", f".{CONFIG.id}.removing"),
        ],
    )
    def test_what_is_said_not_to_be_there_and_is_was_not_deleted(
        self,
        storage: OverlayStorage,
        place: Path,
        monkeypatch: pytest.MonkeyPatch,
        call: str,
        name: str,
    ) -> None:
        """What is believed to be gone stays for good (P06)."""
        storage.create(CONFIG)
        (place / "upper/passwd").touch()
        with monkeypatch.context() as patch:
            lies_once(patch, call, name)
            with suppress(OSError):
                storage.delete(CONFIG)
                assert not list(place.parent.iterdir()), "it was said to be done"
        storage.delete(CONFIG)
        assert not list(place.parent.iterdir())

    def test_not_while_it_is_mounted(self, storage: OverlayStorage, place: Path) -> None:
        storage.create(CONFIG)
        merged = Path(storage.mount(CONFIG).mountpoint)
        with pytest.raises(PortError, match="merged is still mounted") as caught:
            storage.delete(CONFIG)
        assert refusal(caught) == ("refused", False)
        assert (merged / "etc/passwd").exists()
        assert sorted(path.name for path in place.iterdir()) == ["merged", "upper", "work"]
        storage.unmount(CONFIG)

    @pytest.mark.parametrize("name", ["upper", "secrets"])
    def test_not_while_anything_in_the_bundle_is(
        self, storage: OverlayStorage, place: Path, name: str
    ) -> None:
        storage.create(CONFIG)
        (place / name).mkdir(exist_ok=True)
        mount("x", place / name, "tmpfs", MountFlag.NODEV)
        with pytest.raises(PortError, match=f"{name} is still mounted") as caught:
            storage.delete(CONFIG)
        assert refusal(caught) == ("refused", False)
        unmount(place / name)
        storage.delete(CONFIG)

    @pytest.mark.parametrize("kind", ["directory", "file"])
    def test_what_is_mounted_deep_inside_is_not_touched(
        self, storage: OverlayStorage, place: Path, tmp_path: Path, kind: str
    ) -> None:
        """A bind mount of the same file system: no device number gives it away."""
        precious = tmp_path / "precious"
        storage.create(CONFIG)
        target = place / "upper/a/b/c"
        if kind == "directory":
            (precious / "below").mkdir(parents=True)
            (precious / "file").write_bytes(b"1")
            target.mkdir(parents=True)
        else:
            precious.write_bytes(b"1")
            target.parent.mkdir(parents=True)
            target.touch()
        mount(str(precious), target, "", MountFlag.BIND)
        for _ in range(2):
            with pytest.raises(PortError, match="mounted on 'c'"):
                storage.delete(CONFIG)
        assert precious.exists()
        if kind == "directory":
            assert sorted(path.name for path in precious.iterdir()) == ["below", "file"]
        (point,) = mounts_below(place.parent)
        unmount(point)
        storage.delete(CONFIG)
        assert list(place.parent.iterdir()) == []
        assert precious.exists()

    def test_what_a_crash_left_is_finished_by_the_next_call(
        self, storage: OverlayStorage, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage.create(CONFIG)
        (place / "upper/file").touch()

        def die(above: int, name: str) -> None:
            if os.access(name, os.F_OK, dir_fd=above):
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("lockgate.adapters.storage.overlay.remove_tree", die)
            with pytest.raises(KeyboardInterrupt):
                storage.delete(CONFIG)
        assert not place.exists()
        assert len(list(place.parent.iterdir())) == 1
        storage.delete(CONFIG)
        assert list(place.parent.iterdir()) == []

    def test_a_life_after_half_a_death(self, storage: OverlayStorage, place: Path) -> None:
        storage.create(CONFIG)
        place.rename(place.with_name(f".{ID}.removing"))
        storage.create(CONFIG)
        assert (place / "merged").exists()
        storage.delete(CONFIG)
        assert list(place.parent.iterdir()) == []

    def test_no_space_for_a_new_name(
        self, storage: OverlayStorage, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage.create(CONFIG)

        def full(*names: str, src_dir_fd: int, dst_dir_fd: int) -> None:
            raise OSError(errno.ENOSPC, "injected")

        monkeypatch.setattr("lockgate.adapters.storage.overlay.os.rename", full)
        storage.delete(CONFIG)
        assert list(place.parent.iterdir()) == []

    @pytest.mark.parametrize("scarce", ["size=512k", "nr_inodes=64"])
    def test_on_a_full_file_system(self, root: Path, source: Path, scarce: str) -> None:
        """P25: with nothing left, unmounting and deleting succeed and give space back."""
        root.mkdir()
        mount("full", root, "tmpfs", MountFlag.NODEV, scarce)
        storage = OverlayStorage(root, patience=0.02)
        storage.images.import_image("base", source)
        storage.create(CONFIG)
        merged = Path(storage.mount(CONFIG).mountpoint)
        with pytest.raises(OSError) as caught:
            for number in range(1000):
                (merged / f"file{number}").write_bytes(bytes(8192))
        assert caught.value.errno == errno.ENOSPC
        before = os.statvfs(root)
        storage.unmount(CONFIG)
        storage.delete(CONFIG)
        after = os.statvfs(root)
        assert after.f_bavail > before.f_bavail or after.f_ffree > before.f_ffree
        assert list((root / "containers").iterdir()) == []
        unmount(root)


class TestRemoveTree:
    """What a container can leave in its upper directory."""

    @pytest.fixture
    def doomed(self, tmp_path: Path) -> Iterator[Path]:
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious/file").write_bytes(b"precious")
        (tmp_path / "doomed").mkdir()
        yield tmp_path / "doomed"
        subprocess.run(["rm", "-rf", tmp_path / "doomed"], check=True)

    @staticmethod
    def remove(doomed: Path) -> None:
        above = os.open(doomed.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            remove_tree(above, doomed.name)
        finally:
            os.close(above)
        assert not os.path.lexists(doomed)
        assert [path.name for path in doomed.parent.iterdir()] == ["precious"]
        assert (doomed.parent / "precious/file").read_bytes() == b"precious"

    def test_absent(self, doomed: Path) -> None:
        doomed.rmdir()
        self.remove(doomed)

    def test_a_file_or_a_link(self, doomed: Path) -> None:
        doomed.rmdir()
        doomed.symlink_to("precious")
        self.remove(doomed)
        os.mkfifo(doomed)
        self.remove(doomed)

    def test_links_are_not_followed(self, doomed: Path) -> None:
        (doomed / "a").symlink_to(doomed.parent / "precious")
        (doomed / "b").symlink_to("../precious/file")
        (doomed / "c").hardlink_to(doomed.parent / "precious/file")
        self.remove(doomed)

    @pytest.mark.parametrize("depth", [63, 64, 65, 200, 5000])
    def test_deeper_than_paths_descriptors_and_stacks_reach(self, doomed: Path, depth: int) -> None:
        fd = os.open(doomed, os.O_RDONLY)
        for _ in range(depth):
            os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
            os.mkdir("d" * 200, dir_fd=fd)
            above, fd = fd, os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
            os.close(above)
        os.close(fd)
        self.remove(doomed)

    def test_many_deep_branches(self, doomed: Path) -> None:
        trunk = doomed / "/".join("t" * 60)
        trunk.mkdir(parents=True)
        for branch in range(20):
            (trunk / str(branch) / "/".join("b" * 20)).mkdir(parents=True)
        self.remove(doomed)

    def test_more_names_than_one_look_shows(self, doomed: Path) -> None:
        for number in range(3000):
            (doomed / f"{number:0200}").touch()
        self.remove(doomed)

    def test_names_of_any_bytes(self, doomed: Path) -> None:
        for name in (b"\xff\xfe", b"new\nline", b"-rf", b" ", b"\x1b[2J", b"..."):
            Path(os.fsdecode(os.fsencode(doomed) + b"/" + name)).mkdir()
            Path(os.fsdecode(os.fsencode(doomed) + b"/" + name + b"/\xff")).touch()
        self.remove(doomed)

    def test_directories_that_shut_us_out(self, doomed: Path) -> None:
        (doomed / "a/b").mkdir(parents=True)
        (doomed / "a/b/file").touch()
        for path in (doomed / "a/b", doomed / "a", doomed):
            path.chmod(0)
        self.remove(doomed)

    @real
    @pytest.mark.parametrize("flags", [IMMUTABLE, APPEND_ONLY])
    @pytest.mark.parametrize("what", [".", "d", "d/file", "d/inner"])
    def test_what_must_not_be_changed(self, doomed: Path, what: str, flags: int) -> None:
        (doomed / "d/inner/deeper").mkdir(parents=True)
        (doomed / "d/file").touch()
        set_flags(doomed / what, flags)
        try:
            with pytest.raises(OSError):
                shutil.rmtree(doomed)
            self.remove(doomed)
        finally:
            if (doomed / what).exists():
                set_flags(doomed / what, 0)

    @real
    @pytest.mark.parametrize("mode", [0, 0o500])
    def test_shut_out_of_ones_own_directories(self, doomed: Path, mode: int) -> None:
        """Root is not shut out by permissions; others are, until they change them."""
        (doomed / "a/b").mkdir(parents=True)
        (doomed / "a/b/file").touch()
        for path in (doomed / "a/b", doomed / "a", doomed):
            os.chown(path, 1000, 1000)
            path.chmod(mode)
        os.chown(doomed.parent, 1000, 1000)
        above = os.open(doomed.parent, os.O_RDONLY | os.O_DIRECTORY)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgroups([])
                os.setresgid(1000, 1000, 1000)
                os.setresuid(1000, 1000, 1000)
                remove_tree(above, doomed.name)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        os.close(above)
        assert not doomed.exists()

    def test_names_that_appear_meanwhile(
        self, doomed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (doomed / "d").mkdir()
        (doomed / "d/file").touch()
        rmdir, busy = os.rmdir, [True] * 3

        def interfered(name: str, *, dir_fd: int) -> None:
            if name == "d" and busy:
                busy.pop()
                (doomed / "d/another").touch()
            rmdir(name, dir_fd=dir_fd)

        monkeypatch.setattr("lockgate.adapters.storage.removal.os.rmdir", interfered)
        self.remove(doomed)
        assert not busy

    def test_names_that_never_stop_appearing_are_given_up_on(
        self, doomed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(name: str, *, dir_fd: int) -> None:
            raise OSError(errno.ENOTEMPTY, "injected")

        with monkeypatch.context() as patched:
            patched.setattr("lockgate.adapters.storage.removal.os.rmdir", never)
            with pytest.raises(OSError, match="keep appearing"):
                self.remove(doomed)
        self.remove(doomed)

    def test_no_descriptor_stays_open(self, doomed: Path) -> None:
        (doomed / "/".join("d" * 100)).mkdir(parents=True)
        before = len(list(Path("/proc/self/fd").iterdir()))
        self.remove(doomed)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
