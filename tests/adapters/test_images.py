"""Images: what goes in comes out; what is hostile leaves no trace; a crash leaves only garbage
that the next one removes."""

import bz2
import fcntl
import gzip
import lzma
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.adapters.storage import Images, Limits, entries
from lockgate.adapters.storage.archive import read_archive
from lockgate.adapters.storage.entries import (
    Allowance,
    AnyEntry,
    Meta,
    Node,
    Parts,
    accepted,
    keeps,
    survey,
)
from lockgate.adapters.storage.removal import remove_tree
from lockgate.adapters.storage.unpack import unpack
from lockgate.adapters.syscalls import MountFlag, mount, unmount
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image

from .layouts import Member, directory, link, member, tar_bytes

real = pytest.mark.real
quick = pytest.mark.timeout(10)  # what must not block

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep


def hard_link(name: str, target: str) -> Member:
    return member(name, tarfile.LNKTYPE, linkname=target)


def device(name: str, major: int, minor: int, kind: bytes = tarfile.CHRTYPE) -> Member:
    return member(name, kind, devmajor=major, devminor=minor)


def holes(size: int, spans: str) -> dict[str, str]:
    """Headers of GNU tar's format 0.1."""
    return {"GNU.sparse.size": str(size), "GNU.sparse.map": spans}


def standing(headers: dict[str, str]) -> Member:
    """Global headers: those of every entry that follows."""
    records = b""
    for name, text in headers.items():
        rest = f" {name}={text}\n".encode()
        digits = next(n for n in range(1, 9) if len(str(len(rest) + n)) == n)
        records += str(len(rest) + digits).encode() + rest
    return member("headers", tarfile.XGLTYPE, content=records)


def zstd(plain: bytes) -> bytes:
    return subprocess.run(["zstd", "-c"], input=plain, check=True, stdout=subprocess.PIPE).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lockgate"


@pytest.fixture
def images(root: Path) -> Images:
    return Images(root, now=lambda: 1_700_000_000_000_000_000)


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Path]:
    """Writes an archive of these members and says where it is."""

    def pack(*members: Member) -> Path:
        (tmp_path / "archive.tar").write_bytes(tar_bytes(*members))
        return tmp_path / "archive.tar"

    return pack


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small root file system, as a directory."""
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin/sh").write_bytes(b"#!")
    (source / "bin/sh").chmod(0o755)
    (source / "bin/ash").hardlink_to(source / "bin/sh")
    (source / "lib").symlink_to("usr/lib")
    return source


def tree(images: Images, image: Image) -> Path:
    return images.layers.path(image.layers[-1])


def nobody(image: Image) -> tuple[str, ...]:
    """Uses it."""
    return ()


def left_in(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "layers").iterdir())


# ---- what goes in comes out ------------------------------------------------------------


class TestImport:
    def test_an_archive(self, images: Images, pack: Callable[..., Path]) -> None:
        archive = pack(
            directory("./"),
            directory("./bin", mode=0o711),
            member("./bin/sh", content=b"#!" * 3_000_000, mode=0o4755, mtime=1_000_000_000),
            hard_link("./bin/ash", "./bin/sh"),
            link("./lib", "usr/lib"),
            link("./dangling", "/nowhere/../at all"),
            member("./run/fifo", tarfile.FIFOTYPE, mode=0o600),
        )
        top = tree(images, images.import_image("busybox", archive))
        sh = (top / "bin/sh").stat()
        assert (top / "bin/sh").read_bytes() == b"#!" * 3_000_000
        assert stat.S_IMODE(sh.st_mode) == 0o4755
        assert sh.st_mtime == 1_000_000_000
        assert (top / "bin/ash").samefile(top / "bin/sh")
        assert stat.S_IMODE((top / "bin").stat().st_mode) == 0o711
        assert (top / "lib").readlink() == Path("usr/lib")
        assert (top / "dangling").readlink() == Path("/nowhere/../at all")
        assert (top / "run/fifo").is_fifo()
        assert stat.S_IMODE((top / "run").stat().st_mode) == 0o755

    def test_a_directory(self, images: Images, source: Path) -> None:
        os.utime(source / "bin", ns=(7, 7))
        top = tree(images, images.import_image("busybox", source))
        assert (top / "bin/sh").read_bytes() == b"#!"
        assert (top / "bin/ash").samefile(top / "bin/sh")
        assert not (top / "bin/sh").samefile(source / "bin/sh")
        assert (top / "lib").readlink() == Path("usr/lib")
        assert (top / "bin").stat().st_mtime_ns == 7

    @real
    @pytest.mark.parametrize("way", ["archive", "directory"])
    def test_owners_attributes_and_harmless_devices(
        self, images: Images, source: Path, pack: Callable[..., Path], way: str
    ) -> None:
        os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        (source / "null").chmod(0o666)
        os.chown(source / "lib", 12, 13, follow_symlinks=False)
        os.chown(source / "bin/sh", 10, 11)
        (source / "bin/sh").chmod(0o6755)
        os.setxattr(source / "bin/sh", "security.capability", CAPABILITY)
        os.setxattr(source / "bin", "user.note", b"\x00\xff")
        os.chown(source, 14, 15)
        if way == "archive":
            command = ["tar", "--xattrs", "--xattrs-include=*", "-cf", "-", "."]
            packed = subprocess.run(command, cwd=source, check=True, stdout=subprocess.PIPE).stdout
            shutil.rmtree(source)
            source.write_bytes(packed)
        top = tree(images, images.import_image("busybox", source))
        sh = (top / "bin/sh").stat()
        assert (sh.st_uid, sh.st_gid, stat.S_IMODE(sh.st_mode)) == (10, 11, 0o6755)
        assert os.getxattr(top / "bin/sh", "security.capability") == CAPABILITY
        assert os.getxattr(top / "bin", "user.note") == b"\x00\xff"
        assert ((top / "lib").lstat().st_uid, (top / "lib").lstat().st_gid) == (12, 13)
        null = (top / "null").stat()
        assert (null.st_rdev, stat.S_IMODE(null.st_mode)) == (os.makedev(1, 3), 0o666)
        assert (top.stat().st_uid, top.stat().st_gid) == (14, 15)

    @pytest.mark.parametrize(
        "compress",
        [
            gzip.compress,
            lambda plain: gzip.compress(plain[:1000]) + gzip.compress(plain[1000:]),
            bz2.compress,
            lambda plain: bz2.compress(plain[:1000]) + bz2.compress(plain[1000:]),
            lzma.compress,
            lambda plain: lzma.compress(plain[:1000]) + bytes(4) + lzma.compress(plain[1000:]),
            lambda plain: (
                subprocess.run(
                    ["zstd", "-c"], input=plain, check=True, stdout=subprocess.PIPE
                ).stdout
            ),
        ],
        ids=["gzip", "gzip twice", "bzip2", "bzip2 twice", "xz", "xz twice", "zstd"],
    )
    def test_however_compressed(
        self, images: Images, tmp_path: Path, compress: Callable[[bytes], bytes]
    ) -> None:
        plain = tar_bytes(member("a", content=os.urandom(100_000)), member("b", content=b"b"))
        (tmp_path / "plain").write_bytes(plain)
        (tmp_path / "compressed").write_bytes(compress(plain))
        image = images.import_image("compressed", tmp_path / "compressed")
        assert (tree(images, image) / "b").read_bytes() == b"b"
        assert image.layers == images.import_image("plain", tmp_path / "plain").layers

    @pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd])
    def test_a_sum_at_the_very_end_is_checked(
        self, images: Images, tmp_path: Path, compress: Callable[[bytes], bytes]
    ) -> None:
        whole = compress(tar_bytes(member("a")))
        (tmp_path / "cut").write_bytes(whole[:-2])
        with pytest.raises(PortError) as caught:
            images.import_image("cut", tmp_path / "cut")
        assert caught.value.fault.kind == "damaged"
        (tmp_path / "whole").write_bytes(whole)
        images.import_image("whole", tmp_path / "whole")

    def test_xz_may_not_ask_for_all_our_memory(self, images: Images, tmp_path: Path) -> None:
        """The same archive, but its header says: keep 2 GiB of dictionary."""
        packed = bytearray(lzma.compress(tar_bytes(member("a"))))
        start, size = 12, (packed[12] + 1) * 4
        assert packed[start + 2 : start + 4] == b"\x21\x01"
        packed[start + 4] = 38
        check = zlib.crc32(packed[start : start + size - 4])
        packed[start + size - 4 : start + size] = check.to_bytes(4, "little")
        (tmp_path / "greedy").write_bytes(packed)
        with pytest.raises(PortError, match="Memory usage limit"):
            images.import_image("x", tmp_path / "greedy")

    def test_nor_may_zstd(self, images: Images, tmp_path: Path) -> None:
        """A frame of one raw block (RFC 8878, 3.1.1), whose header says how much is to be kept."""
        plain = tar_bytes(member("a"))
        block = (len(plain) << 3 | 1).to_bytes(3, "little") + plain
        for window, name in ((27, "modest"), (28, "greedy")):
            header = b"\x28\xb5\x2f\xfd\0" + bytes([window - 10 << 3])
            (tmp_path / name).write_bytes(header + block)
        images.import_image("x", tmp_path / "modest")
        with pytest.raises(PortError, match="too much memory"):
            images.import_image("x", tmp_path / "greedy")

    def test_zstd_without_zstd(
        self, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in ("compression", "compression.zstd", "backports", "backports.zstd"):
            monkeypatch.setitem(sys.modules, module, None)
        (tmp_path / "file").write_bytes(b"\x28\xb5\x2f\xfd rest")
        with pytest.raises(PortError, match="install backports") as caught:
            images.import_image("x", tmp_path / "file")
        assert caught.value.fault.kind == "missing"

    def test_settings(self, images: Images, source: Path) -> None:
        image = images.import_image(
            "busybox",
            source,
            command=["sh", "-c"],
            env=["A=1"],
            workdir="/w",
            user="u",
            stop_signal=3,
        )
        assert image.command == ("sh", "-c")
        assert (image.env, image.workdir, image.user, image.stop_signal) == (("A=1",), "/w", "u", 3)
        assert (image.size, image.created_at) == (2, 1_700_000_000_000_000_000)
        assert images.lookup("busybox") == image

    def test_the_id_tells_content_and_settings_not_names(
        self, images: Images, source: Path
    ) -> None:
        one = images.import_image("one", source)
        assert images.import_image("two", source).id == one.id
        assert images.import_image("three", source, env=["A=1"]).id != one.id
        (source / "more").touch()
        assert images.import_image("four", source).id != one.id

    def test_above_a_base(self, images: Images, source: Path, pack: Callable[..., Path]) -> None:
        base = images.import_image("base", source, command=["sh"], user="u")
        image = images.import_image(
            "above", pack(member("x", content=b"12345")), base="base", user="v"
        )
        assert image.layers[0] == base.layers[0]
        assert len(image.layers) == 2
        assert (image.command, image.user, image.size) == (("sh",), "v", 7)

    def test_the_same_again_is_not_unpacked_again(
        self, images: Images, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        image = images.import_image("busybox", source)
        monkeypatch.setattr(
            "lockgate.adapters.storage.layers.unpack", None
        )  # whoever calls it fails
        assert images.import_image("busybox", source) == image
        assert images.import_image("other", source).layers == image.layers

    def test_a_directory_and_its_archive_share_the_layer(
        self, images: Images, source: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "tar").mkdir()
        command = ["tar", "--sort=name", "--format=pax", "-cf", str(tmp_path / "tar/x"), "."]
        subprocess.run(command, cwd=source, check=True)
        layers = images.import_image("directory", source).layers
        assert images.import_image("archive", tmp_path / "tar/x").layers == layers

    def test_an_older_image_of_the_name_is_kept_under_its_id(
        self, images: Images, source: Path
    ) -> None:
        old = images.import_image("busybox", source)
        (source / "new").touch()
        new = images.import_image("busybox", source)
        assert images.lookup("busybox") == new
        assert images.lookup(old.id).layers == old.layers
        assert images.pinned("busybox", old.id).layers == old.layers
        assert images.pinned("busybox", "") == new
        assert [image.name for image in images.list()] == sorted([old.id, "busybox"])

    def test_no_copy_is_kept_while_another_name_has_it(self, images: Images, source: Path) -> None:
        old = images.import_image("one", source)
        images.import_image("two", source)
        (source / "new").touch()
        images.import_image("one", source)
        assert [image.name for image in images.list()] == ["one", "two"]
        assert images.pinned("one", old.id).name == "two"

    @pytest.mark.parametrize("mask", [0, 0o777])
    def test_no_umask_changes_modes(
        self, images: Images, root: Path, pack: Callable[..., Path], mask: int
    ) -> None:
        archive = pack(
            member("d/f", mode=0o640), directory("e", mode=0o705), member("p", tarfile.FIFOTYPE)
        )
        root.mkdir()
        before = os.umask(mask)
        try:
            top = tree(images, images.import_image("x", archive))
        finally:
            os.umask(before)
        modes = {
            str(path.relative_to(top)): stat.S_IMODE(path.stat().st_mode) for path in top.rglob("*")
        }
        assert modes == {"d": 0o755, "d/f": 0o640, "e": 0o705, "p": 0o644}
        assert stat.S_IMODE(top.stat().st_mode) == 0o755
        assert stat.S_IMODE((root / "layers").stat().st_mode) == 0o700
        assert stat.S_IMODE((root / "images").stat().st_mode) == 0o700

    def test_attributes_whose_names_are_no_text_are_left_out(
        self, images: Images, pack: Callable[..., Path], source: Path
    ) -> None:
        headers = {f"SCHILY.xattr.user.{name}": "x" for name in ("QQ", "ä")}
        archive = pack(member("f", pax_headers=headers))
        archive.write_bytes(archive.read_bytes().replace(b"QQ", b"\xff\xfe"))
        image = images.import_image("x", archive)
        assert os.listxattr(tree(images, image) / "f") == ["user.ä"]
        for name in (b"user.\xff", "user.ä".encode()):
            os.setxattr(source / "bin/sh", name, b"x")
        image = images.import_image("y", source)
        assert os.listxattr(tree(images, image) / "bin/sh") == ["user.ä"]

    @pytest.mark.parametrize(
        ("attribute", "kept"),
        [
            ("security.capability", True),
            ("system.posix_acl_access", True),
            ("system.posix_acl_default", True),
            ("user.note", True),
            ("security.selinux", False),
            ("security.ima", False),
            ("trusted.md5sum", False),
        ],
    )
    def test_attributes_of_the_content_are_kept_those_of_its_host_are_not(
        self, attribute: str, kept: bool
    ) -> None:
        assert keeps(attribute) is kept

    @pytest.mark.parametrize(
        "attribute", ["trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque"]
    )
    def test_those_that_steer_overlays_are_refused(self, attribute: str) -> None:
        with pytest.raises(PortError, match=attribute):
            keeps(attribute)

    @pytest.mark.parametrize(
        "number", [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1)], ids=str
    )
    def test_devices_that_lead_nowhere_may_come(self, number: tuple[int, int]) -> None:
        one = Node((b"x",), Meta(0o666), "char", number)
        assert list(accepted([one], Allowance(Limits()))) == [one]

    def test_names_may_be_as_long_as_the_kernel_has_them(
        self, images: Images, pack: Callable[..., Path]
    ) -> None:
        image = images.import_image("x", pack(member("x" * 255)))
        assert [path.name for path in tree(images, image).iterdir()] == ["x" * 255]

    def test_later_entries_replace_earlier_ones(
        self, images: Images, pack: Callable[..., Path]
    ) -> None:
        archive = pack(
            member("a", content=b"old"),
            hard_link("b", "a"),
            member("a", content=b"new"),
            directory("d", mode=0o700),
            directory("d", mode=0o750),
            link("l", "a"),
            member("l", content=b"no link"),
        )
        top = tree(images, images.import_image("x", archive))
        assert (top / "a").read_bytes() == b"new"
        assert (top / "b").read_bytes() == b"old"
        assert stat.S_IMODE((top / "d").stat().st_mode) == 0o750
        assert (top / "l").read_bytes() == b"no link"
        assert not (top / "l").is_symlink()

    def test_a_link_through_which_nothing_goes_is_harmless(
        self, images: Images, source: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret/key").write_bytes(b"key")
        (source / "out").symlink_to(tmp_path / "secret")
        top = tree(images, images.import_image("x", source))
        assert (top / "out").is_symlink()
        assert sorted(path.name for path in top.iterdir()) == ["bin", "lib", "out"]

    def test_a_hard_link_to_a_link_is_another_name_of_the_link(
        self, images: Images, pack: Callable[..., Path], outside: Path
    ) -> None:
        archive = pack(link("l", str(outside / "file")), hard_link("h", "l"))
        top = tree(images, images.import_image("x", archive))
        assert (top / "h").is_symlink()
        assert (top / "h").lstat().st_ino == (top / "l").lstat().st_ino

    def test_bounds_are_for_each_entry_not_for_all(
        self, images: Images, pack: Callable[..., Path]
    ) -> None:
        archive = pack(*(member(f"{i}", pax_headers={"comment": "x" * 999}) for i in range(700)))
        assert archive.stat().st_size > 1 << 20
        images.import_image("x", archive)

    def test_of_many_entries_few_are_remembered(
        self, images: Images, pack: Callable[..., Path]
    ) -> None:
        archive = pack(*(member(f"{i}") for i in range(4000)))
        with archive.open("rb", buffering=0) as file:
            tracemalloc.start()
            try:
                assert sum(1 for _ in read_archive(file)) == 4000
                _, most = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert most < 2 << 20

    def test_a_time_out_of_this_world_is_the_epoch(
        self, images: Images, pack: Callable[..., Path]
    ) -> None:
        times = ["nan", "inf", "1e999999999", "-1e18", "x", "12.123456789"]
        archive = pack(*(member(str(i), pax_headers={"mtime": t}) for i, t in enumerate(times)))
        top = tree(images, images.import_image("x", archive))
        found = [(top / str(i)).stat().st_mtime_ns for i in range(len(times))]
        assert found == [0, 0, 0, 0, 0, 12_123_456_789]


@real
class TestWhiteouts:
    def test_become_what_overlayfs_understands(
        self, images: Images, pack: Callable[..., Path]
    ) -> None:
        archive = pack(member("d/.wh.gone"), member("e/.wh..wh..opq"), device("native", 0, 0))
        top = tree(images, images.import_image("x", archive))
        for name in ("d/gone", "native"):
            assert stat.S_ISCHR((top / name).lstat().st_mode)
            assert (top / name).lstat().st_rdev == 0
        assert os.getxattr(top / "e", "trusted.overlay.opaque") == b"y"
        assert "trusted.overlay.opaque" not in os.listxattr(top / "d")

    @pytest.mark.parametrize(
        "members",
        [
            (member(".wh.d"), directory("d")),
            (member(".wh.d"), member("d/file")),
            (directory("d"), member(".wh.d")),
        ],
        ids=["before", "before, implied", "after"],
    )
    def test_of_a_directory_the_layer_itself_has_make_it_opaque(
        self, images: Images, pack: Callable[..., Path], members: tuple[Member, ...]
    ) -> None:
        top = tree(images, images.import_image("x", pack(*members)))
        assert (top / "d").is_dir()
        assert os.getxattr(top / "d", "trusted.overlay.opaque") == b"y"

    def test_of_a_file_the_layer_itself_has_hide_only_what_is_below(
        self, images: Images, pack: Callable[..., Path]
    ) -> None:
        archive = pack(member("f", content=b"mine"), member(".wh.f"))
        assert (tree(images, images.import_image("x", archive)) / "f").read_bytes() == b"mine"


class TestHoles:
    """What GNU tar left out because it is only zeros is a hole again."""

    @pytest.mark.parametrize("format", ["oldgnu", "posix"])
    @pytest.mark.parametrize("version", ["0.0", "0.1", "1.0"])
    def test_in_every_format_of_gnu_tar(
        self, images: Images, source: Path, tmp_path: Path, format: str, version: str
    ) -> None:
        with (source / "many").open("wb") as file:
            for step in range(60):  # more than fit into one header
                file.seek(step << 20)
                file.write(b"data %d" % step)
            file.truncate(1 << 27)
        (source / "none").touch()
        os.truncate(source / "none", 1 << 24)
        words = ["--sparse", "--sort=name", f"--format={format}"]
        words += [f"--sparse-version={version}"] if format == "posix" else []
        archive = tmp_path / "sparse.tar"
        subprocess.run(["tar", *words, "-cf", archive, "-C", source, "."], check=True)
        assert archive.stat().st_size < 1 << 22
        image = images.import_image("x", archive)
        made = tree(images, image)
        for name in ("many", "none"):
            assert (made / name).read_bytes() == (source / name).read_bytes()
            assert (made / name).stat().st_blocks * 512 < 1 << 26
        if format == "posix":  # the other has no fractions of seconds
            assert image.layers == images.import_image("dense", source).layers


# ---- what is hostile leaves no trace ---------------------------------------------------

HOSTILE: dict[str, tuple[str, Iterable[Member]]] = {
    "parent": ("leads out", [member("../escaped")]),
    "parent within": ("leads out", [member("a/../../escaped")]),
    "parent that comes back": ("leads out", [member("a/../b")]),
    "absolute": ("absolute", [member("/tmp/escaped")]),
    "absolute link source": ("absolute", [hard_link("a", "/etc/passwd")]),
    "hard link out": ("leads out", [hard_link("a", "../../outside/file")]),
    "hard link to nothing": ("not there", [hard_link("a", "b")]),
    "hard link to itself": ("to itself", [member("a"), hard_link("a", "a")]),
    "hard link to a directory": ("to the directory", [directory("d"), hard_link("a", "d")]),
    "hard link to the top": ("to the top", [hard_link("a", ".")]),
    "hard link through a link": (
        "not there",
        [link("out", "../../../outside"), hard_link("a", "out/file")],
    ),
    "file through a link": ("leads through", [link("out", "{outside}"), member("out/new")]),
    "file through a relative link": (
        "leads through",
        [link("out", "../../../outside"), member("out/new")],
    ),
    "directory through a link": ("leads through", [link("out", "{outside}"), directory("out/d")]),
    "directory over a link": ("leads through", [link("out", "{outside}"), directory("out")]),
    "whiteout through a link": (
        "leads through",
        [link("out", "{outside}"), member("out/.wh.file")],
    ),
    "opaque through a link": (
        "leads through",
        [link("out", "{outside}"), member("out/.wh..wh..opq")],
    ),
    "through a file": ("leads through", [member("f"), member("f/g")]),
    "link over a directory": ("replace a directory", [directory("d"), link("d", "{outside}")]),
    "link over an implied directory": (
        "replace a directory",
        [member("d/f"), link("d", "{outside}"), member("d/file", content=b"overwritten")],
    ),
    "file over a directory": ("replace a directory", [directory("d"), member("d")]),
    "link over the top": ("top of the tree", [link(".", "{outside}")]),
    "NUL": ("NUL", [member("x", pax_headers={"path": "a\0b"})]),
    "NUL in a target": ("link to nothing", [link("x", "y", pax_headers={"linkpath": "a\0b"})]),
    "empty target": ("link to nothing", [link("x", "")]),
    "long component": ("longer than a path", [member("x" * 256)]),
    "long path": ("longer than a path", [member("/".join(["x"] * 2048) + "/y")]),
    "disk": ("reaches the host", [device("sda", 8, 0, tarfile.BLKTYPE)]),
    "memory": ("reaches the host", [device("mem", 1, 1)]),
    "block device with a harmless number": (
        "reaches the host",
        [device("x", 1, 3, tarfile.BLKTYPE)],
    ),
    "unknown type": ("type we do not know", [member("x", b"Z")]),
    **{
        f"sparse {words}": (
            "parts that make no file",
            [member("x", content=b"12", pax_headers=holes(size, spans))],
        )
        for words, size, spans in [
            ("and overlapping", 9, "0,2,1,1"),
            ("and backwards", 9, "5,1,0,1"),
            ("beyond the end", 9, "8,2"),
            ("before the beginning", 9, "-1,2"),
            ("by less than nothing", 9, "0,-2"),
        ]
    },
    "sparse and no file": (
        "has holes but is no file",
        [directory("x", pax_headers=holes(9, "0,1"))],
    ),
    "sparse with more than there is": (
        "negative size|ends in the middle|no readable",
        [member("x", content=b"1", pax_headers=holes(1 << 20, f"0,{1 << 20}"))],
    ),
    "sparse and vast": (
        "content exceeds",
        [member("x", content=b"1", pax_headers=holes(1 << 62, "0,1"))],
    ),
    "whiteout of nothing": ("whiteout of nothing", [member("a/.wh.")]),
    "whiteout of the parent": ("whiteout of nothing", [member("a/.wh...")]),
    "whiteout of itself": ("whiteout of nothing", [member("a/.wh..")]),
    "aufs": ("whiteout of nothing", [member(".wh..wh.plnk")]),
    "whiteout that is a directory": ("but is none", [directory(".wh.a")]),
    "below a whiteout": ("but is none", [member(".wh.a/b")]),
    "overlay redirect": (
        "upper directory",
        [directory("d", pax_headers={"SCHILY.xattr.trusted.overlay.redirect": "/etc"})],
    ),
    "attribute with NUL": ("NUL", [member("f", pax_headers={"SCHILY.xattr.user.\0": "x"})]),
    "header of digits": ("keep us busy", [member("f", pax_headers={"comment": "1" * 5000})]),
    "huge header": (
        "headers of an entry",
        [member("f", pax_headers={"comment": "x " * (1 << 20)})],
    ),
    "many headers": (
        "headers of an entry",
        [member("f", pax_headers={f"comment{i}": "x" * 1000 for i in range(1100)})],
    ),
    "attributes for all": (
        "attributes to every file",
        [standing({"SCHILY.xattr.user.a": "x"}), member("f")],
    ),
    "many global headers": (
        "global headers are more than 64",
        [standing({f"a{number}": "x" for number in range(65)}), member("f")],
    ),
    "global headers that add up": (
        "or take more than",
        [
            one
            for number in range(3)
            for one in (standing({f"a{number}": "x" * 500_000}), member(f"{number}"))
        ],
    ),
    "impossible owner": ("impossible owner", [member("f", uid=(1 << 32) - 1)]),
}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """What hostile archives are after; it must be the same afterwards."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    before = outside.stat()
    yield outside
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_bytes() == b"precious"
    assert (outside / "file").stat().st_nlink == 1
    after = outside.stat()
    assert (before.st_mtime_ns, before.st_mode) == (after.st_mtime_ns, after.st_mode)
    assert not (tmp_path / "escaped").exists()


def aimed(members: Iterable[Member], outside: Path) -> list[Member]:
    """Fresh members, their links aimed at what is outside."""
    result: list[Member] = []
    for info, content in members:
        fresh = tarfile.TarInfo.frombuf(tarfile.TarInfo().tobuf(), "utf-8", "surrogateescape")
        for field in ("name", "type", "size", "mode", "uid", "devmajor", "devminor", "pax_headers"):
            setattr(fresh, field, getattr(info, field))
        fresh.linkname = info.linkname.format(outside=outside)
        result.append((fresh, content))
    return result


class TestHostileArchives:
    @pytest.mark.parametrize(("reason", "members"), HOSTILE.values(), ids=HOSTILE)
    def test_are_refused_with_a_reason(
        self,
        images: Images,
        root: Path,
        outside: Path,
        pack: Callable[..., Path],
        reason: str,
        members: Iterable[Member],
    ) -> None:
        archive = pack(member("fine", content=b"fine"), *aimed(members, outside))
        with pytest.raises(PortError, match=reason) as caught:
            images.import_image("hostile", archive)
        assert caught.value.fault.kind in ("refused", "damaged")
        assert not caught.value.fault.dirty
        assert str(archive) in caught.value.fault.reason
        assert not (root / "layers").exists() or left_in(root) == []
        assert images.list() == ()

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "empty"),
            (b"not a tar archive at all", "truncated header"),
            (b"\1" * 10240, "no readable tar archive"),
            (b"\x1f\x8b", "no readable tar archive"),
            (b"BZh9", "no readable tar archive"),
            (b"\xfd7zXZ\0", "no readable tar archive"),
            (b"\x28\xb5\x2f\xfd" * 9, "no readable tar archive|damaged"),
        ],
    )
    def test_what_is_no_archive(
        self, images: Images, tmp_path: Path, content: bytes, reason: str
    ) -> None:
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(PortError, match=reason) as caught:
            images.import_image("x", tmp_path / "file")
        assert caught.value.fault.kind == "damaged"

    def test_more_content_than_allowed(self, images: Images, pack: Callable[..., Path]) -> None:
        archive = pack(member("a", content=b"12345"), member("b", content=b"6789"))
        with pytest.raises(PortError, match="with b the content exceeds 8 bytes"):
            images.import_image("x", archive, limits=Limits(size=8))
        images.import_image("x", archive, limits=Limits(size=9))

    def test_attributes_are_content(self, images: Images, pack: Callable[..., Path]) -> None:
        attribute = {"SCHILY.xattr.user.a": "1234"}
        archive = pack(member("a", content=b"12345", pax_headers=attribute))
        with pytest.raises(PortError, match="with a the content exceeds 8 bytes"):
            images.import_image("x", archive, limits=Limits(size=8))
        images.import_image("x", archive, limits=Limits(size=9))

    def test_a_bomb_is_refused_before_it_goes_off(self, images: Images, tmp_path: Path) -> None:
        """The archive claims a petabyte, and would have to bring it for us to notice otherwise."""
        info = tarfile.TarInfo("bomb")
        info.size = 1 << 50
        (tmp_path / "bomb").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT)))
        with pytest.raises(PortError, match="content exceeds"):
            images.import_image("x", tmp_path / "bomb")

    def test_more_entries_than_allowed(self, images: Images, pack: Callable[..., Path]) -> None:
        archive = pack(*(member(f"{i}") for i in range(10)))
        with pytest.raises(PortError, match="more than 9 entries"):
            images.import_image("x", archive, limits=Limits(entries=9))
        images.import_image("x", archive, limits=Limits(entries=10))

    def test_more_directories_than_allowed_behind_few_entries(
        self, images: Images, root: Path, pack: Callable[..., Path]
    ) -> None:
        archive = pack(*(member(f"{i}/" + "d/" * 100 + "f") for i in range(10)))
        with pytest.raises(PortError, match="too many names"):
            images.import_image("x", archive, limits=Limits(entries=500))
        assert left_in(root) == []

    def test_what_follows_the_end(self, images: Images, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(tar_bytes(member("a")) + bytes(2 << 20))
        with pytest.raises(PortError, match="follow the end"):
            images.import_image("x", tmp_path / "file")

    def test_devices_are_left_out_in_a_user_namespace_with_all_their_names(
        self, images: Images, pack: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(entries, "confined", lambda: True)
        archive = pack(device("null", 1, 3), hard_link("zero", "null"), member("kept"))
        image = images.import_image("x", archive)
        assert [path.name for path in tree(images, image).iterdir()] == ["kept"]
        with pytest.raises(PortError, match="reaches the host"):
            images.import_image("x", pack(device("mem", 1, 1)))

    def test_owners_that_a_user_namespace_has_not(
        self, images: Images, pack: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(entries, "confined", lambda: True)
        monkeypatch.setattr(entries, "ids_of", lambda file: (range(1), range(1, 65_537)))
        with pytest.raises(PortError, match=r"x belongs to user 70000.*the last is 65536"):
            images.import_image("x", pack(member("x", uid=70_000)))

    def test_a_source_that_changes_meanwhile(
        self, images: Images, root: Path, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:

        def survey_then_change(entries: Iterable[AnyEntry]) -> object:
            try:
                return survey(entries)
            finally:
                (source / "bin/sh").write_bytes(b"!!")

        monkeypatch.setattr("lockgate.adapters.storage.images.survey", survey_then_change)
        with pytest.raises(PortError, match="changed while"):
            images.import_image("x", source)
        assert left_in(root) == []
        assert images.list() == ()

    def test_a_file_that_shrinks_meanwhile(
        self, images: Images, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("lockgate.adapters.storage.directory.os.read", lambda fd, size: b"")
            with pytest.raises(PortError, match="does not have the 2 bytes it claims"):
                images.import_image("x", source)

    @quick
    def test_a_file_that_is_replaced_meanwhile(
        self, images: Images, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lstat = os.lstat

        def lstat_then_replace(name: bytes, *, dir_fd: int | None = None) -> os.stat_result:
            found = lstat(name, dir_fd=dir_fd)
            if name == b"ash":
                (source / "fifo").rename(source / "bin/ash")
            return found

        os.mkfifo(source / "fifo")
        with monkeypatch.context() as patched:
            patched.setattr("lockgate.adapters.storage.directory.os.lstat", lstat_then_replace)
            with pytest.raises(PortError, match="replaced while being read"):
                images.import_image("x", source)

    def test_a_base_that_is_removed_meanwhile(
        self,
        images: Images,
        source: Path,
        pack: Callable[..., Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        images.import_image("base", source)

        def survey_then_remove(entries: Iterable[AnyEntry]) -> object:
            images.remove("base", nobody)
            return survey(entries)

        monkeypatch.setattr("lockgate.adapters.storage.images.survey", survey_then_remove)
        with pytest.raises(PortError, match="removed meanwhile") as caught:
            images.import_image("x", pack(member("a")), base="base")
        assert caught.value.fault.kind == "missing"
        assert images.list() == ()

    @real
    def test_no_space(self, root: Path, source: Path) -> None:
        """P25: what was unpacked is gone again, and so there is space again."""
        root.mkdir()
        mount("small", root, "tmpfs", MountFlag.NODEV, "size=256k")
        try:
            images = Images(root)
            images.import_image("small", source)
            (source / "large").write_bytes(b"1" * (1 << 20))
            with pytest.raises(OSError, match="No space left on device: 'large'"):
                images.import_image("large", source)
            assert left_in(root) == list(images.lookup("small").layers)
            assert os.statvfs(root).f_bavail > 0
        finally:
            unmount(root)


PARTS = st.sampled_from(
    ["a", "b", "d", "out", "..", ".", "", ".wh.a", ".wh..wh..opq", ".wh.", "x" * 256]
)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
TARGETS = NAMES | st.just("{outside}") | st.just("../../../outside") | st.just("{outside}/file")
MEMBERS = st.one_of(
    st.builds(member, NAMES, content=st.binary(max_size=3), mode=st.integers(0, 0o7777)),
    st.builds(directory, NAMES, mode=st.integers(0, 0o7777)),
    st.builds(link, NAMES, TARGETS),
    st.builds(hard_link, NAMES, TARGETS),
    st.builds(device, NAMES, st.integers(0, 2), st.integers(0, 3)),
    st.builds(member, NAMES, kind=st.sampled_from([tarfile.FIFOTYPE, b"Z"])),
)


@real
@settings(deadline=None, max_examples=150)
@given(members=st.lists(MEMBERS, max_size=8))
def test_no_choice_of_members_reaches_outside(members: list[Member]) -> None:
    """Either the archive is refused with a `PortError`, or it is unpacked inside the layer."""
    with tempfile.TemporaryDirectory() as place:
        outside, root = Path(place, "outside"), Path(place, "lockgate")
        outside.mkdir()
        (outside / "file").write_bytes(b"precious")
        Path(place, "archive").write_bytes(tar_bytes(*aimed(members, outside)))
        before = snapshot(Path(place), without=root)
        images = Images(root)
        try:
            image = images.import_image("x", Path(place, "archive"))
        except PortError as error:
            assert error.fault.kind in ("refused", "damaged")
            assert not root.exists() or not (root / "layers").exists() or left_in(root) == []
            assert images.list() == ()
        else:
            assert left_in(root) == list(image.layers)
        assert snapshot(Path(place), without=root) == before


def snapshot(top: Path, *, without: Path) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for here, directories, files in os.walk(top):
        if Path(here) == without.parent and without.name in directories:
            directories.remove(without.name)
        for name in (*directories, *files):
            info = Path(here, name).lstat()
            found[f"{here}/{name}"] = (
                info.st_ino,
                info.st_mode,
                info.st_nlink,
                info.st_size,
                info.st_mtime_ns,
            )
    return found


WHOLE = tar_bytes(
    directory("d"),
    member("d/file", content=b"x" * 700, pax_headers={"SCHILY.xattr.user.a": "b"}),
    link("l", "d/file"),
    hard_link("h", "d/file"),
)


@settings(deadline=None, max_examples=150)
@given(
    cut=st.integers(0, len(WHOLE) - 1),
    compress=st.sampled_from([bytes, gzip.compress, lzma.compress]),
)
def test_no_part_of_an_archive_passes_for_the_whole(
    cut: int, compress: Callable[[bytes], bytes]
) -> None:
    """Only padding may be missing, for only that means nothing."""
    packed = compress(WHOLE)
    with tempfile.TemporaryDirectory() as place:
        Path(place, "archive").write_bytes(packed[: cut * len(packed) // len(WHOLE)])
        images = Images(Path(place, "lockgate"))
        try:
            image = images.import_image("x", Path(place, "archive"))
        except PortError as error:
            assert error.fault.kind == "damaged"
            assert images.list() == ()
        else:
            assert compress is bytes
            assert cut >= len(WHOLE.rstrip(b"\0")) + 512
            assert (tree(images, image) / "h").read_bytes() == b"x" * 700


@settings(deadline=None, max_examples=150)
@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_one_damaged_byte_is_a_fault_and_never_a_crash(place: int, byte: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] = byte
    with tempfile.TemporaryDirectory() as where:
        Path(where, "archive").write_bytes(damaged)
        images = Images(Path(where, "lockgate"))
        try:
            images.import_image("x", Path(where, "archive"))
        except PortError:
            assert images.list() == ()


class TestHostileDirectories:
    def test_the_root_of_the_host(self, images: Images) -> None:
        with pytest.raises(PortError, match="contains the images"):
            images.import_image("x", Path("/"))

    @pytest.mark.parametrize("where", [".", "..", "../.."])
    def test_what_contains_the_images(self, images: Images, root: Path, where: str) -> None:
        root.mkdir()
        with pytest.raises(PortError, match="contains the images"):
            images.import_image("x", root / where)

    def test_a_detour_to_what_contains_the_images(
        self, images: Images, root: Path, source: Path
    ) -> None:
        root.mkdir()
        (source / "detour").symlink_to(root.parent)
        with pytest.raises(PortError, match="contains the images"):
            images.import_image("x", source / "detour")

    def test_a_socket(self, images: Images, source: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(source / "socket"))
            with pytest.raises(PortError, match="socket is a socket"):
                images.import_image("x", source)

    @real
    def test_the_upper_of_an_overlay(self, images: Images, source: Path) -> None:
        os.setxattr(source / "bin", "trusted.overlay.opaque", b"y")
        with pytest.raises(PortError, match="import the merged tree"):
            images.import_image("x", source)

    @real
    def test_a_disk(self, images: Images, source: Path) -> None:
        os.mknod(source / "disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))
        with pytest.raises(PortError, match="reaches the host"):
            images.import_image("x", source)

    @real
    def test_what_is_mounted_inside_stays_out(self, images: Images, source: Path) -> None:
        (source / "proc").mkdir()
        mount("proc", source / "proc", "proc", MountFlag.NODEV)
        try:
            top = tree(images, images.import_image("x", source))
        finally:
            unmount(source / "proc")
        assert list((top / "proc").iterdir()) == []

    def test_deeper_than_descriptors_reach(self, images: Images, root: Path, source: Path) -> None:
        deep = source / "/".join(["d"] * 1200)
        subprocess.run(["mkdir", "-p", deep], check=True)
        try:
            (deep / "file").write_bytes(b"deep")
            top = tree(images, images.import_image("x", source))
            assert (top / deep.relative_to(source) / "file").read_bytes() == b"deep"
        finally:  # others' cleaning up could not reach so deep
            subprocess.run(["rm", "-rf", source, root], check=True)

    @pytest.mark.parametrize("what", ["absent", "fifo"])
    def test_neither_directory_nor_file(self, images: Images, tmp_path: Path, what: str) -> None:
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(PortError, match=what):
            images.import_image("x", tmp_path / what)


# ---- records ---------------------------------------------------------------------------


class TestNames:
    @pytest.mark.parametrize("name", ["a", "A.b-c_d", "x/y/z", "x/y:1.0", "a:latest", "0:_"])
    def test_good_ones(self, images: Images, root: Path, source: Path, name: str) -> None:
        assert images.import_image(name, source).name == name
        assert images.lookup(name).name == name
        (file,) = (root / "images").iterdir()
        assert file.parent == root / "images"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "..",
            "../x",
            "/x",
            "x/",
            "x//y",
            "x/../y",
            "-x",
            "x:",
            "x:y:z",
            "a b",
            "a\n",
            "a\0",
            "é",
            "x" * 251,
            "a/" * 90 + "a",
        ],
    )
    def test_bad_ones(self, images: Images, root: Path, source: Path, name: str) -> None:
        with pytest.raises(PortError, match="no image name") as caught:
            images.import_image(name, source)
        assert caught.value.fault.kind == "refused"
        with pytest.raises(PortError, match="no image name"):
            images.lookup(name)
        assert not root.exists()

    def test_nothing_may_be_named_like_an_id(self, images: Images, source: Path) -> None:
        with pytest.raises(PortError, match="looks like the id"):
            images.import_image("0" * 64, source)


class TestLookup:
    def test_a_missing_image_tells_which_there_are(self, images: Images, source: Path) -> None:
        with pytest.raises(PortError, match="there are: none"):
            images.lookup("alpine")
        images.import_image("busybox", source)
        images.import_image("x/debian:12", source)
        with pytest.raises(PortError, match="there are: busybox, x/debian:12") as caught:
            images.lookup("alpine")
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("missing", False)

    def test_a_pinned_image_is_never_another(self, images: Images, source: Path) -> None:
        image = images.import_image("busybox", source)
        assert images.pinned("busybox", image.id) == image
        assert images.pinned("forgotten", image.id) == image
        with pytest.raises(PortError, match="'busybox' of id 000000000000 is not here"):
            images.pinned("busybox", "0" * 64)


class TestRemove:
    def test_the_layers_go_with_the_last_image(
        self, images: Images, root: Path, source: Path
    ) -> None:
        image = images.import_image("one", source)
        images.import_image("two", source)
        images.remove("one", nobody)
        assert left_in(root) == list(image.layers)
        images.remove("two", nobody)
        assert left_in(root) == []
        assert images.list() == ()

    def test_a_base_keeps_its_layers(
        self, images: Images, root: Path, source: Path, pack: Callable[..., Path]
    ) -> None:
        base = images.import_image("base", source)
        images.import_image("above", pack(member("x")), base="base")
        images.remove("above", nobody)
        assert left_in(root) == list(base.layers)

    def test_by_id(self, images: Images, source: Path) -> None:
        images.remove(images.import_image("one", source).id, nobody)
        assert images.list() == ()

    def test_not_while_it_is_used(self, images: Images, source: Path) -> None:
        images.import_image("one", source)
        with pytest.raises(PortError, match=r"used by 2 container.*aaaaaaaaaaaa, b") as caught:
            images.remove("one", lambda image: ["a" * 64, "b"])
        assert caught.value.fault.kind == "refused"
        images.lookup("one")

    def test_while_it_is_used_only_with_another_name(
        self, images: Images, root: Path, source: Path
    ) -> None:
        images.import_image("one", source)
        image = images.import_image("two", source)
        images.remove("one", lambda image: ["a"])
        assert images.pinned("one", image.id).name == "two"
        assert left_in(root) == list(image.layers)
        with pytest.raises(PortError, match="two is used by"):
            images.remove("two", lambda image: ["a"])

    def test_who_uses_it_is_asked_when_no_layer_can_be_taken_any_more(
        self, images: Images, source: Path
    ) -> None:
        """So a container made meanwhile is either told of or told no."""
        image = images.import_image("one", source)

        def asked(image: Image) -> list[str]:
            fd = os.open(images.layers.path(""), os.O_RDONLY)
            try:
                with pytest.raises(BlockingIOError):
                    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            finally:
                os.close(fd)
            told.append(image)
            return []

        told: list[Image] = []
        images.remove("one", asked)
        assert told == [image]

    def test_what_is_not_there(self, images: Images) -> None:
        with pytest.raises(PortError, match="there is no image 'one'"):
            images.remove("one", nobody)


class TestDamage:
    @settings(deadline=None, max_examples=60)
    @given(data=st.data())
    def test_one_damaged_record_hurts_nobody_else(self, data: st.DataObject) -> None:
        """P11: any bytes, any prefix."""
        with tempfile.TemporaryDirectory() as place:
            source = Path(place, "source")
            source.mkdir()
            images = Images(Path(place, "lockgate"))
            images.import_image("bad", source)
            good = images.import_image("good", source, env=["A=1"])
            record = Path(place, "lockgate/images/bad.json")
            whole = record.read_bytes()
            cut = st.integers(0, len(whole) - 1).map(lambda end: whole[:end])
            other = st.just(record.with_name("good.json").read_bytes())
            record.write_bytes(data.draw(cut | other | st.binary(max_size=80)))
            assert images.list() == (Image(name="bad"), good)
            assert images.lookup("good") == good
            with pytest.raises(PortError, match="record of image 'bad' is damaged") as caught:
                images.lookup("bad")
            assert caught.value.fault.kind == "damaged"
            if data.draw(st.booleans()):
                images.remove("bad", nobody)
                assert images.list() == (good,)
            else:
                images.import_image("bad", source)
                assert images.lookup("bad").id

    def test_a_record_that_was_tampered_with(
        self, images: Images, root: Path, source: Path
    ) -> None:
        images.import_image("x", source, command=["sh"])
        record = root / "images/x.json"
        record.write_bytes(record.read_bytes().replace(b'"sh"', b'"no"'))
        with pytest.raises(PortError, match="damaged"):
            images.lookup("x")

    @quick
    def test_a_record_that_is_no_file(self, images: Images, root: Path, source: Path) -> None:
        images.import_image("good", source)
        os.mkfifo(root / "images/fifo.json")
        (root / "images/link.json").symlink_to("good.json")
        assert [image.name for image in images.list() if not image.id] == ["fifo", "link"]

    def test_layers_stay_as_long_as_nobody_knows_whose_they_are(
        self, images: Images, root: Path, source: Path
    ) -> None:
        kept = images.import_image("bad", source)
        (source / "more").touch()
        gone = images.import_image("good", source)
        (root / "images/bad.json").write_bytes(b"{")
        images.remove("good", nobody)
        assert left_in(root) == sorted(kept.layers + gone.layers)
        images.remove("bad", nobody)
        assert left_in(root) == []

    def test_what_is_none_of_ours_is_not_looked_at(
        self, images: Images, root: Path, source: Path
    ) -> None:
        images.import_image("good", source)
        (root / "images/.0123.draft").write_bytes(b"half")
        (root / "images/README (old)").write_bytes(b"?")
        (root / "images/notes").write_bytes(b"?")
        (root / "images/%67ood.json").write_bytes(b"?")
        assert [image.name for image in images.list()] == ["good"]


# ---- crashes ---------------------------------------------------------------------------

DIES = """
import os, signal, sys
from pathlib import Path
from lockgate.adapters.storage import Images, {module} as module
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
{target} = die
Images(Path(sys.argv[1])).import_image("x", Path(sys.argv[2]))
"""


class TestCrashes:
    @pytest.mark.parametrize(
        ("module", "target"),
        [
            ("unpack", "module._Tree.finish"),
            ("layers", "module.syncfs"),
            ("records", "module.Records.put"),
            ("records", "module.write_atomic"),
        ],
    )
    def test_leave_nothing_the_next_import_does_not_remove(
        self, images: Images, root: Path, source: Path, module: str, target: str
    ) -> None:
        program = DIES.format(module=module, target=target)
        died = subprocess.run([sys.executable, "-c", program, root, source])
        assert died.returncode == -signal.SIGKILL
        assert len(left_in(root)) == 1
        assert images.list() == ()
        (source / "other").touch()
        other = images.import_image("other", source)
        assert left_in(root) == list(other.layers)

    def test_what_a_living_importer_makes_is_left_alone(
        self, images: Images, root: Path, source: Path
    ) -> None:
        images.import_image("x", source)
        draft = root / "layers/.importing-0123"
        draft.mkdir()
        fd = os.open(draft, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        images.import_image("x", source)
        assert draft.exists()
        os.close(fd)
        images.import_image("x", source)
        assert not draft.exists()

    def test_one_import_in_the_middle_of_another(
        self, images: Images, root: Path, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        others = ["other"]

        def unpack_meanwhile(
            entries: Iterable[AnyEntry], top: int, allowance: Allowance
        ) -> tuple[Parts, ...]:
            if others:
                Images(root).import_image(others.pop(), source / "bin")
            return unpack(entries, top, allowance)

        monkeypatch.setattr("lockgate.adapters.storage.layers.unpack", unpack_meanwhile)
        image = images.import_image("x", source)
        assert sorted(images.lookup("other").layers + image.layers) == left_in(root)
        assert (tree(images, image) / "bin/sh").exists()

    def test_the_same_import_in_the_middle_of_itself(
        self, images: Images, root: Path, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        others = ["other"]

        def unpack_meanwhile(
            entries: Iterable[AnyEntry], top: int, allowance: Allowance
        ) -> tuple[Parts, ...]:
            if others:
                Images(root).import_image(others.pop(), source)
            return unpack(entries, top, allowance)

        monkeypatch.setattr("lockgate.adapters.storage.layers.unpack", unpack_meanwhile)
        image = images.import_image("x", source)
        assert left_in(root) == list(image.layers) == list(images.lookup("other").layers)

    def test_a_half_removed_layer_is_never_taken_for_a_whole_one(
        self, images: Images, root: Path, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        image = images.import_image("x", source)

        def fail(above: int, name: str) -> None:
            raise OSError("injected")

        with monkeypatch.context() as patched:
            patched.setattr("lockgate.adapters.storage.layers.remove_tree", fail)
            with pytest.raises(OSError, match="injected"):
                images.remove("x", nobody)
        assert left_in(root) == [f".removing-{image.layers[0]}"]
        images.import_image("x", source)
        assert left_in(root) == list(image.layers)
        assert (tree(images, image) / "bin/sh").exists()

    def test_something_stuck_does_not_stop_imports(
        self, images: Images, root: Path, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (root / "layers/.removing-stuck/x").mkdir(parents=True)

        def stuck(above: int, name: str) -> None:
            if name == ".removing-stuck":
                raise OSError("injected")
            remove_tree(above, name)

        monkeypatch.setattr("lockgate.adapters.storage.layers.remove_tree", stuck)
        image = images.import_image("x", source)
        assert left_in(root) == [".removing-stuck", *image.layers]


def test_no_descriptor_stays_open(images: Images, source: Path, pack: Callable[..., Path]) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    images.import_image("x", source)
    images.import_image("y", pack(member("a/b"), hard_link("c", "a/b")), base="x")
    for hostile in (member("../x"), hard_link("a", "b"), member("a/b/c/.wh.")):
        with pytest.raises(PortError):
            images.import_image("z", pack(member("a/b"), hostile))
    with pytest.raises(PortError):
        images.import_image("z", source, limits=Limits(size=1))
    images.remove("y", nobody)
    assert opened() == before
