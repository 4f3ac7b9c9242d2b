"""What SQLite says went wrong, in words that name the file and what to do about it.

Nothing here decides anything: every `sqlite3.Error` that leaves the store does so as a
`StoreError` made by `told`.
"""

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lockgate.effects.ports import StoreError

ROOM = 64 * 1024
"""Bytes SQLite needs at least to begin anything: its shared index, and a page or two."""


class OutOfSpace(StoreError):
    """There is no room; what was attempted did not happen."""


@contextmanager
def told(path: Path) -> Generator[None]:
    """Raise what SQLite raises inside as a `StoreError` about `path`."""
    try:
        yield
    except sqlite3.Error as error:
        if _scarce(error, path):
            raise OutOfSpace(
                f"store {path}: no space left on its file system, nothing was written; "
                "free some space and try again"
            ) from error
        raise StoreError(f"store {path}: {_explained(error)}") from error


def _scarce(error: sqlite3.Error, path: Path) -> bool:
    """Is it for want of space? SQLite says so of writes, but not where it fails to make a file."""
    code = _primary(error)
    if code == sqlite3.SQLITE_FULL:
        return True
    if code not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return False
    try:
        space = os.statvfs(path.parent)
    except OSError:
        return False
    without_inodes = space.f_files > 0 and space.f_favail == 0
    return without_inodes or space.f_bavail * space.f_frsize < ROOM


def _explained(error: sqlite3.Error) -> str:
    match _primary(error):
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return (
                f"damaged, or not a database at all ({error}); nothing was changed: "
                "move it away to start anew, or put back a copy"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"another process has kept it locked ({error}); end that process and try again"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return f"cannot be opened for writing ({error}); make it and its directory writable"
        case sqlite3.SQLITE_IOERR:
            return f"the disk failed ({error}); look at the kernel's log"
        case _:
            return f"cannot be used ({error})"


def _primary(error: sqlite3.Error) -> int:
    """The result code without its details; 0 for what Python itself complains about."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
