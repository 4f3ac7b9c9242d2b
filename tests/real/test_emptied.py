"""Names that were durable before their content was: after a loss of power any file of ours may be empty
(FAULTS §3.3, "zero-length after rename"). One in each life: everything can be listed, what can begin
begins, what cannot says so, and all of it can be removed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ground import Ground

from lockgate import Engine, LockgateError, Status
from lockgate.effects.config import Secret, VolumeMount
from lockgate.testing import busybox

pytestmark = [pytest.mark.real, pytest.mark.slow]

NOT_OURS = ("layers", "upper", "work", "merged", "locks", "runtime")
"""Folders of what others write, or of what has no content."""


def lived(root: Path, runtime: str, folder: Path) -> str:
    """One of everything; its run is over, and nothing of it was cleaned up yet."""
    (folder / "secret").write_text("hush")
    with Engine.open(root, runtime=runtime) as engine:
        engine.import_image("busybox", busybox.rootfs_tar(folder / "busybox.tar"))
        engine.create_network("net")
        record = engine.create(
            name="web",
            image="busybox",
            command=["sleep", "600"],
            network="net",
            ports=["18215:80"],
            secrets=[Secret(name="hush", source=str(folder / "secret"))],
            mounts=[VolumeMount(volume="data", destination="/data")],
        )
        engine.start("web")
        engine.stop("web", timeout=0)
        return record.id


def written(root: Path) -> Iterator[Path]:
    """Every file that we, or whom we call, have written and not taken away."""
    for path in sorted(root.rglob("*")):
        among = path.relative_to(root).parts
        skipped = set(among) & set(NOT_OURS) or path.name.startswith("lockgate.db")
        if not skipped and path.is_file() and path.stat().st_size:
            yield path


def looked_after(engine: Engine) -> None:
    """What can be said of it, by whoever comes after the loss."""
    (record,) = engine.list()
    assert record.status in (Status.STOPPED, Status.EXITED)
    engine.refresh()
    try:
        assert engine.start("web").status is Status.RUNNING
    except LockgateError as problem:
        assert str(problem)
    engine.remove("web", force=True, timeout=0)
    assert engine.list() == ()


def cleared(engine: Engine) -> None:
    for volume in engine.volumes():
        engine.remove_volume(volume.name)
    for network in engine.networks():
        engine.remove_network(network.name)
    for image in engine.images():
        engine.remove_image(image.name)


@pytest.fixture
def root(tmp_path: Path, runtime: str) -> Iterator[Path]:
    """Of which nothing is left, whatever was found."""
    before = Ground.of(tmp_path)
    yield tmp_path / "root"
    with Engine.open(tmp_path / "root", runtime=runtime) as engine:
        for record in engine.list():
            engine.remove(record.id, force=True)
        cleared(engine)
    assert set(before.left(Ground.of(tmp_path))) <= {"files"}, "locks that stand for good, perhaps"


def test_any_file_may_be_empty(root: Path, runtime: str, tmp_path: Path) -> None:
    names: list[str] = []
    for number in range(100):
        container = lived(root, runtime, tmp_path)
        files = list(written(root))
        if number == len(files):
            break
        files[number].write_bytes(b"")
        names.append(str(files[number].relative_to(root)).replace(container, "ID"))
        with Engine.open(root, runtime=runtime) as engine:
            looked_after(engine)
            cleared(engine)
    assert "containers/ID/config.json" in names, names
