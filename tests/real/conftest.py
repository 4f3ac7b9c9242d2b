"""An engine on a real runtime, with busybox in it; nothing of it is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate import Engine
from lockgate.testing import busybox


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the engine."""
    return tmp_path / "root"


@pytest.fixture
def engine(root: Path, runtime: str, tmp_path: Path) -> Iterator[Engine]:
    with Engine.open(root, runtime=runtime) as made:
        made.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made
        for record in made.list():
            made.remove(record.id, force=True, timeout=0)
