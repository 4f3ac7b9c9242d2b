"""The store on disk: one SQLite database, shared by all threads and processes of an engine.

Two rules keep it simple. A commit is one transaction, so state, history, events and exits cannot
disagree (P24). And nothing holds a connection between calls: readers see a snapshot without waiting
for a writer (WAL), and no one who stops listening keeps the log from being folded in.
"""

import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.store import schema
from lockgate.adapters.store.admission import admit, bound, lodged, renamed
from lockgate.adapters.store.connections import Connections
from lockgate.adapters.store.reserve import Reserve
from lockgate.adapters.store.trouble import OutOfSpace, told
from lockgate.effects.outcome import UNKNOWN_EXIT, Exited
from lockgate.effects.ports import Commit, Event, Executor, Leaving, PodRow, Row, StoreError

BATCH = 500
"""How many entries or events are read at a time."""

POLL = 0.01
"""Seconds between two looks for news: how late `wait_events` may be."""

T = TypeVar("T")

_ENTRIES = "SELECT MAX(seq) + 1 FROM history WHERE history.container = containers.container"
_ROW = f"SELECT container, name, ({_ENTRIES}), status, record, executor, pod FROM containers"
_POD = "SELECT pod, name, infra, leaving FROM pods"

_ENCODER = msgspec.json.Encoder()
EXECUTOR = msgspec.json.Decoder(Executor)
EXITED = msgspec.json.Decoder(Exited)
EVENT = msgspec.json.Decoder(Event)


class SqliteStore:
    """Implements `Store` in the file `path`, which is made if there is none; its directory must
    exist. Raises `StoreError` when it cannot be used, and then has changed nothing.

    Thread safe, and safe across forks. Left to itself, `append` waits up to 100 seconds for others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserve = Reserve(path.with_name(path.name + "-reserve"))
        self._connections = Connections(path, self._connected)
        with self._reading():
            pass  # what is wrong with the file is told now rather than later
        self._reserve.keep()

    def close(self) -> None:
        """Give back what is held open; safe to do twice."""
        self._connections.close()

    def _connected(self, path: Path) -> sqlite3.Connection:
        try:
            return schema.connect(path)
        except OutOfSpace:  # even reading needs a few pages for the shared index
            if not self._reserve.give_up():
                raise
            return schema.connect(path)

    # ---- writing -------------------------------------------------------------------------

    def append(self, commit: Commit, patience: float | None = None) -> None:
        try:
            self._append(commit, patience)
        except OutOfSpace:
            if not self._reserve.give_up():
                raise
            self._append(commit, patience)
        self._reserve.keep()

    def _append(self, commit: Commit, patience: float | None) -> None:
        with self._writing(schema.PATIENCE if patience is None else patience) as database:
            entries, name, leaving, holder = database.execute(
                "SELECT (SELECT MAX(seq) + 1 FROM history WHERE container = :container),"
                " (SELECT name FROM containers WHERE container = :container),"
                " (SELECT leaving FROM containers WHERE container = :container),"
                " (SELECT container FROM containers"
                "  WHERE name = :name AND name <> '' AND container <> :container)",
                {"container": commit.container, "name": commit.name},
            ).fetchone()
            admit(commit, entries or 0, name is not None, holder)
            bound(
                commit,
                first=name is None,
                leaving=bool(leaving),
                stays=partial(_stays, database),
                needed_by=partial(_needed_by, database, commit.container),
            )
            if name is None:
                lodged(
                    commit,
                    pod=_pod(database, commit.pod) if commit.pod else None,
                    pod_of_the_name=partial(_one, database, "SELECT pod FROM pods WHERE name = ?"),
                    container_of_the_name=partial(
                        _one, database, "SELECT container FROM containers WHERE name = ?"
                    ),
                )
            elif name != commit.name:
                renamed(commit, partial(_one, database, "SELECT pod FROM pods WHERE name = ?"))
            database.execute(
                "INSERT INTO history (container, seq, entry) VALUES (?, ?, ?)",
                (commit.container, commit.seq, commit.entry),
            )
            if name != commit.name:
                database.execute(
                    "INSERT INTO known (container, name) VALUES (?, ?)",
                    (commit.container, commit.name),
                )
            self._put(database, commit, present=name is not None)
            if commit.exits:
                database.executemany(  # a run has one end: what was said first stands (P02)
                    "INSERT INTO exits (container, epoch, exit) VALUES (?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    [
                        (commit.container, epoch, _ENCODER.encode(end))
                        for epoch, end in commit.exits
                    ],
                )
            if commit.events:
                database.executemany(
                    "INSERT INTO events (event) VALUES (?)",
                    [(_ENCODER.encode(event),) for event in commit.events],
                )

    def _put(self, database: sqlite3.Connection, commit: Commit, *, present: bool) -> None:
        if commit.record is None:
            database.execute("DELETE FROM containers WHERE container = ?", (commit.container,))
            database.execute("DELETE FROM needs WHERE container = ?", (commit.container,))
            database.execute("DELETE FROM pods WHERE infra = ?", (commit.container,))
            return
        executor = _ENCODER.encode(commit.executor) if commit.executor else None
        values = (
            commit.name,
            commit.status,
            commit.record,
            executor,
            commit.leaving,
            commit.container,
        )
        if present:
            database.execute(
                "UPDATE containers SET name = ?, status = ?, record = ?, executor = ?, leaving = ?"
                " WHERE container = ?",
                values,
            )
        else:
            database.execute(
                "INSERT INTO containers (name, status, record, executor, leaving, container, pod)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*values, commit.pod),
            )
            if commit.pod_name:
                database.execute(
                    "INSERT INTO pods (pod, name, infra) VALUES (?, ?, ?)",
                    (commit.pod, commit.pod_name, commit.container),
                )
            if commit.needs:
                database.executemany(
                    "INSERT INTO needs (container, needed) VALUES (?, ?)",
                    [(commit.container, needed) for needed in dict.fromkeys(commit.needs)],
                )

    @contextmanager
    def _writing(self, patience: float) -> Generator[sqlite3.Connection]:
        """One transaction: all of it, or none."""
        with self._turn(patience), self._reading() as database:
            database.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
            database.execute("BEGIN IMMEDIATE")
            try:
                found = schema.version(database)
                if found > len(schema.MIGRATIONS):  # upgraded under our feet
                    raise schema.too_new(self._path, found)
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    @contextmanager
    def _turn(self, patience: float) -> Generator[None]:
        """Among the threads of this process."""
        if not self._connections.writing.acquire(timeout=patience):
            raise StoreError(f"store {self._path}: another thread has kept it locked; try again")
        try:
            yield
        finally:
            self._connections.writing.release()

    # ---- reading -------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with told(self._path), self._connections.lent() as database:
            yield database

    def row(self, container: str) -> Row | None:
        with self._reading() as database:
            found = database.execute(_ROW + " WHERE container = ?", (container,)).fetchone()
        return _row(found) if found else None

    def rows(self) -> Iterator[Row]:
        with self._reading() as database:
            found = database.execute(_ROW + " ORDER BY position").fetchall()
        return map(_row, found)

    def find(self, reference: str) -> tuple[str, ...]:
        return self._found("container", "containers", reference)

    def _found(self, key: str, table: str, reference: str) -> tuple[str, ...]:
        if not _sayable(reference):
            return ()
        with self._reading() as database:
            (exact,) = database.execute(
                f"SELECT COALESCE((SELECT {key} FROM {table} WHERE {key} = :reference),"
                f" (SELECT {key} FROM {table} WHERE name = :reference AND name <> ''))",
                {"reference": reference},
            ).fetchone()
            if exact:
                return (exact,)
            # those that begin with it come first in order from there on: no wildcards to escape
            near = database.execute(
                f"SELECT {key} FROM {table} WHERE {key} >= ? ORDER BY {key} LIMIT 2",
                (reference,),
            ).fetchall()
        return tuple(one for (one,) in near if one.startswith(reference))

    def needed_by(self, container: str) -> tuple[str, ...]:
        with self._reading() as database:
            return _needed_by(database, container)

    # ---- pods ----------------------------------------------------------------------------

    def pods(self) -> Iterator[PodRow]:
        with self._reading() as database:
            found = database.execute(_POD + " ORDER BY position").fetchall()
        return map(_pod_row, found)

    def pod(self, pod: str) -> PodRow | None:
        with self._reading() as database:
            return _pod(database, pod)

    def find_pod(self, reference: str) -> tuple[str, ...]:
        return self._found("pod", "pods", reference)

    def members(self, pod: str) -> tuple[str, ...]:
        with self._reading() as database:
            found = database.execute(
                "SELECT container FROM containers WHERE pod = ? AND pod <> '' ORDER BY position",
                (pod,),
            ).fetchall()
        return tuple(_text(one) for (one,) in found)

    def dismiss(self, pod: str, leaving: Leaving) -> None:
        try:
            self._dismiss(pod, leaving)
        except OutOfSpace:
            if not self._reserve.give_up():
                raise
            self._dismiss(pod, leaving)
        self._reserve.keep()

    def _dismiss(self, pod: str, leaving: Leaving) -> None:
        with self._writing(schema.PATIENCE) as database:
            database.execute("UPDATE pods SET leaving = ? WHERE pod = ?", (leaving, pod))

    # ---- what there ever was -------------------------------------------------------------

    def history(self, container: str) -> Iterator[bytes]:
        with self._reading() as database:
            (last,) = database.execute(
                "SELECT COALESCE(MAX(seq), -1) FROM history WHERE container = ?", (container,)
            ).fetchone()
        found = self._batches(
            "SELECT seq, entry FROM history WHERE seq > ? AND seq <= ? AND container = ?"
            " ORDER BY seq LIMIT ?",
            -1,
            last,
            container,
        )
        return (_bytes(entry) for _, entry in found)

    def past(self, name: str) -> str | None:
        if not _sayable(name):
            return None
        with self._reading() as database:
            (exact,) = database.execute(
                "SELECT COALESCE((SELECT container FROM known WHERE container = :name LIMIT 1),"
                " (SELECT container FROM known WHERE name = :name ORDER BY position DESC LIMIT 1))",
                {"name": name},
            ).fetchone()
            if exact:
                return str(exact)
            with closing(  # a query left half read would hold on to its snapshot
                database.execute(
                    "SELECT container, position FROM known WHERE container >= ? ORDER BY container",
                    (name,),
                )
            ) as near:
                begins = takewhile(lambda found: found[0].startswith(name), near)
                newest = max(begins, key=lambda found: found[1], default=None)
        return str(newest[0]) if newest else None

    def exit(self, container: str, epoch: int | None = None) -> Exited | None:
        with self._reading() as database:
            found = database.execute(
                "SELECT exit FROM exits"
                " WHERE container = :container AND (epoch = :epoch OR :epoch IS NULL)"
                " ORDER BY epoch DESC LIMIT 1",
                {"container": container, "epoch": epoch},
            ).fetchone()
        if found is None:
            return None
        unreadable = Exited(UNKNOWN_EXIT, 0, reason="the stored exit of this run is damaged")
        return decoded(EXITED, found[0]) or unreadable

    # ---- events --------------------------------------------------------------------------

    def events(self, after: int = 0) -> Iterator[Event]:
        found = self._batches(
            "SELECT number, event FROM events WHERE number > ? AND number <= ?"
            " ORDER BY number LIMIT ?",
            after,
            self.newest_event(),
        )
        readable = ((number, decoded(EVENT, data)) for number, data in found)
        return (replace(event, number=number) for number, event in readable if event)

    def wait_events(self, after: int, timeout: float) -> None:
        """Looks every 10 ms (a look takes 10 µs), so it needs no help from whoever commits."""
        deadline = time.monotonic() + timeout
        while self.newest_event() <= after and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(POLL, left))

    def newest_event(self) -> int:
        with self._reading() as database:
            (number,) = database.execute("SELECT COALESCE(MAX(number), 0) FROM events").fetchone()
        return int(number)

    def _batches(
        self, query: str, after: int, last: int, *about: str
    ) -> Iterator[tuple[int, object]]:
        """What is only ever added to, up to what was last when asked, without holding on to it."""
        while after < last:
            with self._reading() as database:
                batch = database.execute(query, (after, last, *about, BATCH)).fetchall()
            if not batch:
                return
            yield from batch
            after = batch[-1][0]


def _stays(database: sqlite3.Connection, container: str) -> bool:
    found = database.execute(
        "SELECT NOT leaving FROM containers WHERE container = ?", (container,)
    ).fetchone()
    return bool(found and found[0])


def _needed_by(database: sqlite3.Connection, container: str) -> tuple[str, ...]:
    found = database.execute(
        "SELECT container FROM needs JOIN containers USING (container) WHERE needed = ?"
        " ORDER BY position",
        (container,),
    ).fetchall()
    return tuple(_text(one) for (one,) in found)


def _one(database: sqlite3.Connection, query: str, about: str) -> str | None:
    found = database.execute(query, (about,)).fetchone()
    return _text(found[0]) if found else None


def _pod(database: sqlite3.Connection, pod: str) -> PodRow | None:
    found = database.execute(_POD + " WHERE pod = ?", (pod,)).fetchone()
    return _pod_row(found) if found else None


# ---- what is in the columns, whatever it is (P11) ----------------------------------------


def _row(columns: tuple[Any, ...]) -> Row:
    container, name, entries, status, record, executor, pod = columns
    return Row(
        container=container,
        name=_text(name),
        seq=entries or 0,
        status=_text(status),
        record=_bytes(record),
        executor=decoded(EXECUTOR, executor),
        pod=_text(pod),
    )


def _pod_row(columns: tuple[Any, ...]) -> PodRow:
    pod, name, infra, leaving = map(_text, columns)
    known: Leaving = "force" if leaving == "force" else "plain" if leaving else ""
    return PodRow(pod=pod, name=name, infra=infra, leaving=known)


def decoded(decoder: msgspec.json.Decoder[T], data: object) -> T | None:
    """What a column holds; None where that is something else."""
    if not isinstance(data, bytes):
        return None
    try:
        return decoder.decode(data)
    except NONSENSE:
        return None


def _bytes(data: object) -> bytes:
    return data if isinstance(data, bytes) else _text(data).encode()


def _text(data: object) -> str:
    return data if isinstance(data, str) else ""


def _sayable(reference: str) -> bool:
    """Can it be anything's name? Not when it is empty, nor when it came from a command line in
    bytes that are no text."""
    return bool(reference) and not any("\ud800" <= letter <= "\udfff" for letter in reference)
