"""A container's root filesystem on this host, for its user."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate import Engine, StillMounted
from lockgate.testing import busybox

pytestmark = pytest.mark.real


@pytest.fixture
def engine(tmp_path: Path, runtime: str) -> Iterator[Engine]:
    with Engine.open(tmp_path / "root", runtime=runtime) as made:
        made.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made
        for record in made.list():
            made.remove(record.id, force=True, timeout=0)


def test_what_is_written_before_during_and_after_a_run(engine: Engine) -> None:
    engine.create(name="web", image="busybox", command=["sh", "-c", "cat /before > /during"])
    place = Path(engine.mount("web"))
    (place / "before").write_text("hello\n")
    engine.start("web")
    assert engine.wait("web", 20) == 0
    engine.cleanup("web")
    assert (place / "during").read_text() == "hello\n"
    with pytest.raises(StillMounted):
        engine.remove("web")
    engine.unmount("web")
    assert list(place.iterdir()) == []
    assert Path(engine.mount("web"), "during").exists()
    engine.remove("web", force=True)
    assert not place.exists()
