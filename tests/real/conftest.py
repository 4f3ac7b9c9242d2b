"""An engine on a real runtime, with busybox in it; nothing of it is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate import Engine
from lockgate.testing import busybox


@pytest.fixture
def engine(tmp_path: Path, runtime: str) -> Iterator[Engine]:
    with Engine.open(tmp_path / "root", runtime=runtime) as made:
        made.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made
        for record in made.list():
            made.remove(record.id, force=True, timeout=0)
