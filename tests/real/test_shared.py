"""One store with podman: each sees what the other has, and may take it away."""

import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.adapters.layouts import Layout, Member, directory, docker_archive, member
from tests.sharing import Others, others

from lockgate import Engine, InvalidArgument, OperationFailed, Status
from lockgate.adapters.storage import SharedStorage, SharedStore
from lockgate.adapters.storage.overlay import is_mounted
from lockgate.effects.config import Config, Security
from lockgate.effects.outcome import PortError
from lockgate.testing import busybox

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in ("containers-storage", "podman", "skopeo")),
        reason="there is no containers-storage, podman or skopeo (make system)",
    ),
]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Others]:
    with others(tmp_path) as found:
        rootfs = busybox.rootfs_tar(tmp_path / "busybox.tar")
        found.podman("import", "--quiet", "--change", 'CMD ["sh"]', str(rootfs), "busybox")
        yield found


@pytest.fixture
def engine(tmp_path: Path, shared: Others) -> Iterator[Engine]:
    with Engine.open(tmp_path / "root", runtime="runc", storage=shared.place) as made:
        yield made
        for record in made.list():
            made.remove(record.id, force=True, timeout=0)


def made(engine: Engine, name: str = "web", script: str = "echo hi > /new") -> str:
    return engine.create(name=name, image="busybox", command=["sh", "-c", script]).id


def test_an_image_podman_has_brought_runs_here(engine: Engine) -> None:
    (image,) = engine.images()
    assert (image.name, image.command) == ("localhost/busybox:latest", ("sh",))
    assert engine.image("busybox") == engine.image(image.id) == image
    made(engine, script="exit 7")
    engine.start("web")
    assert engine.wait("web", 20) == 7
    with pytest.raises(OperationFailed, match="used by 1 container"):
        engine.remove_image("busybox")


def test_an_image_brought_here_is_one_of_theirs(
    engine: Engine, shared: Others, tmp_path: Path
) -> None:
    engine.import_image("ours", tmp_path / "busybox.tar", command=["echo", "hi"])
    shown = shared.podman("image", "inspect", "--format", "{{.Config.Cmd}}", "localhost/ours")
    assert shown == "[echo hi]\n"
    shared.podman("create", "--name", "theirs", "ours")
    with pytest.raises(OperationFailed, match="used by 1 container"):
        engine.remove_image("ours")
    shared.podman("rm", "theirs")
    engine.remove_image("ours")
    assert "localhost/ours" not in shared.podman("images")


def test_podman_sees_a_container_of_ours_and_leaves_its_name_alone(
    engine: Engine, shared: Others
) -> None:
    container = made(engine)
    (seen,) = shared.external()
    assert (seen["Id"], seen["Names"], seen["State"]) == (container, ["web"], "storage")
    assert '"web" is already in use' in shared.podman_says_no("create", "--name", "web", "busybox")
    engine.remove("web")
    assert shared.external() == []


def test_a_name_of_theirs_is_taken_here(engine: Engine, shared: Others) -> None:
    shared.podman("create", "--name", "web", "busybox")
    with pytest.raises(OperationFailed, match="'web' is in use in the shared store, by container"):
        made(engine)
    assert engine.list() == ()
    shared.podman("rm", "web")
    made(engine)


def test_a_run_a_look_and_what_it_changed(engine: Engine, tmp_path: Path) -> None:
    made(engine)
    engine.start("web")
    assert engine.wait("web", 20) == 0
    changes = engine.diff("web")
    assert ("A", "/new") in [(one.kind, one.path) for one in changes]
    assert engine.sizes("web").written == 3
    engine.export("web", tmp_path / "web.tar")
    with tarfile.open(tmp_path / "web.tar") as tar:
        content = tar.extractfile("new")
        assert content is not None and content.read() == b"hi\n"
    engine.cleanup("web")
    assert engine.diff("web") == changes


def test_what_has_holes_here_has_them_there(engine: Engine, shared: Others, tmp_path: Path) -> None:
    """Of an archive we have written, and of an image brought from one."""
    made(engine, script="truncate -s 64M /vast; echo end >> /vast")
    engine.start("web")
    assert engine.wait("web", 20) == 0
    engine.export("web", tmp_path / "web.tar")
    assert (tmp_path / "web.tar").stat().st_size < 16 << 20
    engine.import_image("ours", tmp_path / "web.tar")
    shared.podman("import", "--quiet", str(tmp_path / "web.tar"), "theirs")
    for image in ("ours", "theirs"):
        seen = Path(shared.podman("image", "mount", image).strip()) / "vast"
        assert seen.stat().st_size == (64 << 20) + 4
        with seen.open("rb") as file:
            file.seek(64 << 20)
            assert file.read() == b"end\n"
        shared.podman("image", "unmount", image)


@pytest.mark.skipif(shutil.which("buildah") is None, reason="there is no buildah (make system)")
def test_what_buildah_has_made_runs_here_and_it_sees_ours(engine: Engine, shared: Others) -> None:
    working = shared.buildah("from", "--pull-never", "busybox").strip()
    shared.buildah("config", "--cmd", "'exit 9'", "--entrypoint", '["sh", "-c"]', working)
    shared.buildah("commit", "--quiet", working, "built")
    engine.create(name="web", image="built")
    engine.start("web")
    assert engine.wait("web", 20) == 9
    assert "web" in shared.buildah(
        "containers", "--all", "--noheading", "--format", "{{.ContainerName}}"
    )
    shared.buildah("rm", working)


@pytest.mark.parametrize("privileged", [False, True])
def test_devices_in_it_are_for_the_privileged(engine: Engine, privileged: bool) -> None:
    security = Security(privileged=privileged)
    engine.create(name="web", image="busybox", command=["sh"], security=security)
    place = engine.mount("web")
    (line,) = (
        line
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if line.split()[4] == place
    )
    assert ("nodev" in line.split()[5].split(",")) is not privileged
    engine.unmount("web")


class TestLayouts:
    """Brought by skopeo, which bounds nothing: what it is given has been read before."""

    @pytest.fixture
    def layout(self) -> Callable[..., Layout]:
        def made(*members: Member) -> Layout:
            layout = Layout()
            layout.tag(layout.image([directory("a"), *members]), "x")
            return layout

        return made

    def test_in_every_form(
        self, engine: Engine, layout: Callable[..., Layout], tmp_path: Path
    ) -> None:
        whole = [directory("a"), member("a/f", content=b"f")]
        forms = [
            layout(*whole[1:]).write(tmp_path / "folder"),
            layout(*whole[1:]).pack(tmp_path / "oci.tar"),
            docker_archive(tmp_path / "docker.tar", whole, config={}),
        ]
        for number, source in enumerate(forms):
            image = engine.import_image(f"form{number}", source)
            assert image.size > 0

    @pytest.mark.parametrize(
        ("reason", "hostile"),
        [
            ("reaches the host", member("sda", tarfile.BLKTYPE, devmajor=8)),
            ("leads out", member("../f")),
            ("whiteout of nothing", member("a/.wh...")),
        ],
    )
    def test_hostile_ones_leave_nothing(
        self,
        engine: Engine,
        shared: Others,
        layout: Callable[..., Layout],
        tmp_path: Path,
        reason: str,
        hostile: Member,
    ) -> None:
        before = engine.images(), shared.store.layers()
        with pytest.raises(OperationFailed, match=reason):
            engine.import_image("x", layout(hostile).write(tmp_path / "folder"))
        assert (engine.images(), shared.store.layers()) == before


class TestTheyRemoveIt:
    """A container of ours is removed from the store by somebody else (MAP L-37)."""

    @pytest.fixture
    def container(self, engine: Engine, shared: Others) -> str:
        container = made(engine)
        shared.podman("rm", "--force", "-t", "0", "web")
        assert shared.external() == []
        return container

    def test_it_cannot_start_and_says_why(self, engine: Engine, container: str) -> None:
        with pytest.raises(
            OperationFailed, match="not in the shared store; if others have removed"
        ):
            engine.start("web")
        assert engine.inspect("web").status is Status.CONFIGURED

    def test_it_can_be_removed(self, engine: Engine, container: str) -> None:
        engine.remove("web")
        assert engine.list() == ()

    def test_also_while_it_runs(self, engine: Engine, shared: Others) -> None:
        made(engine, script="sleep 60")
        engine.start("web")
        shared.podman("rm", "--force", "-t", "0", "web")
        engine.stop("web", 0)
        engine.remove("web")
        assert engine.list() == ()


class TestMountsOfTwo:
    """The store counts and forgets who asked: a note says which is ours."""

    def test_what_podman_has_mounted_stays(self, engine: Engine, shared: Others) -> None:
        container = made(engine)
        store = shared.store
        theirs = Path(shared.podman("mount", container).strip())
        assert engine.mount("web") == str(theirs)
        layer = theirs.parent.name
        assert store.mounts(layer) == 2
        engine.unmount("web")
        assert (store.mounts(layer), is_mounted(theirs)) == (1, True)
        shared.podman("unmount", container)
        assert not is_mounted(theirs)

    @pytest.mark.parametrize("theirs", [False, True])
    @pytest.mark.parametrize("done", [False, True])
    @pytest.mark.parametrize("mounting", [False, True])
    def test_killed_around_a_call(
        self, shared: Others, tmp_path: Path, mounting: bool, done: bool, theirs: bool
    ) -> None:
        """Our note is written; the call is not made, or made and not written down. `theirs`: others
        have it mounted all the time."""
        storage = Dying(tmp_path / "root", shared.store, done)
        image = storage.images.lookup("busybox")
        config = Config(id="c" * 64, name="web", image=image.name, image_id=image.id)
        storage.create(config)
        if theirs:
            shared.store.done("mount", "mount", config.id)
        alive = SharedStorage(tmp_path / "root", shared.store)
        if not mounting:
            alive.mount(config)
        with pytest.raises(Dead):
            (storage.mount if mounting else storage.unmount)(config)
        place = Path(alive.mount(config).mountpoint)
        assert shared.store.mounts(place.parent.name) == 1 + theirs
        alive.unmount(config)
        assert is_mounted(place) == theirs
        if theirs:
            shared.store.done("unmount", "unmount", config.id)
        alive.delete(config)


class Dead(Exception):
    pass


class Dying(SharedStorage):
    """Killed at the first mount or unmount, before it or after it."""

    def __init__(self, root: Path, store: SharedStore, done: bool) -> None:
        dying = DyingStore(store.place)
        dying.done_first = done
        super().__init__(root, dying)


class DyingStore(SharedStore):
    done_first = False

    def call(self, command: str, *words: str):  # type: ignore[no-untyped-def]
        if command in ("mount", "unmount"):
            if self.done_first:
                super().call(command, *words)
            raise Dead
        return super().call(command, *words)


def test_a_folder_keeps_to_what_it_was_made_with(
    engine: Engine, shared: Others, tmp_path: Path
) -> None:
    made(engine)
    with Engine.open(tmp_path / "root", runtime="runc") as again:
        assert again.images() == engine.images()
    with pytest.raises(InvalidArgument, match="are kept by containers-storage"):
        Engine.open(tmp_path / "root", runtime="runc", storage="overlay")
    Engine.open(tmp_path / "other", runtime="runc").close()
    (tmp_path / "other/containers").mkdir()
    with pytest.raises(InvalidArgument, match="are kept by overlay"):
        Engine.open(tmp_path / "other", runtime="runc", storage=shared.place)


@pytest.mark.parametrize("place", ["zfs", "containers-storage:[vfs@/a+/b]", "containers-storage:x"])
def test_what_is_no_store(tmp_path: Path, place: str) -> None:
    with pytest.raises(PortError, match="is no store: write"):
        SharedStore(place)
