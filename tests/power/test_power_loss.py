"""Power loss under the store: whatever was acknowledged is there, and nothing is there by half."""

import random
import shutil
from pathlib import Path

import pytest
from tests.power.disk import COMMITS, PAGE, Disk, commits
from tests.soak import SOAK

from lockgate.adapters.store import SqliteStore


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
