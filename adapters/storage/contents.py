"""Port `Contents`: the root file system of a container as an archive, a list of changes, sizes.

The container may run meanwhile, and may be hostile: everything is walked from one descriptor,
without following links (MAP L-43, D-25).
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import BinaryIO, Protocol

from msgspec.structs import replace

from lockgate.adapters.storage.directory import read_directory, visited
from lockgate.adapters.storage.entries import (
    AnyEntry,
    Directory,
    File,
    Node,
    Parts,
    Symlink,
    shown,
)
from lockgate.adapters.storage.packing import write_archive
from lockgate.adapters.storage.stacking import (
    FILES_OF_FUSE,
    is_opaque,
    is_whiteout,
    merged,
    names_in,
)
from lockgate.adapters.userns import confined
from lockgate.effects.config import Config
from lockgate.effects.idmaps import container_id
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Change, Image, Sizes

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Stacked(Protocol):
    """A storage whose containers are an upper directory above an image's; see `OverlayStorage`."""

    def seen(self, config: Config) -> AbstractContextManager[int]: ...

    def upper(self, config: Config) -> Path: ...

    def lower(self, config: Config) -> list[Path]: ...

    def image(self, config: Config) -> Image: ...


class OverlayContents:
    """Looks through the eyes of the storage that keeps it."""

    def __init__(self, storage: Stacked) -> None:
        self._storage = storage

    def export(self, config: Config, out: BinaryIO) -> None:
        """See the port. Attributes kept are those an import takes: file capabilities, ACLs,
        `user.*`."""
        with self._storage.seen(config) as top:
            write_archive(_as_inside(config, read_directory(top, living=True)), out)

    def changes(self, config: Config) -> tuple[Change, ...]:
        """From the upper directory: what is in it was added or changed, and its whiteouts and
        opaque directories tell what was deleted. A directory counts as changed when something
        in it has changed, for overlayfs copied it."""
        if config.rootfs:
            reason = f"container {config.id[:12]} has no image that could be compared with"
            raise PortError("refused", reason, dirty=False)
        with ExitStack() as opened:
            upper = os.open(self._storage.upper(config), _ENTER)
            opened.callback(os.close, upper)
            lower = [os.open(layer, _ENTER) for layer in self._storage.lower(config)]
            for fd in lower:
                opened.callback(os.close, fd)
            return tuple(sorted(_changes(upper, lower), key=lambda change: change.path))

    def sizes(self, config: Config) -> Sizes:
        if config.rootfs:
            with self._storage.seen(config) as top:
                return Sizes(_size(top), 0)
        upper = os.open(self._storage.upper(config), _ENTER)
        try:
            return Sizes(_size(upper), self._storage.image(config).size)
        finally:
            os.close(upper)


def _as_inside(config: Config, entries: Iterable[AnyEntry]) -> Iterator[AnyEntry]:
    """With owners as the container sees them, not as this host does."""
    if not config.uid_maps:
        yield from entries
        return
    for entry in entries:
        if isinstance(entry, Directory | File | Symlink | Node):
            uid = container_id(config.uid_maps, entry.meta.uid)
            gid = container_id(config.gid_maps, entry.meta.gid)
            yield replace(entry, meta=replace(entry.meta, uid=uid, gid=gid))
        else:
            yield entry


def _changes(upper: int, lower: list[int]) -> Iterator[Change]:
    known: dict[Parts, set[bytes]] = {}  # what the image has in directories the container touched
    for path, found, above in visited(upper, living=True):
        *parts, name = path
        if name in FILES_OF_FUSE and confined():
            continue
        parent = tuple(parts)
        if parent not in known:
            known[parent] = _hidden_by(upper, lower, parent)
        if is_whiteout(found):
            yield Change("D", f"/{shown(path)}")
            continue
        yield Change("C" if name in known[parent] else "A", f"/{shown(path)}")
        if name in known[parent] and stat.S_ISDIR(found.st_mode):
            yield from _replaced(path, above, lower)


def _hidden_by(upper: int, lower: list[int], path: Parts) -> set[bytes]:
    """The names the layers show in a directory, if the container's own were not there."""
    with ExitStack() as opened:
        return names_in(merged((upper, *lower), path, opened)[1:])


def _replaced(path: Parts, above: int, lower: list[int]) -> Iterator[Change]:
    """What went with a directory that was removed before one of the same name was made."""
    with ExitStack() as opened:
        here = os.open(path[-1], _ENTER, dir_fd=above)
        opened.callback(os.close, here)
        if is_opaque(here):
            for name in names_in(merged(lower, path, opened)) - names_in([here]):
                yield Change("D", f"/{shown((*path, name))}")


def _size(top: int) -> int:
    """Of all file content, however many names a file has."""
    files = {
        (found.st_dev, found.st_ino): found.st_size
        for _, found, _ in visited(top, living=True)
        if stat.S_ISREG(found.st_mode)
    }
    return sum(files.values())
