"""Power loss under the store: whatever was acknowledged is there, and nothing is there by half.

The disk is modelled as FAULTS §3.3 has it: what was synced stays; of what was written since, any
part may be there, in any order, or none, or nonsense. The store's files are copied as of every
commit; between two copies lies exactly what one commit wrote.
"""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.soak import DONE, SOAK

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


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> list[Disk]:
    """The store's files as of each commit; the n-th has n."""
    base = tmp_path_factory.mktemp("power")
    live = base / "live"
    live.mkdir()
    store = SqliteStore(live / "db")
    taken: list[Disk] = []
    for number, one in enumerate((None, *commits())):
        if one is not None:
            store.append(one)
        folder = base / f"after-{number}"
        shutil.copytree(live, folder, ignore=shutil.ignore_patterns("*-shm", "*reserve*"))
        taken.append(Disk(folder))
    store.close()
    return taken


def test_what_was_acknowledged_is_there(copies: list[Disk]) -> None:
    for number, disk in enumerate(copies):
        copy = disk.variant("whole", main=disk.main(), wal=disk.wal())
        assert copy.commits() == number


@pytest.mark.sampled
def test_a_commit_cut_off_anywhere_is_there_or_not(copies: list[Disk]) -> None:
    luck = random.Random(1)
    for number in range(1, len(copies)):
        before, after = copies[number - 1].wal(), copies[number].wal()
        assert len(after) > len(before), "this commit was not appended"
        cuts = {len(before), len(after) - 1, *luck.sample(range(len(before), len(after)), 2 * SOAK)}
        for cut in cuts:
            disk = copies[number].variant("cut", main=copies[number].main(), wal=after[:cut])
            assert disk.commits() == number - 1


@pytest.mark.sampled
def test_a_commit_of_which_some_pages_are_missing_is_not_there(copies: list[Disk]) -> None:
    """Not synced yet, its pages may reach the disk in any order, or as zeros, or as nonsense."""
    luck = random.Random(2)
    for number in range(1, len(copies)):
        before, after = len(copies[number - 1].wal()), copies[number].wal()
        for way in range(3 * SOAK):
            torn = bytearray(after)
            at = luck.randrange(before, len(after))
            end = min(len(after), at + luck.choice((1, 512, PAGE)))
            if way % 3 == 0:
                torn[at:end] = bytes(end - at)
            elif way % 3 == 1:
                torn[at:end] = luck.randbytes(end - at)
            else:
                torn[at] ^= 1 << luck.randrange(8)
            main = copies[number].main()
            disk = copies[number].variant("torn", main=main, wal=bytes(torn))
            assert disk.commits() == (number if torn == after else number - 1)


@pytest.mark.sampled
def test_a_checkpoint_interrupted_anywhere_loses_nothing(
    copies: list[Disk], tmp_path: Path
) -> None:
    """While the log is folded into the database its pages are old or new in any mixture; the log
    is still whole."""
    last = copies[-1]
    folded = tmp_path / "folded"
    shutil.copytree(last.folder, folded)
    SqliteStore(folded / "db").close()  # the last to close it folds the log
    old, new = last.main(), (folded / "db").read_bytes()
    assert len(new) > len(old) or new != old, "nothing was folded"
    luck = random.Random(3)
    for _ in range(20 * SOAK):
        pages = [
            (new if luck.random() < 0.5 else old.ljust(len(new), b"\0"))[at : at + PAGE]
            for at in range(0, len(new), PAGE)
        ]
        disk = last.variant("mixed", main=b"".join(pages), wal=last.wal())
        assert disk.commits() == COMMITS


def test_after_the_loss_the_store_goes_on(copies: list[Disk]) -> None:
    cut = copies[COMMITS].wal()[:-1]
    disk = copies[COMMITS].variant("goes-on", main=copies[COMMITS].main(), wal=cut)
    assert disk.commits() == COMMITS - 1
    store = SqliteStore(disk.folder / "db")
    store.append(list(commits())[-1])
    store.close()
    assert disk.commits() == COMMITS
