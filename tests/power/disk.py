"""A disk with a store on it, as of each of its commits: what was synced stays; of what was written since,
any part may be there, in any order, or none, or nonsense (FAULTS §3.3). The store's files are copied as of
every commit; between two copies lies exactly what one commit wrote.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.soak import DONE

from lockgate.adapters.store import SqliteStore
from lockgate.effects.outcome import Exited
from lockgate.effects.ports import Commit, Event

IDS = ("a" * 64, "b" * 64)
COMMITS = 24
PAGE = 4096


def commits(count: int = COMMITS) -> Iterator[Commit]:
    """Two containers' lives, side by side; some entries span several pages."""
    seqs = dict.fromkeys(IDS, 0)
    for number in range(count):
        container = IDS[number % 2]
        seq = seqs[container]
        seqs[container] += 1
        yield Commit(
            container=container,
            name=container[:12],
            seq=seq,
            status="running",
            entry=f"entry {number} ".encode() * (1 if number % 5 else 900),
            record=f"record {number}".encode(),
            events=(Event(container, container[:12], "start", at=number + 1),),
            exits=((seq, Exited(number % 256, number + 1)),),
        )


class Disk:
    """A folder with the store's files, as of some moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def wal(self) -> bytes:
        path = self.folder / "db-wal"
        return path.read_bytes() if path.exists() else b""

    def main(self) -> bytes:
        return (self.folder / "db").read_bytes()

    def variant(self, name: str, *, main: bytes, wal: bytes) -> "Disk":
        """Another disk, with these contents; the shared index is never trusted to survive."""
        folder = self.folder.parent / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "db").write_bytes(main)
        (folder / "db-wal").write_bytes(wal)
        return Disk(folder)

    def commits(self) -> int:
        """How many commits a store reopened here knows; raises if any of them is torn."""
        DONE["disks after a loss of power"] += 1
        store = SqliteStore(self.folder / "db")
        try:
            known = 0
            for one in commits():
                history = list(store.history(one.container))
                if len(history) <= one.seq:
                    break
                assert history[one.seq] == one.entry, "an entry is not what was written"
                exited = store.exit(one.container, one.seq)
                assert exited == one.exits[0][1], "an entry without its exit"
                known += 1
            assert sum(len(list(store.history(one))) for one in IDS) == known, "a gap"
            assert [event.number for event in store.events()] == list(range(1, known + 1))
            for row in store.rows():
                written = [one for one in list(commits())[:known] if one.container == row.container]
                assert (row.seq, row.record) == (len(written), written[-1].record)
            return known
        finally:
            store.close()
