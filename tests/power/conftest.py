"""The disks from which the power is taken."""

import shutil

import pytest
from tests.power.disk import Disk, commits

from lockgate.adapters.store import SqliteStore


@pytest.fixture(scope="package")
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
