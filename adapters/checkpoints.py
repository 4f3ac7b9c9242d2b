"""The port `Checkpoints`, and where checkpoints lie: below the container's own directory.

    <root>/containers/<id>/checkpoints/<number>/image/      whole: what criu wrote, 0700
                                       <number>/work/       its log and statistics, where kept
                                       draft/               one being written, or what is left of it
                                       lock                 held by who writes, and by all he calls

One rule: a number is a name only for what is whole, for it is given by the last rename; the highest
is the checkpoint. What an archive brings is files with plain names in one directory: all else is refused.
"""

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import msgspec

from lockgate.adapters.filesystem import bundle, ensure_directory, replacing
from lockgate.adapters.flocks import locked
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.storage.archive import read_archive
from lockgate.adapters.storage.entries import (
    Allowance,
    AnyEntry,
    Directory,
    File,
    Limits,
    Meta,
    accepted,
    damaged,
    refused,
    shown,
)
from lockgate.adapters.storage.packing import write_archive
from lockgate.adapters.storage.removal import remove_tree
from lockgate.adapters.whole import write_all
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError

IMAGE, WORK = "image", "work"
FOLDER = b"checkpoint"
"""Where an archive has the files, so that one of something else is recognised."""

CONFIG = "config.json"
"""What an archive begins with: how its container was made."""

INVENTORY = "inventory.img"
"""What criu writes with every checkpoint (MAP §3.1)."""

BROUGHT = Limits(size=1 << 40, entries=1 << 16)
PATIENCE = 900.0
"""Seconds to wait for what somebody who died has begun."""

_DESCRIPTION = 1 << 20
_DRAFT, _LOCK = "draft", "lock"
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_CHUNK = 1 << 20
_PRIVATE = 0o700
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Kept:
    """The checkpoints of one container. Constructing it touches nothing."""

    def __init__(self, root: Path, container: str) -> None:
        self.directory = bundle(root, container) / "checkpoints"

    @property
    def draft(self) -> Path:
        return self.directory / _DRAFT

    def newest(self) -> Path | None:
        """The directory of the checkpoint."""
        numbers = self.numbers()
        return self.directory / str(numbers[-1]) if numbers else None

    def numbers(self) -> list[int]:
        try:
            names = [one.name for one in self.directory.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    @contextmanager
    def alone(self) -> Generator[int]:
        """Nobody else writes here, not even what somebody who died has begun. Yields a descriptor to
        be kept open by whatever is called to write. Raises `TimeoutError`."""
        ensure_directory(self.directory, _PRIVATE)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(self.directory / _LOCK, flags, 0o600)
        try:
            if not locked(lock, PATIENCE):
                raise TimeoutError(f"a checkpoint is still being written to {self.directory}")
            yield lock
        finally:
            os.close(lock)

    def begin(self) -> None:
        """An empty draft."""
        self.discard()
        for name in ("", IMAGE, WORK):
            (self.draft / name).mkdir(_PRIVATE)

    def forget_log(self) -> None:
        """What whoever wrote the draft has written about it."""
        above = os.open(self.draft, _ENTER)
        try:
            remove_tree(above, WORK)
        finally:
            os.close(above)

    def finish(self, number: int) -> None:
        """The draft is whole, and is the checkpoint from now on, through a power loss, too; those
        before it go."""
        for place in (self.draft / IMAGE, self.draft / WORK, self.draft):
            if place.exists():
                _synced(place)
        before = self.numbers()
        self.draft.rename(self.directory / str(number))
        _synced(self.directory)
        for each in before:
            self._remove(str(each))

    def discard(self) -> None:
        self._remove(_DRAFT)

    def drop(self) -> None:
        """The oldest first, so that a checkpoint is there until all is gone."""
        self.discard()
        for number in self.numbers():
            self._remove(str(number))

    def _remove(self, name: str) -> None:
        try:
            above = os.open(self.directory, _ENTER)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            remove_tree(above, name)
        finally:
            os.close(above)


class LocalCheckpoints:
    """Implements `Checkpoints` for containers below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def export(self, config: Config, target: str) -> None:
        kept = Kept(self._root, config.id)
        with kept.alone():
            newest = kept.newest()
            if newest is None:
                reason = f"container {config.id[:12]} has no checkpoint"
                raise PortError("missing", reason, dirty=False)
            with replacing(Path(target)) as out:
                write_archive(chain(_described(config), _files(newest / IMAGE)), out)

    def take(self, config: Config, number: int, source: str) -> None:
        kept = Kept(self._root, config.id)
        with kept.alone():
            if number in kept.numbers():
                return
            kept.begin()
            try:
                image = os.open(kept.draft / IMAGE, _ENTER)
                try:
                    _unpacked(Path(source), image)
                finally:
                    os.close(image)
                kept.finish(number)
            except BaseException:
                kept.discard()
                raise

    def wished(self, source: str) -> Config:
        with Path(source).open("rb", buffering=0) as file:
            for entry in accepted(read_archive(file), Allowance(BROUGHT)):
                match entry:
                    case File((b"config.json",), _, size, content) if size <= _DESCRIPTION:
                        try:
                            return msgspec.json.decode(b"".join(content), type=Config)
                        except NONSENSE:
                            raise damaged(f"{CONFIG} in {source} is no configuration") from None
                    case Directory(()):
                        pass
                    case _:
                        break
        reason = f"{source} does not begin with a {CONFIG}"
        raise refused(f"{reason}; `checkpoint --export` makes such archives")

    def drop(self, config: Config) -> None:
        Kept(self._root, config.id).drop()


def _unpacked(source: Path, image: int) -> None:
    """Raises `PortError`, clean, for an archive that is not what `export` makes."""
    with source.open("rb", buffering=0) as file:
        for entry in accepted(read_archive(file), Allowance(BROUGHT)):
            match entry:
                case Directory(() | (b"checkpoint",)) | File((b"config.json",)):
                    pass
                case File((b"checkpoint", name), _, _, content):
                    fd = _made(name, image, entry)
                    try:
                        for chunk in content:
                            write_all(fd, chunk)
                    finally:
                        os.close(fd)
                case _:
                    reason = f"{shown(entry.path)} is no file of a checkpoint"
                    raise refused(f"{reason}; `checkpoint --export` makes such archives")
    try:
        os.stat(INVENTORY, dir_fd=image, follow_symlinks=False)
    except FileNotFoundError:
        raise damaged(f"{source} holds no checkpoint: there is no {INVENTORY} in it") from None


def _made(name: bytes, image: int, entry: AnyEntry) -> int:
    try:
        return os.open(name, _NEW, 0o600, dir_fd=image)
    except FileExistsError:
        raise damaged(f"{shown(entry.path)} is in it twice") from None


def _described(config: Config) -> Iterator[AnyEntry]:
    """Of which container it is, environment included."""
    content = msgspec.json.encode(config)
    yield File((CONFIG.encode(),), Meta(0o600), len(content), (content,))


def _files(image: Path) -> Iterator[AnyEntry]:
    """What a runtime wrote there, by name; regular files, which is all there should be."""
    yield Directory((FOLDER,), Meta(_PRIVATE))
    for name in sorted(one.name for one in image.iterdir()):
        fd = os.open(image / name, _READ)
        try:
            found = os.fstat(fd)
            meta = Meta(0o600, mtime=found.st_mtime_ns)
            yield File((FOLDER, os.fsencode(name)), meta, found.st_size, _content(fd))
        finally:
            os.close(fd)


def _content(fd: int) -> Iterator[bytes]:
    while chunk := os.read(fd, _CHUNK):
        yield chunk


def _synced(directory: Path) -> None:
    """Everything in it, but for directories, and its names."""
    for place in (*(one for one in directory.iterdir() if one.is_file()), directory):
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
