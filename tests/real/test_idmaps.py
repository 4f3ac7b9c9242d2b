"""Users of its own: what the container sees as 0 is nobody here, and nothing on disk changes owner."""

import os
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lockgate import (
    Device,
    Engine,
    IdMap,
    Namespaces,
    OperationFailed,
    Record,
    Secret,
    StillNeeded,
    VolumeMount,
)
from lockgate.adapters.oci import choose
from lockgate.adapters.oci.choice import unable
from lockgate.testing import busybox

pytestmark = pytest.mark.real
BASE, SIZE = 200_000, 65_536
MAPS = (IdMap(container=0, host=BASE, size=SIZE),)
Owners = dict[str, tuple[int, int]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may pass through: the way to a test's own is barred to them."""
    with TemporaryDirectory(prefix="lockgate-idmaps-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture
def engine(folder: Path, tmp_path: Path, runtime: str) -> Iterator[Engine]:
    rootfs = tmp_path / "rootfs"
    with tarfile.open(busybox.rootfs_tar(tmp_path / "busybox.tar")) as tar:
        tar.extractall(rootfs, numeric_owner=True, filter="fully_trusted")
    (rootfs / "home").mkdir(exist_ok=True)
    (rootfs / "home/file").write_text("old\n")
    os.chown(rootfs / "home", 5, 6)
    os.chown(rootfs / "home/file", 5, 6)
    with Engine.open(folder / "root", runtime=runtime) as made:
        made.import_image("busybox", rootfs)
        yield made
        for record in reversed(made.list()):
            made.remove(record.id, force=True, timeout=0)


def owners(top: Path) -> Owners:
    return {
        str(path.relative_to(top)): (path.lstat().st_uid, path.lstat().st_gid)
        for path in top.rglob("*")
    }


def run(engine: Engine, script: str, **wishes: object) -> list[str]:
    """What the script writes."""
    web = engine.create(
        name="web",
        image="busybox",
        command=["sh", "-c", script],
        uid_maps=MAPS,
        **wishes,  # type: ignore[arg-type]
    )
    return [line.text for line in engine.run_to_end(web.id)]


def test_it_is_root_inside_and_nobody_here(engine: Engine) -> None:
    said = run(engine, "id -u; cat /proc/self/uid_map; stat -c %u:%g / /home/file")
    assert said[0] == "0"
    assert said[1].split() == ["0", str(BASE), str(SIZE)]
    assert said[2:] == ["0:0", "5:6"]


def test_devices_are_lent(engine: Engine) -> None:
    """By another name than here; in a user namespace none can be made."""
    device = Device(source="/dev/zero", destination="/dev/lent")
    script = "head -c 2 /dev/lent | wc -c; mknod /dev/mine c 1 5"
    count, refused = run(engine, script, devices=[device])
    assert (count, "not permitted" in refused) == ("2", True)


def test_its_process_is_a_user_of_the_host_that_owns_nothing(engine: Engine) -> None:
    engine.create(name="web", image="busybox", command=["sleep", "60"], uid_maps=MAPS)
    process = engine.start("web").process
    assert process is not None
    status = Path(f"/proc/{process.pid}/status").read_text()
    assert f"Uid:\t{BASE}\t{BASE}\t{BASE}\t{BASE}" in status
    assert f"Gid:\t{BASE}\t{BASE}\t{BASE}\t{BASE}" in status


def test_the_image_keeps_its_owners_and_what_is_written_gets_the_hosts(
    engine: Engine, folder: Path
) -> None:
    layers = folder / "root/layers"
    before = owners(layers)
    assert (5, 6) in before.values()
    script = (
        "echo new > /new && echo more >> /home/file && busybox chown 7:8 /new && stat -c %u:%g /new"
    )
    assert run(engine, script) == ["7:8"]
    engine.cleanup("web")
    assert owners(layers) == before
    written = owners(folder / "root/containers" / engine.inspect("web").id / "upper")
    assert written["new"] == (BASE + 7, BASE + 8)
    assert written["home/file"] == (BASE + 5, BASE + 6)


@pytest.mark.parametrize("mounted", [False, True])
def test_an_archive_of_it_has_its_own_owners(engine: Engine, tmp_path: Path, mounted: bool) -> None:
    run(engine, "touch /new && busybox chown 7:8 /new")
    if not mounted:
        engine.cleanup("web")
    engine.export("web", tmp_path / "web.tar")
    with tarfile.open(tmp_path / "web.tar") as tar:
        found = {one.name: (one.uid, one.gid) for one in tar.getmembers()}
    assert found["new"] == (7, 8)
    assert found["home/file"] == (5, 6)
    assert found["."] == (0, 0)


def test_files_of_the_run_secrets_and_volumes_are_its_own(
    engine: Engine, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hush\n")
    part = Path(engine.create_volume("parts").path) / "part"
    part.mkdir()
    os.chown(part, BASE + 7, BASE + 7)
    said = run(
        engine,
        "cat /run/secrets/token;"
        "stat -c %u:%g /run/secrets/token /etc/hostname /data /home/file /part;"
        "touch /data/mine /home/mine && echo written",
        secrets=[Secret(name="token", source=str(tmp_path / "token"))],
        mounts=[
            VolumeMount(volume="data", destination="/data"),
            VolumeMount(volume="home", destination="/home"),
            VolumeMount(volume="parts", destination="/part", subpath="part"),
        ],
    )
    assert said == ["hush", "0:0", "0:0", "0:0", "5:6", "7:7", "written"]
    kept = folder / "root/containers" / engine.inspect("web").id
    assert [(kept / name).stat().st_uid for name in ("files", "secrets")] == [BASE, BASE]


@pytest.mark.parametrize("network", ["none", "private"])
def test_in_every_network(engine: Engine, network: str) -> None:
    assert run(engine, "ls -d /sys/class/net/lo && hostname", network=network, hostname="box") == [
        "/sys/class/net/lo",
        "box",
    ]


def test_a_second_run_finds_what_the_first_wrote(engine: Engine) -> None:
    script = "cat /count 2>/dev/null; echo again >> /count"
    assert run(engine, script) == []
    assert [line.text for line in engine.run_to_end("web")] == ["again"]


def test_a_user_it_does_not_have(engine: Engine) -> None:
    engine.create(name="web", image="busybox", command=["sh"], user="70000", uid_maps=MAPS)
    with pytest.raises(OperationFailed, match="user 70000 is not among the ids this container has"):
        engine.start("web")


class TestWithAnother:
    """In the user namespace of another container, and in others of its namespaces that go with it."""

    @pytest.fixture
    def owner(self, engine: Engine) -> Record:
        own = Namespaces(ipc="shareable")
        made = engine.create(
            name="owner",
            image="busybox",
            command=["sleep", "60"],
            uid_maps=MAPS,
            network="private",
            namespaces=own,
        )
        return engine.start(made.id)

    @pytest.mark.parametrize("network", ["none", "host", "private"])
    def test_it_has_the_same_users(self, engine: Engine, owner: Record, network: str) -> None:
        guest = engine.create(
            name="guest",
            image="busybox",
            command=["sh", "-c", "id -u; stat -c %u:%g / /home/file; touch /new; sleep 60"],
            network=network,
            namespaces=Namespaces(user="container:owner"),
        )
        assert guest.config.uid_maps == MAPS
        guest = engine.start("guest")
        assert namespace(guest, "user") == namespace(owner, "user")
        assert namespace(guest, "mnt") != namespace(owner, "mnt")
        assert written(engine, 3) == ["0", "0:0", "5:6"]

    def test_all_that_can_be_anothers(self, engine: Engine, owner: Record) -> None:
        kinds = ("pid", "ipc", "uts", "cgroup", "user")
        guest = engine.create(
            name="guest",
            image="busybox",
            command=["sh", "-c", "echo hi > /dev/shm/file; cat /proc/1/comm; sleep 60"],
            network="container:owner",
            namespaces=Namespaces(**dict.fromkeys(kinds, "container:owner")),
        )
        guest = engine.start(guest.id)
        assert [kind for kind in (*kinds, "net") if same(guest, owner, kind)] == [*kinds, "net"]
        with pytest.raises(StillNeeded):
            engine.remove("owner", force=True)
        assert engine.restart("owner", timeout=0).epoch == 2
        again, owner = engine.inspect("guest"), engine.inspect("owner")
        assert (again.epoch, same(again, owner, "user")) == (2, True)
        assert "sleep" in written(engine, 1)

    def test_in_a_network_that_was_made_outside(
        self, engine: Engine, owner: Record, runtime: str
    ) -> None:
        own = Namespaces(user="container:owner")
        guest = engine.create(
            name="guest",
            image="busybox",
            command=["sleep", "60"],
            network="private",
            deferred_network=False,
            namespaces=own,
        )
        if unable(choose(runtime).runtime, guest.config):
            with pytest.raises(
                OperationFailed, match=r"runc .* and in the network private, if .*: use crun"
            ):
                engine.start("guest")
        else:
            assert same(engine.start("guest"), owner, "user")


def written(engine: Engine, most: int) -> list[str]:
    """The lines of the guest, once there are so many."""
    return [line.text for line in islice(engine.logs("guest", follow=True), most)]


def namespace(record: Record, kind: str) -> str:
    assert record.process is not None
    return str(Path(f"/proc/{record.process.pid}/ns/{kind}").readlink())


def same(one: Record, other: Record, kind: str) -> bool:
    return namespace(one, kind) == namespace(other, kind)


def test_where_the_way_is_barred(engine: Engine, folder: Path) -> None:
    folder.chmod(0o700)
    with pytest.raises(OperationFailed, match="lets no others through"):
        run(engine, "true")
    assert engine.list() == ()
