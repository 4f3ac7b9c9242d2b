"""The open connections of one process to one database, each lent to one thread at a time.

The rule that keeps it simple: nothing stays lent while a caller thinks. So before this process
forks all are given back and closed, and each side opens its own when it next needs one. It must be
so: POSIX locks do not cross a fork, yet SQLite in the child would believe it holds the parent's,
even for a connection the child opens itself ("How To Corrupt An SQLite Database File", 2.6).
"""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Lock

from lockgate.adapters.forks import around_forks
from lockgate.effects.ports import StoreError

FORK_PATIENCE = 10.0
"""Seconds a fork waits for other threads to finish with their connections."""


class Connections:
    """Lends connections, newest first, and opens one when none is idle. Thread safe.

    `writing` is to be held around a write transaction: threads would poll for SQLite's own lock,
    this one is handed over at once.
    """

    def __init__(self, path: Path, connect: Callable[[Path], sqlite3.Connection]) -> None:
        self.writing = Lock()
        self._path, self._connect = path, connect
        self._gate = Condition(Lock())
        self._idle: list[sqlite3.Connection] = []
        self._lent = 0
        self._refusal = ""  # why nothing is lent any more
        around_forks(before=self._before_fork, parent=self._after_fork, child=self._born)

    @contextmanager
    def lent(self) -> Generator[sqlite3.Connection]:
        """A connection for the length of one query or transaction. Raises `StoreError` after
        `close`, and what `connect` raises."""
        with self._gate:
            if self._refusal:
                raise StoreError(f"store {self._path}: {self._refusal}")
            connection = self._idle.pop() if self._idle else None
            self._lent += 1
        try:
            connection = connection or self._connect(self._path)
            yield connection
        finally:
            self._take_back(connection)

    def _take_back(self, connection: sqlite3.Connection | None) -> None:
        with self._gate:
            self._lent -= 1
            if connection is not None:
                self._idle.append(connection)
            if self._refusal:
                self._close_idle()
            self._gate.notify_all()

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        with self._gate:
            self._refusal = self._refusal or "it is closed; open it again to use it"
            self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    # ---- forks ---------------------------------------------------------------------------

    def _before_fork(self) -> None:
        self._gate.acquire()
        if self._gate.wait_for(lambda: not self._lent, FORK_PATIENCE):
            self._close_idle()

    def _after_fork(self) -> None:
        self._gate.release()

    def _born(self) -> None:
        """In the child: only the thread that forked is here."""
        self.writing = Lock()
        if self._lent:
            self._refusal = (
                "this process was forked off while another thread was using it; "
                "fork before opening it, or start a fresh process"
            )
        self._gate.release()
