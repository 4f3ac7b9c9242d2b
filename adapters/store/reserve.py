"""A little disk space kept back for the day there is none left (P25).

Removing a container frees space, but is written down before it is done. So a file of no meaning
lies beside the store: it is given up when a write fails for want of space, and kept again as soon
as there is room. Nothing depends on it, so every failure here is no failure.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

SIZE: Final = 1 << 20
"""Bytes: some fifty commits."""


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
                self._kept = True
            except OSError:
                os.ftruncate(descriptor, 0)  # half a reserve is somebody's last block
            finally:
                os.close(descriptor)

    def give_up(self) -> bool:
        """Free it. Was there anything to free?"""
        self._kept = False
        with suppress(OSError):
            had = self._path.stat().st_blocks
            os.truncate(self._path, 0)
            return had > 0
        return False
