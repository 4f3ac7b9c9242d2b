"""A little disk space kept back for the day there is none left (P25).

Removing a container frees space, but is written down before it is done; and before anything is read,
files have to be made. So a file of no meaning lies beside the store, and a few empty ones: they are
given up when a write fails for want of space, and kept again as soon as there is room. Nothing
depends on them, so every failure here is no failure.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

SIZE: Final = 1 << 20
"""Bytes: some fifty commits."""

FILES: Final = 6
"""Files: the log of the store and its index, a lock, and what a monitor says of the end of a run."""


class Reserve:
    """The file at `path`; it may be shared by any number of processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = False

    def keep(self) -> None:
        """Have it, if there is room. Costs nothing when it is had already."""
        if self._kept:
            return
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, SIZE)
                self._keep_files()
                self._kept = True
            except OSError:
                os.ftruncate(descriptor, 0)  # half a reserve is somebody's last block
                self._unlink()
            finally:
                os.close(descriptor)

    def give_up(self) -> bool:
        """Free it. Was there anything to free?"""
        self._kept = False
        had = self._unlink()
        with suppress(OSError):
            had |= self._path.stat().st_blocks > 0
            os.truncate(self._path, 0)
        return had

    def _files(self) -> Iterator[Path]:
        return (self._path.with_name(f"{self._path.name}.{number}") for number in range(FILES))

    def _keep_files(self) -> None:
        for path in self._files():
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))

    def _unlink(self) -> bool:
        had = False
        for path in self._files():
            with suppress(OSError):
                path.unlink()
                had = True
        return had
