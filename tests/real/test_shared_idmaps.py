"""Users of its own in a store shared with podman: mapped by the store's own mounts, nothing copied."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from msgspec.structs import replace
from tests.real.test_idmaps import MAPS, owners
from tests.sharing import Others, others

from lockgate import Engine, OperationFailed, VolumeMount
from lockgate.adapters.storage import SharedStorage, SharedStore
from lockgate.adapters.storage.shared.store import StoredLayer
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError
from lockgate.testing import busybox

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in ("containers-storage", "podman", "skopeo")),
        reason="there is no containers-storage, podman or skopeo (make system)",
    ),
]
BASE = MAPS[0].host


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may pass through."""
    with TemporaryDirectory(prefix="lockgate-idmaps-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture
def shared(folder: Path) -> Iterator[Others]:
    with others(folder / "store") as found:
        found.store.graph.parent.chmod(0o711)
        yield found


@pytest.fixture
def engine(folder: Path, shared: Others, tmp_path: Path, runtime: str) -> Iterator[Engine]:
    rootfs = tmp_path / "rootfs"
    with tarfile.open(busybox.rootfs_tar(tmp_path / "busybox.tar")) as tar:
        tar.extractall(rootfs, numeric_owner=True, filter="fully_trusted")
    for name in ("home", "opt"):
        (rootfs / name).mkdir()
        (rootfs / name / "file").write_text("old\n")
        os.chown(rootfs / name / "file", 5, 6)
    with Engine.open(folder / "root", runtime=runtime, storage=shared.place) as made:
        made.import_image("busybox", rootfs)
        yield made
        for record in made.list():
            made.remove(record.id, force=True, timeout=0)


def make(engine: Engine, script: str = "true", **wishes: object) -> str:
    command = ["sh", "-c", script]
    return engine.create(
        name="web",
        image="busybox",
        command=command,
        uid_maps=MAPS,
        **wishes,  # type: ignore[arg-type]
    ).id


def test_a_life(engine: Engine, shared: Others, tmp_path: Path) -> None:
    """What it sees, what it writes, what others see of it; the image keeps its owners."""
    (layer,) = shared.store.layers()
    before = owners(shared.store.directory(layer) / "diff")
    script = "id -u; stat -c %u:%g / /opt/file /home/file; echo > /new && echo >> /opt/file"
    container = make(engine, script, mounts=[VolumeMount(volume="home", destination="/home")])
    (seen,) = shared.external()
    assert seen["Id"] == container
    assert [line.text for line in engine.run_to_end("web")] == ["0", "0:0", "5:6", "5:6"]
    engine.cleanup("web")
    (own,) = shared.store.layers().keys() - {layer}
    written = owners(shared.store.directory(own) / "diff")
    assert (written["new"], written["opt/file"]) == ((BASE, BASE), (BASE + 5, BASE + 6))
    assert owners(shared.store.directory(layer) / "diff") == before
    assert ("A", "/new") in [(one.kind, one.path) for one in engine.diff("web")]
    engine.export("web", tmp_path / "web.tar")
    with tarfile.open(tmp_path / "web.tar") as tar:
        found = {one.name: (one.uid, one.gid) for one in tar.getmembers()}
    assert (found["new"], found["opt/file"], found["."]) == ((0, 0), (5, 6), (0, 0))
    engine.remove("web")
    assert [*shared.store.layers()] == [layer]


def test_where_the_way_is_barred(engine: Engine, shared: Others, folder: Path) -> None:
    for barred in (shared.store.graph.parent, folder):
        barred.chmod(0o700)
        with pytest.raises(OperationFailed, match=f"{barred} lets no others through"):
            make(engine)
        assert (engine.list(), shared.external()) == ((), [])
        assert not [*(folder / "root").glob("containers/*")]


class Copying(SharedStore):
    """One that has copied every layer, where the kernel maps no owners."""

    def layers(self) -> dict[str, StoredLayer]:
        return {
            name: replace(one, maps=({"container_id": 0, "host_id": BASE, "size": 1},))
            for name, one in super().layers().items()
        }


def test_what_the_store_has_copied_is_refused(engine: Engine, shared: Others, folder: Path) -> None:
    image = engine.image("busybox")
    storage = SharedStorage(folder / "root", Copying(shared.place))
    config = Config(id="c" * 64, image=image.name, image_id=image.id, uid_maps=MAPS, gid_maps=MAPS)
    with pytest.raises(PortError, match=r"copied layer .* with other owners") as refusal:
        storage.create(config)
    assert refusal.value.fault.dirty
    storage.delete(config)
    assert shared.external() == []
