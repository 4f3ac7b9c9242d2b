"""The system calls: they do what the manual pages say, and their errors are `OSError`s."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.adapters.syscalls import (
    MountAttribute,
    MountFlag,
    Resolve,
    UnmountFlag,
    fsconfig_create,
    fsconfig_string,
    fsmount,
    fsopen,
    mount,
    mounted_at,
    move_mount,
    openat2,
    syncfs,
    unmount,
)

real = pytest.mark.real


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory to mount things on; nothing stays mounted there."""
    place = tmp_path / "place"
    place.mkdir()
    yield place
    while mounted_at(place) is not None:
        unmount(place, UnmountFlag.NOFOLLOW | UnmountFlag.DETACH)


def test_a_plain_directory_is_no_mount(tmp_path: Path) -> None:
    assert mounted_at(tmp_path) is None


def test_the_root_of_a_file_system_is_a_mount() -> None:
    assert mounted_at("/proc") is not None


def test_a_link_to_a_mount_is_no_mount(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc")
    assert mounted_at(tmp_path / "link") is None


def test_what_is_absent_is_reported_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent") as caught:
        mounted_at(tmp_path / "absent")
    assert caught.value.errno == errno.ENOENT


@real
def test_mount_and_unmount(place: Path) -> None:
    mount("here", place, "tmpfs", MountFlag.NODEV, "size=64k")
    assert mounted_at(place) is not None
    (place / "file").touch()
    unmount(place)
    assert mounted_at(place) is None
    assert list(place.iterdir()) == []


@real
def test_a_bind_mount_of_the_same_file_system_is_seen(place: Path) -> None:
    mount(str(place), place, "", MountFlag.BIND)
    assert mounted_at(place) is not None


@real
def test_the_topmost_of_several_mounts_is_told(place: Path) -> None:
    mount("below", place, "tmpfs", MountFlag.NODEV)
    below = mounted_at(place)
    mount("above", place, "tmpfs", MountFlag.NODEV)
    above = mounted_at(place)
    assert above != below
    unmount(place)
    assert mounted_at(place) == below


@real
def test_unmounting_what_is_not_mounted_is_invalid(place: Path) -> None:
    with pytest.raises(OSError) as caught:
        unmount(place)
    assert caught.value.errno == errno.EINVAL
    assert caught.value.filename == str(place)


@real
def test_a_file_system_is_assembled_step_by_step(place: Path) -> None:
    context = fsopen("tmpfs")
    fsconfig_string(context, "source", "assembled")
    fsconfig_string(context, "size", "64k")
    fsconfig_create(context)
    made = fsmount(context, MountAttribute.NODEV)
    assert mounted_at(place) is None
    move_mount(made, place)
    for fd in (context, made):
        assert not os.get_inheritable(fd)
        os.close(fd)
    assert mounted_at(place) is not None
    table = Path("/proc/self/mountinfo").read_text()
    assert f" {place} rw,nodev,relatime - tmpfs assembled " in table


@real
def test_an_unknown_option_is_named() -> None:
    context = fsopen("tmpfs")
    try:
        with pytest.raises(OSError, match="nonsense"):
            fsconfig_string(context, "nonsense", "1")
    finally:
        os.close(context)


def test_a_path_can_be_kept_beneath(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc/passwd")
    (tmp_path / "file").touch()
    top = os.open(tmp_path, os.O_PATH)
    try:
        os.close(openat2(top, "file", os.O_RDONLY, Resolve.BENEATH))
        with pytest.raises(OSError) as caught:
            openat2(top, "out", os.O_RDONLY, Resolve.BENEATH)
        assert caught.value.errno == errno.EXDEV
        fd = openat2(top, "file", os.O_RDONLY, Resolve.BENEATH)
        assert not os.get_inheritable(fd)
        os.close(fd)
    finally:
        os.close(top)


def test_syncfs_needs_a_descriptor(tmp_path: Path) -> None:
    top = os.open(tmp_path, os.O_RDONLY)
    syncfs(top)
    os.close(top)
    with pytest.raises(OSError) as caught:
        syncfs(top)
    assert caught.value.errno == errno.EBADF


def test_every_thread_has_its_own_error(tmp_path: Path) -> None:
    """Two threads fail differently, again and again; neither sees the other's reason."""
    (tmp_path / "file").touch()
    places = {errno.ENOENT: tmp_path / "absent", errno.ENOTDIR: tmp_path / "file" / "below"}
    wrong: list[int | None] = []
    start = threading.Barrier(len(places))

    def fail(expected: int) -> None:
        start.wait()
        for _ in range(2000):
            try:
                mounted_at(places[expected])
            except OSError as error:
                if error.errno != expected:
                    wrong.append(error.errno)

    threads = [threading.Thread(target=fail, args=(expected,)) for expected in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
