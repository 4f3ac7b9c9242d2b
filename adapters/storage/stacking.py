"""What a directory looks like through a stack of layers that is not mounted.

A layer's archive may put a file into a directory without saying anything about the directory.
In the layer by itself that directory must exist, and overlayfs shows the looks of the topmost
one: so it takes those of the one below (OCI image spec, "Applying Changesets").
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress

from lockgate.adapters.storage.directory import meta_of
from lockgate.adapters.storage.entries import Directory, Parts
from lockgate.adapters.storage.unpack import dress, opaque
from lockgate.adapters.userns import confined

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


MARKS_OF_FUSE = ("user.fuseoverlayfs.opaque",)
FILES_OF_FUSE = (b".wh..wh..opq", b".wh..opq")
"""By what else fuse-overlayfs makes a directory opaque."""


def inherit(undescribed: Iterable[Parts], layer: int, below: Sequence[int]) -> Iterator[Directory]:
    """Give directories of the layer open as `layer` the looks of those below (topmost first).

    Yields what was found, in the order of `undescribed`.
    """
    for path in undescribed:
        with ExitStack() as opened:
            own, *others = merged((layer, *below), path, opened)
            if others:
                meta = meta_of(os.fstat(others[0]), others[0])
                dress(own, meta, owner=os.geteuid() == 0)
                yield Directory(path, meta)


def merged(stack: Sequence[int], path: Parts, opened: ExitStack) -> list[int]:
    """The directories that overlayfs would merge at `path`, the topmost first; none where it
    would show something else, or nothing."""
    for part in path:
        inside: list[int] = []
        for above in stack:
            try:
                here = os.open(part, _ENTER, dir_fd=above)
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                break  # a whiteout, or anything else that hides what lies below it
            opened.callback(os.close, here)
            inside.append(here)
            if is_opaque(here):
                break
        stack = inside
    return list(stack)


def is_opaque(directory: int) -> bool:
    """Whether it hides what lies below it."""
    name, value = opaque()
    for one in (name, *MARKS_OF_FUSE) if confined() else (name,):
        with suppress(OSError):
            return os.getxattr(directory, one) == value
    return False


def names_in(directories: Iterable[int]) -> set[bytes]:
    """What there is to see in directories merged as `merged` has them."""
    names: set[bytes] = set()
    hidden: set[bytes] = set()
    for directory in directories:
        with os.scandir(directory) as entries:
            here = {
                os.fsencode(entry.name): is_whiteout(entry.stat(follow_symlinks=False))
                for entry in entries
            }
        names |= {name for name, whiteout in here.items() if not whiteout and name not in hidden}
        hidden |= {name for name, whiteout in here.items() if whiteout}
    return names


def is_whiteout(found: os.stat_result) -> bool:
    """As overlayfs writes them."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
