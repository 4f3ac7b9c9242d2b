"""The tables of the SQLite store, how they come to be, and how older ones are brought up to date.

Two rules keep it simple. A new database is built apart and linked into place whole, so nobody ever
sees half of one, however many processes come first. And `PRAGMA user_version` counts the migrations
done: all that are missing are done in one transaction, or none.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final, TypeAlias
from urllib.parse import quote

from lockgate.adapters.store.trouble import told
from lockgate.effects.ports import StoreError

PATIENCE: Final = 100.0
"""Seconds a writer waits for another process to finish its transaction (MAP L-151)."""

LOG_PAGES: Final = 300
"""Pages in the log after which it is folded in and written anew from its beginning: some fifty commits.
Syncing a file that grows takes twice as long as one that is written over, so it shall grow briefly;
folding in takes as long as two or three commits."""

APPLICATION: Final = int.from_bytes(b"lkgt")
"""`PRAGMA application_id`: this database is ours."""

Migration: TypeAlias = Sequence[str]

# Rowids on purpose: records and entries of a few kilobytes would spill out of the pages of a
# WITHOUT ROWID table. `containers` holds what there is, the other tables what there ever was.
MIGRATIONS: Final[Sequence[Migration]] = (
    (
        """CREATE TABLE containers (
            position INTEGER PRIMARY KEY, -- order of birth
            container TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            status TEXT NOT NULL,
            record BLOB NOT NULL,
            executor BLOB
        )""",
        "CREATE UNIQUE INDEX containers_by_name ON containers (name) WHERE name <> ''",
        """CREATE TABLE history (
            container TEXT NOT NULL,
            seq INTEGER NOT NULL, -- from 0, without gaps
            entry BLOB NOT NULL,
            UNIQUE (container, seq)
        )""",
        """CREATE TABLE known ( -- who ever had which name
            position INTEGER PRIMARY KEY,
            container TEXT NOT NULL,
            name TEXT NOT NULL
        )""",
        "CREATE INDEX known_by_container ON known (container)",
        "CREATE INDEX known_by_name ON known (name)",
        """CREATE TABLE exits (
            container TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            exit BLOB NOT NULL,
            PRIMARY KEY (container, epoch)
        ) WITHOUT ROWID""",
        """CREATE TABLE events (
            number INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
            event BLOB NOT NULL
        )""",
    ),
    (
        "ALTER TABLE containers ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0",
        """CREATE TABLE needs ( -- who cannot be without whom
            container TEXT NOT NULL,
            needed TEXT NOT NULL,
            PRIMARY KEY (container, needed)
        ) WITHOUT ROWID""",
        "CREATE INDEX needs_by_needed ON needs (needed)",
    ),
    (
        "ALTER TABLE containers ADD COLUMN pod TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX containers_by_pod ON containers (pod) WHERE pod <> ''",
        """CREATE TABLE pods (
            position INTEGER PRIMARY KEY, -- order of birth
            pod TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL UNIQUE,
            infra TEXT NOT NULL UNIQUE, -- it comes and goes with this container
            leaving TEXT NOT NULL DEFAULT ''
        )""",
    ),
)
"""Version n is what the first n of these make. Never change one that was released: add one."""


def connect(path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> sqlite3.Connection:
    """A connection to the store at `path`, which is made if there is none (mode 0600) and brought
    up to date if it is old. Its directory must exist.

    Raises `StoreError` for what is not a store, is from a newer version, or cannot be written;
    nothing is changed then.
    """
    with told(path):
        if not os.path.lexists(path):
            _make(path, migrations)
        if not path.is_file():
            raise StoreError(
                f"store {path}: it is not a file; move it away, or use another directory"
            )
        for place in (path, path.parent):
            if not os.access(place, os.R_OK | os.W_OK):
                raise StoreError(f"store {path}: {place} cannot be written; make it writable")
        return _opened(path, migrations)


def version(connection: sqlite3.Connection) -> int:
    """How many migrations the database has seen."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def too_new(path: Path, found: int, known: int = len(MIGRATIONS)) -> StoreError:
    return StoreError(
        f"store {path}: written by a newer lockgate (store version {found}, this one knows "
        f"up to {known}); upgrade lockgate, or use another directory. Nothing was changed"
    )


def _opened(path: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(os.fspath(path))}?mode=rw",  # never make a file here: see `_make`
        uri=True,
        timeout=PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = _lenient
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        _bring_up_to_date(connection, path, migrations)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(
                f"store {path}: its file system cannot share memory between processes "
                f"(journal mode {mode}); use a directory on a local disk"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _lenient(text: bytes) -> str:
    """One damaged letter must not make a row unreadable (P11)."""
    return text.decode(errors="replace")


def _bring_up_to_date(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]
) -> None:
    if _missing(connection, path, migrations):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # again, under the lock: another process may have been faster
            for migration in _missing(connection, path, migrations):
                for statement in migration:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {len(migrations)}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _missing(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]
) -> Sequence[Migration]:
    """The migrations this database has not seen. Raises `StoreError` if it is not one of ours."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application or tables or version(connection):
            raise StoreError(
                f"store {path}: a database of another program; nothing was changed: "
                "move it away, or use another directory"
            )
    done = version(connection)
    if done > len(migrations):
        raise too_new(path, done, len(migrations))
    return migrations[done:]


def _make(path: Path, migrations: Sequence[Migration]) -> None:
    """Raises `StoreError`; a store that another process made meanwhile is as good."""
    if not path.parent.is_dir():
        raise StoreError(f"store {path}: there is no directory {path.parent}; make it")
    try:
        descriptor, draft = mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(descriptor)
        try:
            _opened(Path(draft), migrations).close()
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            Path(draft).unlink()
        _sync(path.parent)
    except OSError as error:
        raise StoreError(
            f"store {path}: cannot be made there ({error.strerror}); use another directory"
        ) from error


def _sync(directory: Path) -> None:
    """The new name survives a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
