"""Looking into root file systems: what is exported can be imported, what has changed is told, and
a container that changes everything meanwhile harms nobody."""

import io
import os
import socket
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.adapters.storage import OverlayContents, OverlayStorage, sparse
from lockgate.adapters.storage.mounting import view_of_layers
from lockgate.adapters.storage.sparse import MOST, Extents, extents_of
from lockgate.adapters.syscalls import UnmountFlag, unmount
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError

from .layouts import Layout, directory, member

pytestmark = pytest.mark.real

CONFIG = Config(id="c" * 64, image="base")
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[OverlayStorage]:
    """One image of two layers, and a container of it, not mounted."""
    layout = Layout()
    layout.tag(
        layout.image(
            [
                directory("etc"),
                member("etc/passwd", content=b"root"),
                member("etc/group", content=b"wheel"),
                directory("old"),
                member("old/a"),
                member("old/b"),
                member("gone", content=b"gone"),
                member("tool", content=b"#!", mode=0o4755),
            ],
            [member(".wh.gone"), member("etc/hosts", content=b"hosts")],
        )
    )
    storage = OverlayStorage(tmp_path / "lockgate", patience=0.02)
    storage.images.import_image("base", layout.write(tmp_path / "layout"))
    storage.create(CONFIG)
    yield storage
    while True:
        try:
            unmount(storage.root / "containers" / CONFIG.id / "merged", UnmountFlag.DETACH)
        except OSError:
            return


@pytest.fixture
def contents(storage: OverlayStorage) -> OverlayContents:
    return OverlayContents(storage)


@pytest.fixture
def merged(storage: OverlayStorage) -> Path:
    """The container's root file system, mounted."""
    return Path(storage.mount(CONFIG).mountpoint)


def exported(contents: OverlayContents, config: Config = CONFIG) -> tarfile.TarFile:
    out = io.BytesIO()
    contents.export(config, out)
    out.seek(0)
    return tarfile.open(fileobj=out)


def changes(contents: OverlayContents) -> list[str]:
    return [f"{one.kind} {one.path}" for one in contents.changes(CONFIG)]


class TestExport:
    @pytest.mark.parametrize("mounted", [True, False])
    def test_is_what_the_container_sees(
        self, storage: OverlayStorage, contents: OverlayContents, merged: Path, mounted: bool
    ) -> None:
        (merged / "new").write_bytes(b"new")
        (merged / "etc/passwd").unlink()
        if not mounted:
            storage.unmount(CONFIG)
        with exported(contents) as tar:
            assert tar.getnames() == [
                *(".", "etc", "etc/group", "etc/hosts", "new", "old", "old/a", "old/b", "tool")
            ]
            assert tar.getmember("tool").mode == 0o4755

    def test_comes_back_by_an_import_as_it_was(
        self, storage: OverlayStorage, contents: OverlayContents, merged: Path, tmp_path: Path
    ) -> None:
        (merged / "hard").hardlink_to(merged / "tool")
        (merged / "link").symlink_to("/etc/shadow")
        os.mkfifo(merged / "fifo", 0o620)
        os.mknod(merged / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        (merged / "capable").touch()
        os.setxattr(merged / "capable", "security.capability", CAPABILITY)
        os.setxattr(merged / "capable", "user.note", b"\xff\x00\n=")
        os.chown(merged / "capable", 3_000_000_000, 7)
        os.utime(merged / "etc", ns=(1, -1_500_000_001))
        os.utime(merged / "tool", ns=(1, 1_234_567_890_123_456_789))
        (merged / os.fsdecode(b"name-\xff\n")).write_bytes(b"?")
        deep = merged / ("d" * 200) / ("e" * 200)
        deep.mkdir(parents=True)
        (deep / "f").write_bytes(b"deep")
        with (tmp_path / "out.tar").open("wb") as out:
            contents.export(CONFIG, out)
        back = storage.images.import_image("back", tmp_path / "out.tar")
        again = storage.images.import_image("again", merged)
        assert back.layers == again.layers

    def test_is_understood_by_others(
        self, contents: OverlayContents, merged: Path, tmp_path: Path
    ) -> None:
        (merged / "hard").hardlink_to(merged / "tool")
        os.utime(merged / "tool", ns=(1, 1_234_567_890_123_456_789))
        os.setxattr(merged / "tool", "user.note", b"kept")
        with (tmp_path / "out.tar").open("wb") as out:
            contents.export(CONFIG, out)
        (tmp_path / "top").mkdir()
        command = ["tar", "--xattrs", "-xpf", "out.tar", "-C", "top"]
        subprocess.run(command, check=True, cwd=tmp_path)
        tool = (tmp_path / "top/tool").stat()
        assert (tool.st_mtime_ns, tool.st_nlink) == (1_234_567_890_123_456_789, 2)
        assert os.getxattr(tmp_path / "top/tool", "user.note") == b"kept"

    def test_into_a_pipe_and_with_holes(self, contents: OverlayContents, merged: Path) -> None:
        """A gigabyte of nothing takes time to write but no memory and no disk."""
        with (merged / "sparse").open("wb") as file:
            file.truncate(1 << 30)
            file.seek(1 << 29)
            file.write(b"middle")
        with subprocess.Popen(["tar", "-tvf", "-"], stdin=subprocess.PIPE, stdout=-1) as tar:
            assert tar.stdin is not None and tar.stdout is not None
            contents.export(CONFIG, tar.stdin)  # type: ignore[arg-type]
            tar.stdin.close()
            listed = tar.stdout.read().decode()
        assert f" {1 << 30} " in listed and tar.returncode == 0

    def test_holes_are_not_written(
        self, storage: OverlayStorage, contents: OverlayContents, merged: Path, tmp_path: Path
    ) -> None:
        """An exabyte that is not there, and what GNU tar makes of it; names of any bytes."""
        with (merged / "vast").open("wb") as file:
            file.truncate(1 << 42)
            file.seek(1 << 41)
            file.write(b"middle")
        name = os.fsdecode(b"dir/" + b"n" * 200 + b"\xff")
        (merged / "dir").mkdir()
        (merged / name).touch()
        os.truncate(merged / name, 5 << 20)
        os.setxattr(merged / name, "user.note", b"kept")
        with (tmp_path / "out.tar").open("wb") as out:
            contents.export(CONFIG, out)
        assert (tmp_path / "out.tar").stat().st_size < 1 << 20
        with tarfile.open(tmp_path / "out.tar", errors="surrogateescape") as tar:
            assert tar.getmember("vast").size == 1 << 42
            assert tar.getmember(name).size == 5 << 20
        (tmp_path / "top").mkdir()
        command = ["tar", "--xattrs", "-xpf", "out.tar", "-C", "top"]
        subprocess.run(command, check=True, cwd=tmp_path)
        made = tmp_path / "top/vast"
        assert (made.stat().st_size, made.stat().st_blocks) == (1 << 42, 8)
        with made.open("rb") as file:
            file.seek(1 << 41)
            assert file.read(7) == b"middle\0"
        assert (tmp_path / "top" / name).stat().st_size == 5 << 20
        assert os.getxattr(tmp_path / "top" / name, "user.note") == b"kept"

    def test_a_file_that_shrinks_meanwhile_keeps_the_archive_whole(
        self, contents: OverlayContents, merged: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with (merged / "holes").open("wb") as file:
            file.truncate(4 << 20)
            file.write(b"data")

        def extents(fd: int, size: int) -> Extents:
            os.truncate(merged / "holes", 0)
            return ((0, 4), (1 << 20, 4))

        monkeypatch.setattr(sparse, "extents_of", extents)
        with exported(contents) as tar:
            content = tar.extractfile("holes")
            assert content is not None and content.read() == bytes(4 << 20)
            assert "tool" in tar.getnames()

    def test_sockets_are_left_out(self, contents: OverlayContents, merged: Path) -> None:
        here = os.open(merged, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{here}/socket")
            os.close(here)
            with exported(contents) as tar:
                assert "socket" not in tar.getnames()

    def test_links_lead_nowhere(
        self, contents: OverlayContents, merged: Path, tmp_path: Path
    ) -> None:
        """L-43: whatever they point to, and wherever they are."""
        (tmp_path / "secret").write_bytes(b"secret")
        (merged / "file").symlink_to(tmp_path / "secret")
        (merged / "up").symlink_to(tmp_path)
        with exported(contents) as tar:
            assert all(tar.getmember(name).issym() for name in ("file", "up"))
            assert not [name for name in tar.getnames() if "secret" in name]

    def test_a_directory_that_becomes_a_link_meanwhile(
        self,
        contents: OverlayContents,
        merged: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """L-43: after it was looked at, and before it is entered."""
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/secret").write_bytes(b"secret")
        (merged / "swapped").mkdir()
        lstat = os.lstat

        def lstat_then_swap(name: bytes, *, dir_fd: int) -> os.stat_result:
            found = lstat(name, dir_fd=dir_fd)
            if name == b"swapped":
                (merged / name.decode()).rename(merged / "away")
                (merged / name.decode()).symlink_to(tmp_path / "outside")
            return found

        with monkeypatch.context() as patched:
            patched.setattr("lockgate.adapters.storage.directory.os.lstat", lstat_then_swap)
            with exported(contents) as tar:
                assert "tool" in tar.getnames()
                assert not [name for name in tar.getnames() if "secret" in name]

    def test_an_attribute_that_goes_meanwhile(
        self, contents: OverlayContents, merged: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (merged / "file").write_bytes(b"content")
        for name in ("user.gone", "user.kept"):
            os.setxattr(merged / "file", name, b"value")
        getxattr = os.getxattr

        def taken_away_then_get(fd: int, name: str) -> bytes:
            if name == "user.gone":
                os.removexattr(fd, name)
            return getxattr(fd, name)

        monkeypatch.setattr("lockgate.adapters.storage.directory.os.getxattr", taken_away_then_get)
        with exported(contents) as tar:
            headers = tar.getmember("file").pax_headers
        assert headers.get("SCHILY.xattr.user.kept") == "value"
        assert "SCHILY.xattr.user.gone" not in headers

    @pytest.mark.parametrize("then", ["gone", "fifo", "shorter", "longer"])
    def test_a_file_that_changes_meanwhile(
        self,
        contents: OverlayContents,
        merged: Path,
        monkeypatch: pytest.MonkeyPatch,
        then: str,
    ) -> None:
        (merged / "big").write_bytes(b"x" * 3_000_000)
        opened = os.open
        read = os.read

        def open_then_change(
            name: object, flags: int, *mode: int, dir_fd: int | None = None
        ) -> int:
            if name == b"big" and then in ("gone", "fifo"):
                (merged / "big").unlink()
                if then == "fifo":
                    os.mkfifo(merged / "big")
            return opened(name, flags, *mode, dir_fd=dir_fd)  # type: ignore[arg-type]

        def read_then_change(fd: int, size: int) -> bytes:
            data = read(fd, size)
            if data.startswith(b"x"):
                os.truncate(merged / "big", 10 if then == "shorter" else 9_000_000)
            return data

        monkeypatch.setattr("lockgate.adapters.storage.directory.os.open", open_then_change)
        if then in ("shorter", "longer"):
            monkeypatch.setattr("lockgate.adapters.storage.directory.os.read", read_then_change)
        with exported(contents) as tar:
            assert "tool" in tar.getnames()
            assert ("big" in tar.getnames()) == (then in ("shorter", "longer"))
            if then in ("shorter", "longer"):
                assert tar.getmember("big").size == 3_000_000

    def test_does_not_keep_anybody_from_unmounting(
        self, storage: OverlayStorage, contents: OverlayContents, merged: Path
    ) -> None:
        """The view is one of our own: no waiting, no lazy detaching."""

        class Unmounts(io.BytesIO):
            def write(self, data: object) -> int:
                unmount(merged)
                unmounted.append(merged)
                return super().write(b"")

        unmounted: list[Path] = []
        with pytest.raises(OSError, match="Invalid argument"):  # by the second write at the latest
            (merged / "large").write_bytes(bytes(3 << 20))
            contents.export(CONFIG, Unmounts())
        assert unmounted == [merged]

    def test_of_a_plain_directory(self, contents: OverlayContents, tmp_path: Path) -> None:
        (tmp_path / "plain").mkdir()
        (tmp_path / "plain/file").write_bytes(b"1234567")
        (tmp_path / "plain/again").hardlink_to(tmp_path / "plain/file")
        config = Config(id="d" * 64, rootfs=str(tmp_path / "plain"))
        with exported(contents, config) as tar:
            assert tar.getnames() == [".", "again", "file"]
        assert (contents.sizes(config).written, contents.sizes(config).image) == (7, 0)
        with pytest.raises(PortError, match="no image") as caught:
            contents.changes(config)
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("refused", False)

    def test_of_a_container_that_is_not_there(self, contents: OverlayContents) -> None:
        config = Config(id="e" * 64, image="base")
        for ask in (contents.changes, contents.sizes, lambda one: exported(contents, one)):
            with pytest.raises(PortError, match="has no layer") as caught:
                ask(config)
            assert (caught.value.fault.kind, caught.value.fault.dirty) == ("missing", False)

    def test_of_an_unmounted_one_with_many_layers(
        self, storage: OverlayStorage, tmp_path: Path
    ) -> None:
        layers: list[Path] = []
        for number in range(40):
            layers.append(tmp_path / f"layer,with:strange\\name-{number}")
            layers[-1].mkdir()
            (layers[-1] / f"of {number}").touch()
        view = view_of_layers(layers)
        try:
            assert len(os.listdir(view)) == 40  # noqa: PTH208 - a descriptor has no path
            with pytest.raises(OSError, match="Read-only"):
                os.mkdir("new", dir_fd=view)
        finally:
            os.close(view)

    def test_leaves_nothing_open_or_mounted(
        self, storage: OverlayStorage, contents: OverlayContents, merged: Path
    ) -> None:
        def left() -> tuple[int, str]:
            mounts = Path("/proc/self/mountinfo").read_text()
            return len(list(Path("/proc/self/fd").iterdir())), mounts

        before = left()
        exported(contents).close()
        contents.changes(CONFIG)
        contents.sizes(CONFIG)
        assert left() == before
        storage.unmount(CONFIG)
        before = left()
        exported(contents).close()
        assert left() == before


class TestChanges:
    def test_of_one_that_never_ran(self, contents: OverlayContents) -> None:
        assert changes(contents) == []

    def test_added_changed_deleted(
        self, storage: OverlayStorage, contents: OverlayContents, merged: Path
    ) -> None:
        (merged / "new/deep").mkdir(parents=True)
        (merged / "new/deep/file").touch()
        (merged / "etc/passwd").write_bytes(b"other")
        (merged / "etc/group").unlink()
        (merged / "old/a").chmod(0o600)
        (merged / "gone").touch()  # an upper layer of the image had deleted it
        expected = [
            *("C /etc", "D /etc/group", "C /etc/passwd", "A /gone"),
            *("A /new", "A /new/deep", "A /new/deep/file", "C /old", "C /old/a"),
        ]
        assert changes(contents) == expected
        storage.unmount(CONFIG)
        assert changes(contents) == expected

    def test_a_directory_that_was_replaced(self, contents: OverlayContents, merged: Path) -> None:
        for name in ("a", "b"):
            (merged / "old" / name).unlink()
        (merged / "old").rmdir()
        (merged / "old").mkdir()
        (merged / "old/b").mkdir()
        assert changes(contents) == ["C /old", "D /old/a", "A /old/b"]

    def test_another_kind(self, contents: OverlayContents, merged: Path) -> None:
        (merged / "tool").unlink()
        (merged / "tool").mkdir()
        (merged / "tool/file").touch()
        assert changes(contents) == ["C /tool", "A /tool/file"]

    def test_what_came_and_went_again(self, contents: OverlayContents, merged: Path) -> None:
        (merged / "new").touch()
        (merged / "new").unlink()
        assert changes(contents) == []

    def test_names_that_are_no_text(self, contents: OverlayContents, merged: Path) -> None:
        (merged / os.fsdecode(b"a\xffb")).touch()
        assert changes(contents) == ["A /a\\xffb"]


class TestSizes:
    def test_each_file_once(self, contents: OverlayContents, merged: Path) -> None:
        """L-42: however many names it has. Directories and links are no content."""
        assert (contents.sizes(CONFIG).written, contents.sizes(CONFIG).image) == (0, 20)
        (merged / "file").write_bytes(b"12345")
        (merged / "again").hardlink_to(merged / "file")
        (merged / "link").symlink_to("file")
        (merged / "etc/group").unlink()
        assert (contents.sizes(CONFIG).written, contents.sizes(CONFIG).image) == (5, 20)


class TestExtents:
    def test_are_where_data_is(self, tmp_path: Path) -> None:
        with (tmp_path / "f").open("w+b") as file:
            file.truncate(10 << 20)
            for at in (0, 5 << 20):
                file.seek(at)
                file.write(b"x")
            file.flush()
            assert extents_of(file.fileno(), 10 << 20) == ((0, 4096), (5 << 20, 4096))
            assert extents_of(file.fileno(), 2) == ((0, 2),)
            assert os.read(file.fileno(), 2) == b"x\0"  # it is read from its beginning

    def test_of_too_many_the_last_takes_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert MOST > 1000
        monkeypatch.setattr(sparse, "MOST", 2)
        with (tmp_path / "f").open("wb") as file:
            for at in range(5):
                file.seek(at << 20)
                file.write(b"x")
            file.flush()
            found = extents_of(file.fileno(), 1 << 30)
        assert found == ((0, 4096), (1 << 20, (3 << 20) + 1))
