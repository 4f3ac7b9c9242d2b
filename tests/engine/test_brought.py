"""Containers made anew from archives of checkpoints, on the simulated host."""

from inspect import signature

import pytest
from msgspec.structs import replace

from lockgate import Engine, InvalidArgument, NameTaken, OperationFailed, Record
from lockgate.effects.config import (
    Bind,
    Config,
    Device,
    IdMap,
    Namespaces,
    Pod,
    Secret,
    Security,
    Tmpfs,
    VolumeMount,
)
from lockgate.effects.health import HealthCheck
from lockgate.effects.model import RestoreRuntime
from lockgate.effects.outcome import PortError
from lockgate.engine import brought
from lockgate.statemachine.status import Status

from .conftest import Simulation

ARCHIVE = "/web.tar"


@pytest.fixture
def gone(engine: Engine) -> Record:
    """A container that is an archive, and nothing else any more."""
    engine.create_network("lan")
    made = engine.create(
        name="web",
        image="busybox",
        command=["serve", "-x"],
        env={"A": "1"},
        workdir="/srv",
        network="lan:alias=w",
        memory=1 << 30,
        stop_signal="USR1",
        log_size=1 << 20,
        labels={"a": "b"},
        restart="on-failure",
        restart_retries=3,
        mounts=[Tmpfs(destination="/run"), VolumeMount(destination="/data", anonymous=True)],
        security=Security(cap_drop=("CAP_CHOWN",), no_new_privileges=True),
        sysctls={"net.ipv4.ip_forward": "1"},
        hosts=[("a", "10.0.0.1")],
        uid_maps=[IdMap(container=0, host=100_000, size=65_536)],
        health=HealthCheck(command=("true",)),
    )
    engine.start("web")
    engine.checkpoint("web", export=ARCHIVE)
    engine.remove("web")
    return made


def test_it_is_as_it_was_and_goes_on(engine: Engine, gone: Record) -> None:
    made = engine.restore_archive(ARCHIVE)
    assert (made.status, made.restored, made.config.name) == (Status.RUNNING, True, "web")
    assert made.id != gone.id
    tmpfs, volume = made.config.mounts
    before, other = gone.config.mounts
    assert isinstance(volume, VolumeMount) and isinstance(other, VolumeMount)
    assert (tmpfs, volume) == (before, replace(other, volume=volume.volume))
    assert volume.volume != other.volume
    same = {"id": gone.id, "created_at": gone.config.created_at, "mounts": ()}
    assert replace(made.config, **same) == replace(gone.config, mounts=())
    engine.replay("web").unwrap()


@pytest.mark.parametrize("field", Config.__struct_fields__)
def test_each_wish_is_kept_or_chosen_anew_or_refused(gone: Record, field: str) -> None:
    """Also one that this engine has learnt since."""
    if field in brought.INSIDE:
        assert field in signature(Engine.create).parameters
    elif field not in brought.CHOSEN:
        odd: Config = replace(gone.config, **{field: "something"})
        assert list(brought._reaching(odd)) == [brought.REACHES.get(field, field)]


def test_any_number_of_it_by_other_names(engine: Engine, gone: Record) -> None:
    engine.restore_archive(ARCHIVE)
    assert engine.restore_archive(ARCHIVE, name="other", keep=True).config.name == "other"
    with pytest.raises(NameTaken):
        engine.restore_archive(ARCHIVE)


def test_nothing_is_left_of_one_that_cannot_be_restored(
    simulation: Simulation, engine: Engine, gone: Record
) -> None:
    simulation.trouble[RestoreRuntime] = PortError("failed", "criu says no")
    with pytest.raises(OperationFailed, match="cannot restore container web: criu says no"):
        engine.restore_archive(ARCHIVE)
    assert engine.list() == ()


def test_its_image_must_be_here_the_same(
    simulation: Simulation, engine: Engine, gone: Record
) -> None:
    images = simulation.host.images
    images.restore([replace(images.lookup("busybox"), id="another")])
    with pytest.raises(InvalidArgument, match="which is another here: import the same image"):
        engine.restore_archive(ARCHIVE)
    assert engine.list() == ()


def test_what_is_no_archive(engine: Engine) -> None:
    with pytest.raises(OperationFailed, match=r"cannot restore from archive /nothing\.tar"):
        engine.restore_archive("/nothing.tar")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rootfs": "/"}, "a root filesystem"),
        ({"image": ""}, "a root filesystem"),
        ({"mounts": (Bind(source="/etc", destination="/e"),)}, "mounts"),
        ({"mounts": (VolumeMount(destination="/d", volume="theirs"),)}, "mounts"),
        ({"devices": (Device(source="/dev/sda", destination="/dev/sda"),)}, "devices"),
        ({"secrets": (Secret(name="s", source="/etc/shadow"),)}, "secrets"),
        ({"security": Security(privileged=True)}, "more rights"),
        ({"security": Security(seccomp="unconfined")}, "more rights"),
        ({"namespaces": Namespaces(pid="host")}, "namespaces"),
        ({"network": "host", "networks": ()}, "namespaces"),
        ({"network": "container:abc", "networks": ()}, "namespaces"),
        ({"requires": ("abc",)}, "other containers"),
        ({"holds": Pod(id="p", name="p")}, "other containers"),
        ({"annotations": (("run.oci.handler", "wasm"),)}, "annotations"),
    ],
)
def test_what_is_this_hosts_no_archive_can_bring(
    simulation: Simulation,
    engine: Engine,
    gone: Record,
    changes: dict[str, object],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wished: Config = replace(gone.config, **changes)
    monkeypatch.setattr(simulation.host.checkpoints, "wished", lambda source: wished)
    with pytest.raises(InvalidArgument, match=f"is of a container with {said}.*create one by hand"):
        engine.restore_archive(ARCHIVE)
    assert engine.list() == ()
