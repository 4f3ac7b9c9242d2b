"""Every system call of the store that changes anything, or needs a descriptor, is refused once by the kernel:
that is a `StoreError`, what was acknowledged is there, nothing is there by half, and the store goes on."""

import errno
import os
import traceback
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import chain, count, cycle, islice
from pathlib import Path

import pytest
from tests.asking import WHY
from tests.errnos import ERRNOS
from tests.refusing import Refusing
from tests.soak import WHOLE

from lockgate.adapters.store import SqliteStore
from lockgate.effects.ports import Commit, StoreError

ID = "a" * 64
COMMITS = 3
ERRORS = [getattr(errno, one) for one in chain.from_iterable(ERRNOS.values())]
BUG = 99
"""How a process ends that was told of a trouble in another way than it should be."""


def commits() -> Iterator[Commit]:
    for number in range(COMMITS):
        entry = f"entry {number} ".encode() * 400
        yield Commit(
            container=ID,
            name="web",
            seq=number,
            status="running",
            entry=entry,
            record=f"record {number}".encode(),
        )


def written(path: Path) -> None:
    """Its exit code is how many commits were acknowledged."""
    done = 0
    try:
        store = SqliteStore(path)
        for one in commits():
            store.append(one)
            done += 1
    except StoreError:
        os._exit(done)
    except BaseException:
        traceback.print_exc()
        os._exit(BUG)
    os._exit(done)


@pytest.mark.skipif(bool(WHY), reason=WHY or "fit")
@pytest.mark.sampled
@pytest.mark.parametrize("turned", range(len(ERRORS) if WHOLE else 1))
def test_each_call_is_refused_once(turned: int, tmp_path: Path) -> None:
    """By one error after the other in their turn; under `make soak` by each."""
    for at, number in zip(count(1), islice(cycle(ERRORS), turned, None)):
        path = tmp_path / f"{at}" / "db"
        path.parent.mkdir()
        refusing = Refusing(partial(written, path), at, number)
        acknowledged = refusing.ended()
        refusing.close()
        assert acknowledged is not None and acknowledged != BUG, refusing.passed[at - 1]
        if len(refusing.passed) < at:
            assert at > COMMITS and acknowledged == COMMITS
            return
        with closing(SqliteStore(path)) as store:
            there = list(store.history(ID))
            assert acknowledged <= len(there) <= acknowledged + 1
            assert there == [one.entry for one in commits()][: len(there)]
            for one in list(commits())[len(there) :]:
                store.append(one)
            assert len(list(store.history(ID))) == COMMITS
