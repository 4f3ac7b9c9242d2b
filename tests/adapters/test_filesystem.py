"""Files: hostile ones are recognised before they are opened, ours are never seen half written."""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.adapters.filesystem import (
    ACCOUNTS_LIMIT,
    LocalFilesystem,
    bundle,
    ensure_directory,
    read_bounded,
    write_atomic,
)
from lockgate.adapters.syscalls import MountFlag, mount, unmount
from lockgate.effects.config import Config, Secret
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import File

real = pytest.mark.real
quick = pytest.mark.timeout(10)  # what must not block


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# ---- reading ------------------------------------------------------------------------


class TestReadBounded:
    def test_a_regular_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"content")
        assert read_bounded(tmp_path / "file", 100) == b"content"

    def test_the_limit_itself_is_allowed(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"seven..")
        assert read_bounded(tmp_path / "file", 7) == b"seven.."

    def test_one_byte_more_is_not(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"eight...")
        with pytest.raises(PortError, match="larger than 7 bytes") as caught:
            read_bounded(tmp_path / "file", 7)
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("damaged", False)

    def test_a_huge_sparse_file_costs_no_memory(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(PortError, match="larger"):
            read_bounded(tmp_path / "file", 1000)

    def test_a_file_that_claims_no_size_is_still_bounded(self) -> None:
        with pytest.raises(PortError, match="larger"):
            read_bounded("/proc/self/status", 10)

    def test_relative_to_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"content")
        fd = os.open(tmp_path, os.O_RDONLY)
        try:
            assert read_bounded("file", 100, dir_fd=fd) == b"content"
        finally:
            os.close(fd)

    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_bounded(tmp_path / "absent", 100)

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        (tmp_path / "link").symlink_to("secret")
        with pytest.raises(PortError, match="type 'l'"):
            read_bounded(tmp_path / "link", 100)

    @quick
    def test_a_fifo_does_not_block(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(PortError, match="type 'p'"):
            read_bounded(tmp_path / "fifo", 100)

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(PortError, match="type 'd'"):
            read_bounded(tmp_path, 100)

    @real
    def test_a_device_is_not_even_opened(self, tmp_path: Path) -> None:
        """No driver has this number: opening it would fail in another way."""
        os.mknod(tmp_path / "device", stat.S_IFCHR | 0o600, os.makedev(4095, 99))
        with pytest.raises(PortError, match="type 'c'"):
            read_bounded(tmp_path / "device", 100)

    def test_no_descriptor_stays_open(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"content")
        before = len(list(Path("/proc/self/fd").iterdir()))
        read_bounded(tmp_path / "file", 100)
        with pytest.raises(PortError):
            read_bounded(tmp_path / "file", 1)
        with pytest.raises(PortError):
            read_bounded(tmp_path, 1)
        assert len(list(Path("/proc/self/fd").iterdir())) == before


class TestAccounts:
    @pytest.fixture
    def rootfs(self, tmp_path: Path) -> Path:
        (tmp_path / "passwd").write_bytes(b"of the host")
        (tmp_path / "rootfs" / "etc").mkdir(parents=True)
        return tmp_path / "rootfs"

    @pytest.fixture
    def filesystem(self, tmp_path: Path) -> LocalFilesystem:
        return LocalFilesystem(tmp_path)

    def test_both_files(self, filesystem: LocalFilesystem, rootfs: Path) -> None:
        (rootfs / "etc/passwd").write_bytes(b"root:x:0:0")
        (rootfs / "etc/group").write_bytes(b"root:x:0:")
        accounts = filesystem.accounts(str(rootfs))
        assert (accounts.passwd, accounts.group) == (b"root:x:0:0", b"root:x:0:")

    def test_absent_is_empty(self, filesystem: LocalFilesystem, rootfs: Path) -> None:
        assert filesystem.accounts(str(rootfs)).passwd == b""
        (rootfs / "etc").rmdir()
        assert filesystem.accounts(str(rootfs)).passwd == b""
        (rootfs / "etc").touch()
        assert filesystem.accounts(str(rootfs)).passwd == b""

    def test_a_link_inside_is_followed(self, filesystem: LocalFilesystem, rootfs: Path) -> None:
        (rootfs / "usr").mkdir()
        (rootfs / "usr/passwd").write_bytes(b"mine")
        (rootfs / "etc/passwd").symlink_to("/usr/passwd")
        assert filesystem.accounts(str(rootfs)).passwd == b"mine"

    @pytest.mark.parametrize("target", ["../../passwd", "../../../../../../{host}/passwd"])
    def test_a_link_never_leaves(
        self, filesystem: LocalFilesystem, rootfs: Path, target: str
    ) -> None:
        (rootfs / "etc/passwd").symlink_to(target.format(host=rootfs.parent))
        assert filesystem.accounts(str(rootfs)).passwd == b""
        (rootfs / "etc/passwd").unlink()
        (rootfs / "etc").rmdir()
        (rootfs / "etc").symlink_to("..")
        assert filesystem.accounts(str(rootfs)).passwd == b""

    def test_a_loop_of_links(self, filesystem: LocalFilesystem, rootfs: Path) -> None:
        (rootfs / "etc/passwd").symlink_to("passwd")
        with pytest.raises(PortError, match="loop") as caught:
            filesystem.accounts(str(rootfs))
        assert caught.value.fault.kind == "damaged"

    @real
    def test_a_magic_link_leads_nowhere(self, filesystem: LocalFilesystem, rootfs: Path) -> None:
        """With /proc mounted inside, `/proc/self/root` would be the host's root."""
        (rootfs / "proc").mkdir()
        mount("proc", rootfs / "proc", "proc", MountFlag.NODEV)
        try:
            (rootfs / "etc/passwd").symlink_to("/proc/self/root/etc/passwd")
            with pytest.raises(PortError, match="magic link"):
                filesystem.accounts(str(rootfs))
        finally:
            unmount(rootfs / "proc")

    @quick
    def test_a_fifo_does_not_block(self, filesystem: LocalFilesystem, rootfs: Path) -> None:
        os.mkfifo(rootfs / "etc/group")
        with pytest.raises(PortError, match="/etc/group of the container is no regular file"):
            filesystem.accounts(str(rootfs))

    def test_too_large(self, filesystem: LocalFilesystem, rootfs: Path) -> None:
        with (rootfs / "etc/passwd").open("wb") as file:
            file.truncate(ACCOUNTS_LIMIT + 1)
        with pytest.raises(PortError, match="larger"):
            filesystem.accounts(str(rootfs))

    def test_no_rootfs(self, filesystem: LocalFilesystem, rootfs: Path) -> None:
        with pytest.raises(FileNotFoundError):
            filesystem.accounts(str(rootfs / "absent"))


# ---- writing ------------------------------------------------------------------------


class TestWriteSpec:
    @pytest.fixture
    def config(self, tmp_path: Path) -> Config:
        (tmp_path / "containers" / "c1").mkdir(parents=True)
        return Config(id="c1")

    def test_bytes_mode_and_digest(self, tmp_path: Path, config: Config) -> None:
        digest = LocalFilesystem(tmp_path).write_spec(config, b"{}")
        written = tmp_path / "containers/c1/config.json"
        assert written.read_bytes() == b"{}"
        assert mode_of(written) == 0o600
        assert digest == hashlib.sha256(b"{}").hexdigest()

    def test_twice_is_once(self, tmp_path: Path, config: Config) -> None:
        filesystem = LocalFilesystem(tmp_path)
        assert filesystem.write_spec(config, b"1") == filesystem.write_spec(config, b"1")
        assert [file.name for file in (tmp_path / "containers/c1").iterdir()] == ["config.json"]

    def test_a_link_in_its_place_is_replaced(self, tmp_path: Path, config: Config) -> None:
        (tmp_path / "victim").write_bytes(b"precious")
        (tmp_path / "containers/c1/config.json").symlink_to(tmp_path / "victim")
        LocalFilesystem(tmp_path).write_spec(config, b"new")
        assert (tmp_path / "victim").read_bytes() == b"precious"
        assert read_bounded(tmp_path / "containers/c1/config.json", 9) == b"new"

    def test_without_a_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            LocalFilesystem(tmp_path).write_spec(Config(id="c2"), b"{}")
        assert list(tmp_path.iterdir()) == []


class TestWriteFiles:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        place = tmp_path / "containers" / "c1"
        place.mkdir(parents=True)
        return place

    def test_content_and_mode_whatever_the_umask(self, tmp_path: Path, place: Path) -> None:
        with umask(0o077):
            LocalFilesystem(tmp_path).write_files(Config(id="c1"), [File("hosts", b"h\n")])
        assert (place / "files/hosts").read_bytes() == b"h\n"
        assert mode_of(place / "files/hosts") == 0o644
        assert mode_of(place / "files") == 0o700

    def test_each_run_has_new_ones(self, tmp_path: Path, place: Path) -> None:
        """Whoever still has the old one open, writes to the old one."""
        filesystem = LocalFilesystem(tmp_path)
        filesystem.write_files(Config(id="c1"), [File("hosts", b"old")])
        with (place / "files/hosts").open("ab") as held:
            filesystem.write_files(Config(id="c1"), [File("hosts", b"new")])
            held.write(b" and more")
        assert (place / "files/hosts").read_bytes() == b"new"

    def test_a_link_in_their_place_is_replaced(self, tmp_path: Path, place: Path) -> None:
        (tmp_path / "victim").write_bytes(b"precious")
        (place / "files").mkdir()
        (place / "files/hosts").symlink_to(tmp_path / "victim")
        LocalFilesystem(tmp_path).write_files(Config(id="c1"), [File("hosts", b"new")])
        assert (tmp_path / "victim").read_bytes() == b"precious"
        assert [path.name for path in (place / "files").iterdir()] == ["hosts"]

    def test_without_a_bundle_nothing_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            LocalFilesystem(tmp_path).write_files(Config(id="c2"), [])
        assert list(tmp_path.iterdir()) == []


class TestRewriteFiles:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        place = tmp_path / "containers" / "c1"
        place.mkdir(parents=True)
        LocalFilesystem(tmp_path).write_files(Config(id="c1"), [File("hosts", b"an old line\n")])
        return place / "files/hosts"

    def test_whoever_has_it_sees_the_new_content(self, tmp_path: Path, place: Path) -> None:
        with place.open("rb") as held:
            LocalFilesystem(tmp_path).rewrite_files(Config(id="c1"), [File("hosts", b"new\n")])
            assert held.read() == b"new\n"
        assert mode_of(place) == 0o644

    def test_a_link_is_not_followed(self, tmp_path: Path, place: Path) -> None:
        (tmp_path / "victim").write_bytes(b"precious")
        place.unlink()
        place.symlink_to(tmp_path / "victim")
        with pytest.raises(OSError, match="symbolic links"):
            LocalFilesystem(tmp_path).rewrite_files(Config(id="c1"), [File("hosts", b"new")])
        assert (tmp_path / "victim").read_bytes() == b"precious"

    def test_one_that_is_not_there_is_not_made(self, tmp_path: Path, place: Path) -> None:
        place.unlink()
        with pytest.raises(FileNotFoundError):
            LocalFilesystem(tmp_path).rewrite_files(Config(id="c1"), [File("hosts", b"new")])


class TestKeepSecrets:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        place = tmp_path / "containers" / "c1"
        place.mkdir(parents=True)
        (tmp_path / "token").write_bytes(b"hush")
        return place

    @pytest.fixture
    def config(self, tmp_path: Path) -> Config:
        me = os.getuid(), os.getgid()
        secret = Secret(name="t", source=str(tmp_path / "token"), uid=me[0], gid=me[1], mode=0o440)
        return Config(id="c1", secrets=(secret,))

    def test_a_copy_with_the_mode_it_was_given(
        self, tmp_path: Path, place: Path, config: Config
    ) -> None:
        with umask(0o777):
            LocalFilesystem(tmp_path).keep_secrets(config)
        kept = place / "secrets/t"
        assert kept.read_bytes() == b"hush"
        assert (mode_of(kept), mode_of(kept.parent)) == (0o440, 0o700)

    def test_the_owner_it_was_given(self, tmp_path: Path, place: Path, config: Config) -> None:
        (secret,) = config.secrets
        theirs = replace(config, secrets=(replace(secret, uid=7, gid=8),))
        with patch("os.fchown") as owned:
            LocalFilesystem(tmp_path).keep_secrets(theirs)
        assert owned.call_args.args[1:] == (7, 8)

    def test_a_container_keeps_those_it_was_made_with(
        self, tmp_path: Path, place: Path, config: Config
    ) -> None:
        LocalFilesystem(tmp_path).keep_secrets(config)
        (tmp_path / "token").write_bytes(b"changed")
        LocalFilesystem(tmp_path).keep_secrets(config)
        (tmp_path / "token").unlink()
        LocalFilesystem(tmp_path).keep_secrets(config)
        assert (place / "secrets/t").read_bytes() == b"hush"

    def test_one_that_is_not_there(self, tmp_path: Path, place: Path, config: Config) -> None:
        (tmp_path / "token").unlink()
        with pytest.raises(FileNotFoundError, match="token"):
            LocalFilesystem(tmp_path).keep_secrets(config)
        assert list((place / "secrets").iterdir()) == []

    @quick
    def test_a_pipe_is_no_secret(self, tmp_path: Path, place: Path, config: Config) -> None:
        (tmp_path / "token").unlink()
        os.mkfifo(tmp_path / "token")
        with pytest.raises(PortError, match="no regular file"):
            LocalFilesystem(tmp_path).keep_secrets(config)

    def test_without_secrets_there_is_no_folder(self, tmp_path: Path, place: Path) -> None:
        LocalFilesystem(tmp_path).keep_secrets(Config(id="c1"))
        assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", ".hidden", "a\0b", "-x", "x" * 200])
def test_an_id_that_is_no_plain_file_name_has_no_bundle(tmp_path: Path, name: str) -> None:
    with pytest.raises(PortError) as caught:
        bundle(tmp_path, name)
    assert caught.value.fault.kind == "refused"
    assert not caught.value.fault.dirty


@pytest.mark.parametrize("mask", [0, 0o777])
def test_no_umask_changes_the_mode(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        write_atomic(tmp_path, "file", b"", 0o640)
        ensure_directory(tmp_path / "directory", 0o711)
    assert mode_of(tmp_path / "file") == 0o640
    assert mode_of(tmp_path / "directory") == 0o711


def test_a_directory_that_is_there_is_kept(tmp_path: Path) -> None:
    ensure_directory(tmp_path / "a/b", 0o700)
    (tmp_path / "a/b").chmod(0o755)
    ensure_directory(tmp_path / "a/b", 0o700)
    assert mode_of(tmp_path / "a/b") == 0o755


def test_a_link_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(FileExistsError):
        ensure_directory(tmp_path / "link", 0o700)


@given(old=st.none() | st.binary(max_size=64), new=st.binary(max_size=64))
def test_written_is_what_was_given(old: bytes | None, new: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        if old is not None:
            (directory / "file").write_bytes(old)
        write_atomic(directory, "file", new, 0o600)
        assert {file.name: file.read_bytes() for file in directory.iterdir()} == {"file": new}


@given(
    old=st.none() | st.binary(max_size=64),
    new=st.binary(min_size=1, max_size=64),
    call=st.sampled_from(["open", "write", "fchmod", "fsync", "rename"]),
    code=st.sampled_from([errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE, errno.EINTR]),
)
def test_when_a_step_fails_the_old_content_stands(
    old: bytes | None, new: bytes, call: str, code: int
) -> None:
    """P25: whatever the write fails with, nothing has changed and nothing is left behind."""
    with tempfile.TemporaryDirectory() as place:
        directory = os.open(place, os.O_RDONLY)
        if old is not None:
            Path(place, "file").write_bytes(old)
        with patch.object(os, call, side_effect=OSError(code, "injected")):
            with pytest.raises(OSError, match="injected"):
                write_atomic(directory, "file", new, 0o600)
        os.close(directory)
        left = {file.name: file.read_bytes() for file in Path(place).iterdir()}
        assert left == ({} if old is None else {"file": old})


@given(new=st.binary(min_size=1, max_size=300), portion=st.integers(1, 50))
def test_a_kernel_that_takes_portions_gets_it_all(new: bytes, portion: int) -> None:
    write = os.write
    with tempfile.TemporaryDirectory() as place:
        with patch.object(os, "write", lambda fd, data: write(fd, data[:portion])):
            write_atomic(Path(place), "file", new, 0o600)
        assert Path(place, "file").read_bytes() == new


def test_data_reach_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path,
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synced(fd: int) -> None:
        done.append("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "data")
        fsync(fd)

    def renamed(*names: str, src_dir_fd: int, dst_dir_fd: int) -> None:
        done.append("name")
        rename(*names, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    with patch.object(os, "fsync", synced), patch.object(os, "rename", renamed):
        write_atomic(tmp_path, "file", b"content", 0o600)
    assert done == ["data", "name", "directory"]
