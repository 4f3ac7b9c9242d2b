"""A disk that says of each write that it is done, and does them in an order of its own: what came later is
there, and what came before it is not."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.power.disk import IDS, PAGE, Disk
from tests.soak import SOAK

from lockgate.adapters.store import SqliteStore
from lockgate.effects.ports import StoreError


@pytest.mark.sampled
def test_a_commit_without_those_before_it_is_not_there(copies: list[Disk]) -> None:
    """Whichever part of an earlier one is missing, whatever stands in its place."""
    luck = random.Random(4)
    whole = copies[-1]
    ends = [len(one.wal()) for one in copies]
    for missing in range(1, len(copies) - 1):
        begin, end = ends[missing - 1], ends[missing]
        for way in range(3 * SOAK):
            wal = bytearray(whole.wal())
            at = begin if way == 0 else luck.randrange(begin, end)
            stop = end if way == 0 else min(end, at + PAGE)
            wal[at:stop] = bytes(stop - at) if way < 2 else luck.randbytes(stop - at)
            disk = whole.variant("gap", main=whole.main(), wal=bytes(wal))
            assert disk.commits() == missing - 1


@pytest.mark.sampled
def test_pages_folded_in_without_their_log_are_said_to_be_damaged(
    copies: list[Disk], tmp_path: Path
) -> None:
    """The log was folded into the database and begun anew; of the pages some never came. Nobody can
    mend that. It is read as far as it goes, or said."""
    luck = random.Random(5)
    old = copies[0].main()
    new = folded(copies[-1], tmp_path).ljust(len(old), b"\0")
    pages = range(0, len(new), PAGE)
    seen: set[bool] = set()
    for _ in range(40 * SOAK):
        lost = set(luck.sample(pages, luck.randint(1, len(pages) // 2)))
        main = b"".join(
            (old[at : at + PAGE] or bytes(PAGE)) if at in lost else new[at : at + PAGE]
            for at in pages
        )
        disk = copies[-1].variant("folded", main=main, wal=b"")
        seen.add(readable(disk))
    assert seen == {True, False}


def folded(disk: Disk, folder: Path) -> bytes:
    """Its database, with all of the log in it."""
    copy = disk.variant("to fold", main=disk.main(), wal=disk.wal())
    with closing(sqlite3.connect(copy.folder / "db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return copy.main()


def readable(disk: Disk) -> bool:
    """Can all of it be read? Raises what is not promised."""
    try:
        with closing(SqliteStore(disk.folder / "db")) as store:
            store.rows()
            list(store.events())
            for one in IDS:
                list(store.history(one))
    except StoreError:
        return False
    return True
