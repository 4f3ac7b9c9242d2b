"""What every host must do, as tests to inherit: twice is once, gone is fine, no is clean.

    class TestMyHost(HostContract):
        @pytest.fixture
        def ports(self) -> Ports: ...
        @pytest.fixture
        def config(self) -> Config:      # of a container that runs until it is killed
            ...

The simulated host and the real adapters pass the same suite, so that the one cannot drift from the
other.
"""

import tarfile
from functools import partial
from hashlib import sha256
from io import BytesIO
from ipaddress import ip_interface
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockgate.effects.config import (
    SHAREABLE,
    SHARED,
    Attachment,
    Config,
    Limits,
    Namespaces,
    PortMapping,
    Secret,
    VolumeMount,
)
from lockgate.effects.health import CheckResult
from lockgate.effects.model import CheckpointRuntime, RestoreRuntime, WriteSpec
from lockgate.effects.outcome import Created, Dns, Exited, Home, PortError
from lockgate.effects.ports import Image, Images, Network, Ports, Volume, Volumes
from lockgate.host import Host

KILLED = 128 + 9
SOON = 20.0
"""Seconds within which anything asked for has happened, or something is wrong."""


def mounts_at(place: str) -> int:
    """How many mounts lie on one another there; of a simulated host, none."""
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split(" ")[4] for line in table].count(place)


class HostContract:
    """Inherit, and provide the fixtures `ports` and `config`."""

    @pytest.fixture
    def ports(self) -> Ports:
        raise NotImplementedError

    @pytest.fixture
    def config(self) -> Config:
        raise NotImplementedError

    # ---- how far to go -------------------------------------------------------------------

    def specified(self, ports: Ports, config: Config, epoch: int, mountpoint: str) -> str:
        """What `WriteSpec` does; the digest of config.json."""
        facts = ports.surroundings.facts(config, mountpoint)
        specified = ports.specify(config, WriteSpec(config.id, epoch, mountpoint, ""), facts)
        ports.filesystem.write_files(config, specified.files)
        return ports.filesystem.write_spec(config, specified.spec)

    def prepared(self, ports: Ports, config: Config, epoch: int = 1) -> str:
        ports.storage.create(config)
        ports.filesystem.keep_secrets(config)
        mountpoint = ports.storage.mount(config).mountpoint
        self.specified(ports, config, epoch, mountpoint)
        return mountpoint

    def created(self, ports: Ports, config: Config, epoch: int = 1) -> Created:
        self.prepared(ports, config, epoch)
        return ports.runtime.create(config, epoch, again=False)

    def running(self, ports: Ports, config: Config, epoch: int = 1) -> Created:
        made = self.created(ports, config, epoch)
        ports.runtime.start(config, epoch, again=False)
        return made

    def given_back(self, ports: Ports, config: Config, made: Created | None = None) -> None:
        process, monitor = (made.process, made.monitor) if made else (None, None)
        ports.runtime.delete(config, 1, force=True, process=process, monitor=monitor)
        ports.storage.unmount(config)
        ports.storage.delete(config)

    def ended(self, ports: Ports, config: Config, made: Created, epoch: int = 1) -> Exited:
        end = ports.monitor.await_exit(config, epoch, made.process, made.monitor, SOON)
        assert end is not None, "its end was never reported"
        return end

    # ---- storage -------------------------------------------------------------------------

    def test_a_layer_is_made_once(self, ports: Ports, config: Config) -> None:
        ports.storage.create(config)
        ports.storage.create(config)
        ports.storage.delete(config)

    def test_mounting_twice_is_one_mount(self, ports: Ports, config: Config) -> None:
        ports.storage.create(config)
        first = ports.storage.mount(config)
        assert ports.storage.mount(config) == first
        assert mounts_at(first.mountpoint) <= 1
        ports.storage.unmount(config)
        ports.storage.delete(config)

    def test_a_spec_is_the_same_each_time_it_is_written(self, ports: Ports, config: Config) -> None:
        mountpoint = self.prepared(ports, config)
        again = [self.specified(ports, config, 1, mountpoint) for _ in range(2)]
        assert again[0] == again[1]
        self.given_back(ports, config)

    def test_secrets_are_kept_once_and_go_with_the_layer(
        self, ports: Ports, config: Config, tmp_path: Path
    ) -> None:
        source = tmp_path / "secret"
        source.write_text("hush")
        secretive = replace(config, secrets=(Secret(name="token", source=str(source)),))
        ports.storage.create(secretive)
        ports.filesystem.keep_secrets(secretive)
        source.unlink()
        ports.filesystem.keep_secrets(secretive)
        ports.storage.delete(secretive)
        ports.storage.delete(secretive)

    def test_giving_back_what_is_not_there_succeeds(self, ports: Ports, config: Config) -> None:
        ports.storage.unmount(config)
        ports.storage.delete(config)
        ports.runtime.thaw(config, 1)
        ports.runtime.delete(config, 1, force=True, process=None, monitor=None)
        ports.runtime.delete(config, 1, force=False, process=None, monitor=None)

    def test_a_layer_in_use_is_not_deleted(self, ports: Ports, config: Config) -> None:
        ports.storage.create(config)
        ports.storage.mount(config)
        with pytest.raises(PortError) as refusal:
            ports.storage.delete(config)
        assert not refusal.value.fault.dirty
        ports.storage.unmount(config)
        ports.storage.unmount(config)
        ports.storage.delete(config)
        ports.storage.delete(config)

    # ---- the runtime ---------------------------------------------------------------------

    def test_a_created_one_waits(self, ports: Ports, config: Config) -> None:
        made = self.created(ports, config)
        assert made.process.pid > 1
        assert ports.monitor.look(config, 1, made.process, made.monitor) is None
        self.given_back(ports, config, made)

    def test_creating_again_adopts_what_waits(self, ports: Ports, config: Config) -> None:
        made = self.created(ports, config)
        assert ports.runtime.create(config, 1, again=True) == made
        self.given_back(ports, config, made)

    def test_starting_again_finds_it_started(self, ports: Ports, config: Config) -> None:
        made = self.running(ports, config)
        ports.runtime.start(config, 1, again=True)
        assert ports.monitor.look(config, 1, made.process, made.monitor) is None
        self.given_back(ports, config, made)

    def test_what_nobody_remembers_is_replaced_when_it_is_dead(
        self, ports: Ports, config: Config
    ) -> None:
        forgotten = self.running(ports, config)
        with pytest.raises(PortError, match="knows") as refusal:
            ports.runtime.create(config, 2, again=False)
        assert not refusal.value.fault.dirty
        assert ports.monitor.look(config, 1, forgotten.process, forgotten.monitor) is None
        ports.runtime.signal(config, 1, forgotten.process, 9)
        self.ended(ports, config, forgotten)
        made = ports.runtime.create(config, 2, again=False)
        assert ports.monitor.look(config, 2, made.process, made.monitor) is None
        ports.runtime.delete(config, 2, force=True, process=made.process, monitor=made.monitor)
        self.given_back(ports, config)

    def test_what_lives_is_not_deleted_without_force(self, ports: Ports, config: Config) -> None:
        made = self.running(ports, config)
        with pytest.raises(PortError) as refusal:
            ports.runtime.delete(config, 1, force=False, process=made.process, monitor=made.monitor)
        assert not refusal.value.fault.dirty
        assert ports.monitor.look(config, 1, made.process, made.monitor) is None
        self.given_back(ports, config, made)

    def test_the_end_is_reported_to_whoever_waits_or_looks(
        self, ports: Ports, config: Config
    ) -> None:
        made = self.running(ports, config)
        assert ports.monitor.await_exit(config, 1, made.process, made.monitor, 0.05) is None
        ports.runtime.signal(config, 1, made.process, 9)
        end = self.ended(ports, config, made)
        assert end.code == KILLED
        seen = ports.monitor.look(config, 1, made.process, made.monitor)
        assert seen is not None and seen.code == KILLED
        with pytest.raises(PortError) as missing:
            ports.runtime.signal(config, 1, made.process, 9)
        assert (missing.value.fault.kind, missing.value.fault.dirty) == ("missing", False)
        for _ in "twice":
            ports.runtime.delete(config, 1, force=False, process=made.process, monitor=made.monitor)
        self.given_back(ports, config)

    def test_a_network_is_set_up_in_the_namespace_that_the_runtime_made(
        self, ports: Ports, config: Config
    ) -> None:
        late = replace(config, network="private", deferred_network=True)
        assert ports.network.join(late, 1).netns == ""
        made = self.created(ports, late)
        first = ports.network.connect(late, 1, made.process)
        assert first.netns and ports.network.connect(late, 1, made.process) == first
        ports.runtime.delete(late, 1, force=True, process=made.process, monitor=made.monitor)
        with pytest.raises(PortError) as gone:
            ports.network.connect(late, 1, made.process)
        assert (gone.value.fault.kind, gone.value.fault.dirty) == ("missing", False)
        ports.network.leave(late, 1)
        ports.network.leave(late, 1)
        self.given_back(ports, late)

    def test_the_memory_it_lends_is_there_from_joining_to_leaving(
        self, ports: Ports, config: Config
    ) -> None:
        lender = replace(config, namespaces=Namespaces(ipc=SHAREABLE))
        guest = replace(lender, id="facade", namespaces=Namespaces(ipc=f"{SHARED}{config.id}"))
        joined = ports.network.join(lender, 1)
        assert [kind for kind, _ in joined.lodging] == ["shm"]
        assert ports.network.join(lender, 1) == joined
        with pytest.raises(PortError, match="start that first") as refusal:
            ports.network.join(guest, 1)
        assert refusal.value.fault.kind == "missing"
        for _ in "twice":
            ports.network.leave(lender, 1)
        ports.network.leave(guest, 1)

    def test_freezing_and_thawing_twice_is_once(self, ports: Ports, config: Config) -> None:
        made = self.running(ports, config)
        ports.runtime.freeze(config, 1)
        ports.runtime.freeze(config, 1)
        ports.runtime.thaw(config, 1)
        ports.runtime.thaw(config, 1)
        ports.runtime.signal(config, 1, made.process, 9)
        assert self.ended(ports, config, made).code == KILLED
        self.given_back(ports, config, made)

    def test_the_frozen_die_with_force(self, ports: Ports, config: Config) -> None:
        made = self.running(ports, config)
        ports.runtime.freeze(config, 1)
        self.given_back(ports, config, made)

    def test_what_is_expected_need_not_come(self, ports: Ports, config: Config) -> None:
        made = self.running(ports, config)
        ports.runtime.expect()
        ports.runtime.expect()
        assert ports.monitor.look(config, 1, made.process, made.monitor) is None
        self.given_back(ports, config, made)

    def test_a_checkpoint_is_taken_or_refused_and_changes_nothing(
        self, ports: Ports, config: Config
    ) -> None:
        made = self.running(ports, config)
        effect = CheckpointRuntime(config.id, 1, 1, True, False, False)
        if ports.runtime.obstacle():
            with pytest.raises(PortError) as refusal:
                ports.runtime.checkpoint(config, effect)
            assert not refusal.value.fault.dirty
        else:
            for _ in "twice":
                ports.runtime.checkpoint(config, effect)
        assert ports.monitor.look(config, 1, made.process, made.monitor) is None
        self.given_back(ports, config, made)

    def test_what_a_checkpoint_has_ended_goes_on(self, ports: Ports, config: Config) -> None:
        made = self.running(ports, config)
        if not ports.runtime.obstacle():
            for _ in "twice":
                effect = CheckpointRuntime(config.id, 1, 1, False, False, False)
                ports.runtime.checkpoint(config, effect)
            ports.runtime.delete(config, 1, force=False, process=made.process, monitor=made.monitor)
            self.specified(ports, config, 2, ports.storage.mount(config).mountpoint)
            asked = RestoreRuntime(config.id, 2, False)
            made = ports.runtime.restore(config, asked, again=False)
            again = ports.runtime.restore(config, asked, again=True)
            assert again == made
            assert ports.monitor.look(config, 2, made.process, made.monitor) is None
            ports.runtime.signal(config, 2, made.process, 9)
            end = ports.monitor.await_exit(config, 2, made.process, made.monitor, SOON)
            assert end is not None and end.code == KILLED
            with pytest.raises(PortError):
                ports.runtime.restore(config, asked, again=True)
            ports.runtime.delete(config, 2, force=True, process=made.process, monitor=made.monitor)
        self.given_back(ports, config, made)

    def test_there_is_nothing_to_restore_or_to_export(self, ports: Ports, config: Config) -> None:
        self.prepared(ports, config)
        with pytest.raises(PortError) as refusal:
            ports.runtime.restore(config, RestoreRuntime(config.id, 1, False), again=False)
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("missing", False)
        with pytest.raises(PortError) as refusal:
            ports.checkpoints.export(config, "/nowhere/archive.tar")
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("missing", False)
        for _ in "twice":
            ports.checkpoints.drop(config)
        self.given_back(ports, config)

    def test_limits_change_while_it_lives(self, ports: Ports, config: Config) -> None:
        made = self.running(ports, config)
        for _ in "twice":
            ports.runtime.update(config, 1, 64 << 20, Limits(pids=77))
        ports.runtime.signal(config, 1, made.process, 9)
        self.ended(ports, config, made)
        with pytest.raises(PortError) as refusal:
            ports.runtime.update(config, 1, 64 << 20, Limits())
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("missing", False)
        self.given_back(ports, config, made)

    def test_what_checks_have_found_goes_with_the_run(self, ports: Ports, config: Config) -> None:
        made = self.running(ports, config)
        found = [
            CheckResult(began=at, ended=at + 1, code=at, output=f"\0é{at}") for at in range(1, 5)
        ]
        assert ports.checks.noted(config.id, 1) == ()
        for one in found:
            ports.checks.note(config.id, 1, one, 3)
        assert ports.checks.noted(config.id, 1) == tuple(found[1:])
        with ports.checks.alone(config.id, 1, 0) as mine, ports.checks.alone(config.id, 1, 0) as no:
            assert (mine, no) == (True, False)
        with ports.checks.alone(config.id, 1, 0) as mine:
            assert mine
        self.given_back(ports, config, made)
        assert ports.checks.noted(config.id, 1) == ()
        with pytest.raises(PortError, match="the run is over") as late:
            ports.checks.note(config.id, 1, found[0], 3)
        assert (late.value.fault.kind, late.value.fault.dirty) == ("missing", False)
        with pytest.raises(PortError, match="the run is over"):
            with ports.checks.alone(config.id, 1, 0):
                pass

    def test_a_second_run_knows_nothing_of_the_first(self, ports: Ports, config: Config) -> None:
        first = self.running(ports, config)
        ports.runtime.signal(config, 1, first.process, 9)
        self.ended(ports, config, first)
        ports.runtime.delete(config, 1, force=False, process=first.process, monitor=first.monitor)
        second = self.running(ports, config, 2)
        assert second.process != first.process
        assert ports.monitor.look(config, 2, second.process, second.monitor) is None
        ports.runtime.delete(config, 2, force=True, process=second.process, monitor=second.monitor)
        self.given_back(ports, config)


class ImagesContract:
    """Inherit, and provide the fixtures `images` (none in it) and `source` (to import)."""

    @pytest.fixture
    def images(self) -> Images:
        raise NotImplementedError

    @pytest.fixture
    def source(self) -> Path:
        raise NotImplementedError

    def test_an_image_is_found_by_name_and_by_id(self, images: Images, source: Path) -> None:
        made = images.import_image("b", source, command=["sh"], env=["A=1"], user="nobody")
        other = images.import_image("a", source)
        assert images.lookup("b") == images.lookup(made.id) == made
        assert (made.command, made.env, made.user, made.workdir) == (
            ("sh",),
            ("A=1",),
            "nobody",
            "/",
        )
        assert images.list() == (other, made)

    def test_a_missing_one_tells_which_there_are(self, images: Images, source: Path) -> None:
        images.import_image("here", source)
        with pytest.raises(PortError, match="here") as not_found:
            images.lookup("nowhere")
        with pytest.raises(PortError, match="here") as not_removed:
            images.remove("nowhere", nobody)
        for missing in (not_found.value.fault, not_removed.value.fault):
            assert (missing.kind, missing.dirty) == ("missing", False)

    def test_one_in_use_stays(self, images: Images, source: Path) -> None:
        made = images.import_image("web", source)
        told: list[Image] = []

        def used(image: Image) -> tuple[str, ...]:
            told.append(image)
            return ("c0ffee",)

        for name in ("web", made.id):
            with pytest.raises(PortError, match=r"used by 1 container.*c0ffee") as refusal:
                images.remove(name, used)
            assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)
        assert told == [made, made]
        assert images.list() == (made,)

    @pytest.mark.parametrize("by_id", [False, True])
    def test_a_removed_one_is_gone(self, images: Images, source: Path, by_id: bool) -> None:
        made = images.import_image("web", source)
        images.remove(made.id if by_id else "web", nobody)
        assert images.list() == ()
        assert images.import_image("web", source).id == made.id


def nobody(image: Image) -> tuple[str, ...]:
    """Uses it."""
    return ()


class ContentsContract:
    """What every `Contents` must do. Inherit, and provide `host` and the `config` of a container
    on it that is made from an image and has no layer yet."""

    @pytest.fixture
    def host(self) -> Host:
        raise NotImplementedError

    @pytest.fixture
    def config(self, host: Host) -> Config:
        raise NotImplementedError

    def test_where_there_is_no_layer_there_is_nothing_to_see(
        self, host: Host, config: Config
    ) -> None:
        for look in (host.contents.changes, host.contents.sizes, partial(exported, host)):
            with pytest.raises(PortError) as missing:
                look(config)
            assert (missing.value.fault.kind, missing.value.fault.dirty) == ("missing", False)

    @pytest.mark.parametrize("mounted", [False, True])
    def test_a_new_one_has_written_nothing(self, host: Host, config: Config, mounted: bool) -> None:
        host.ports.storage.create(config)
        if mounted:
            host.ports.storage.mount(config)
        assert host.contents.changes(config) == ()
        assert host.contents.sizes(config).written == 0
        first, second = exported(host, config), exported(host, config)
        assert first[0] == "." and first == second
        host.ports.storage.unmount(config)
        assert exported(host, config) == first
        host.ports.storage.delete(config)


def exported(host: Host, config: Config) -> list[str]:
    """The names in the archive."""
    out = BytesIO()
    host.contents.export(config, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        return tar.getnames()


class ArtifactsContract:
    """What every `Artifacts` must do. Inherit, and provide `host` and the `config` of a container
    on it that has no layer yet."""

    @pytest.fixture
    def host(self) -> Host:
        raise NotImplementedError

    @pytest.fixture
    def config(self, host: Host) -> Config:
        raise NotImplementedError

    def test_kept_replaced_listed_removed(self, host: Host, config: Config) -> None:
        host.ports.storage.create(config)
        kept = host.artifacts
        assert kept.list(config) == ()
        kept.put(config, "b", b"\0one")
        kept.put(config, "a", b"")
        kept.put(config, "b", b"two")
        assert (kept.list(config), kept.get(config, "b")) == (("a", "b"), b"two")
        kept.remove(config, "a")
        for act in (kept.get, kept.remove):
            with pytest.raises(PortError, match="no artifact 'a'; there are: b") as missing:
                act(config, "a")
            assert (missing.value.fault.kind, missing.value.fault.dirty) == ("missing", False)
        host.ports.storage.delete(config)

    def test_they_go_with_the_container(self, host: Host, config: Config) -> None:
        host.ports.storage.create(config)
        host.artifacts.put(config, "a", b"one")
        host.ports.storage.delete(config)
        with pytest.raises(PortError) as missing:
            host.artifacts.put(config, "a", b"two")
        assert (missing.value.fault.kind, missing.value.fault.dirty) == ("missing", False)
        host.ports.storage.create(config)
        assert host.artifacts.list(config) == ()
        host.ports.storage.delete(config)


class VolumesContract:
    """What every `Volumes` must do. Inherit, and provide `host` (without volumes) and the `config`
    of a container on it that has no layer yet."""

    @pytest.fixture
    def host(self) -> Host:
        raise NotImplementedError

    @pytest.fixture
    def config(self, host: Host) -> Config:
        raise NotImplementedError

    @pytest.fixture
    def volumes(self, host: Host) -> Volumes:
        return host.volumes

    def test_a_volume_is_made_once(self, volumes: Volumes) -> None:
        made = volumes.create("data", labels=(("a", "1"),))
        assert (made.name, made.path) == ("data", volumes.path("data"))
        assert (made.fresh, made.container, made.labels) == (True, "", (("a", "1"),))
        with pytest.raises(PortError, match="'data' already") as refusal:
            volumes.create("data")
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)
        assert volumes.list() == (made,) == (volumes.lookup("data"),)

    def test_a_missing_one_tells_which_there_are(self, volumes: Volumes) -> None:
        volumes.create("here")
        with pytest.raises(PortError, match="here") as not_found:
            volumes.lookup("nowhere")
        with pytest.raises(PortError, match="here") as not_removed:
            volumes.remove("nowhere", unused)
        for missing in (not_found.value.fault, not_removed.value.fault):
            assert (missing.kind, missing.dirty) == ("missing", False)

    def test_one_that_must_be_there_is_not_made(self, host: Host, config: Config) -> None:
        for wish in (
            VolumeMount(volume="data", destination="/d", existing=True),
            VolumeMount(volume="data", destination="/d", subpath="a"),
        ):
            with pytest.raises(PortError, match="data") as refusal:
                host.ports.storage.create(replace(config, mounts=(wish,)))
            assert refusal.value.fault.kind == "missing"
            assert host.volumes.list() == ()
            host.ports.storage.delete(config)

    def test_one_in_use_stays(self, volumes: Volumes) -> None:
        volumes.create("data")
        with pytest.raises(PortError, match=r"used by 1 container.*c0ffee") as refusal:
            volumes.remove("data", lambda volume: (f"c0ffee of {volume.name}",))
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)
        volumes.remove("data", unused)
        assert volumes.list() == ()

    def test_what_a_container_mounts_is_made_with_it(
        self, host: Host, config: Config, volumes: Volumes
    ) -> None:
        """Its own goes with it; what has a name stays."""
        own = VolumeMount(destination="/own", volume="own", anonymous=True)
        mounting = replace(config, mounts=(VolumeMount(destination="/data", volume="data"), own))
        for _ in "twice":
            host.ports.storage.create(mounting)
        found = [(one.name, one.container, one.fresh) for one in volumes.list()]
        assert found == [("data", "", False), ("own", config.id, False)]
        for _ in "twice":
            host.ports.storage.delete(mounting)
        assert [one.name for one in volumes.list()] == ["data"]

    def test_what_goes_with_one_container_no_other_can_mount(
        self, host: Host, config: Config, volumes: Volumes
    ) -> None:
        own = VolumeMount(destination="/own", volume="own", anonymous=True)
        host.ports.storage.create(replace(config, mounts=(own,)))
        for wish in ({"anonymous": False}, {"existing": True}, {"subpath": "a"}):
            theirs = replace(own, **{"anonymous": False, **wish})
            other = replace(config, id="facade", name="other", mounts=(theirs,))
            with pytest.raises(PortError, match="volume own goes with container") as refusal:
                host.ports.storage.create(other)
            assert refusal.value.fault.kind == "refused"
            host.ports.storage.delete(other)
        assert [(one.name, one.container) for one in volumes.list()] == [("own", config.id)]
        host.ports.storage.delete(config)
        assert volumes.list() == ()


def unused(volume: Volume) -> tuple[str, ...]:
    """By anybody."""
    return ()


class NetworkContract:
    """What every `Network` must do. Inherit, and provide `host` with the networks `web` and `back`
    made by `create`, `back` internal, `web` with the name server 192.0.2.53."""

    @pytest.fixture
    def host(self) -> Host:
        raise NotImplementedError

    @pytest.fixture
    def network(self, host: Host) -> Network:
        return host.ports.network

    @staticmethod
    def config(name: str, *networks: Attachment, ports: tuple[PortMapping, ...] = ()) -> Config:
        wishes = networks or (Attachment("web"),)
        return Config(
            id=sha256(name.encode()).hexdigest(),
            name=name,
            network=wishes[0].network,
            networks=wishes,
            ports=ports,
        )

    def test_an_interface_a_network_in_their_order(self, host: Host, network: Network) -> None:
        config = self.config("web", Attachment("back"), Attachment("web", aliases=("db",)))
        joined = network.join(config, 1)
        assert [(link.network, link.interface, link.aliases) for link in joined.links] == [
            ("back", "eth0", ()),
            ("web", "eth1", ("db",)),
        ]
        for link in joined.links:
            info = host.networks.lookup(link.network)
            (address,) = link.addresses
            assert str(ip_interface(address).network) == info.subnets[0]
            assert link.gateways == tuple(filter(None, info.gateways))
        assert joined.dns == Dns(("192.0.2.53",))
        network.leave(config, 1)

    def test_without_name_servers_nothing_is_said_of_them(self, network: Network) -> None:
        config = self.config("web", Attachment("back"))
        assert network.join(config, 1).dns is None
        network.leave(config, 1)

    def test_joining_again_is_joining_once(self, network: Network) -> None:
        config = self.config("web", ports=(PortMapping(8080, 80),))
        first, second = network.join(config, 1), network.join(config, 1)
        assert second.netns == first.netns
        assert [link.interface for link in second.links] == ["eth0"]
        network.leave(config, 1)

    def test_leaving_again_or_what_was_never_joined_succeeds(self, network: Network) -> None:
        config = self.config("web")
        network.leave(config, 1)
        network.join(config, 1)
        network.leave(config, 1)
        network.leave(config, 1)

    def test_leaving_needs_nothing_but_the_id(self, network: Network) -> None:
        config = self.config("web", Attachment("web", ip=""), ports=(PortMapping(8080, 80),))
        network.join(config, 1)
        network.leave(Config(id=config.id), 0)
        other = self.config("other", ports=(PortMapping(8080, 80),))
        network.join(other, 1)
        network.leave(other, 1)

    def test_addresses_are_one_containers_each(self, network: Network) -> None:
        configs = [self.config(name) for name in ("one", "two", "three")]
        links = [link for config in configs for link in network.join(config, 1).links]
        assert len({link.addresses for link in links}) == 3
        for config in configs:
            network.leave(config, 1)

    def test_wishes_are_granted_while_nobody_else_has_them(
        self, host: Host, network: Network
    ) -> None:
        wish = host.networks.lookup("web").subnets[0].replace(".0/24", ".77")
        mac = "02:00:5e:10:00:01"
        one, two = (self.config(name, Attachment("web", wish, mac)) for name in ("one", "two"))
        (link,) = network.join(one, 1).links
        assert (link.addresses, link.mac) == ((f"{wish}/24",), mac)
        with pytest.raises(PortError):
            network.join(two, 1)
        network.leave(two, 1)
        network.leave(one, 1)
        assert network.join(two, 1).links[0].addresses == (f"{wish}/24",)
        network.leave(two, 1)

    def test_a_port_of_the_host_is_one_containers_and_the_refusal_is_clean(
        self, network: Network
    ) -> None:
        one, two = (self.config(name, ports=(PortMapping(8080, 80),)) for name in ("one", "two"))
        network.join(one, 1)
        with pytest.raises(PortError, match=r"8080/tcp .* in use by container one") as refusal:
            network.join(two, 1)
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)
        network.leave(one, 1)
        network.join(two, 1)
        network.leave(two, 1)

    def test_a_namespace_is_shared_with_what_is_plugged_in_there(self, network: Network) -> None:
        owner = self.config("owner", Attachment("web", aliases=("db",)))
        guest = Config(id=sha256(b"guest").hexdigest(), name="guest", network=f"{SHARED}{owner.id}")
        with pytest.raises(PortError, match="start that first") as missing:
            network.join(guest, 1)
        assert not missing.value.fault.dirty
        joined = network.join(owner, 3)
        lived_in = replace(joined, homes=(Home(owner.id, 3),))
        assert network.join(guest, 1) == lived_in
        network.leave(guest, 1)
        assert network.join(guest, 2) == lived_in
        network.leave(owner, 3)
        with pytest.raises(PortError, match="start that first"):
            network.join(guest, 3)
        network.leave(guest, 3)

    def test_a_network_that_is_not_there(self, network: Network) -> None:
        config = self.config("web", Attachment("nowhere"))
        with pytest.raises(PortError, match="nowhere") as missing:
            network.join(config, 1)
        assert missing.value.fault.kind == "missing"
        network.leave(config, 1)

    def test_a_network_may_go_before_who_is_plugged_in(self, host: Host, network: Network) -> None:
        host.networks.create("gone")
        config = self.config("web", Attachment("gone"))
        network.join(config, 1)
        host.networks.remove("gone")
        network.leave(config, 1)
        with pytest.raises(PortError, match="gone"):
            network.join(config, 2)
        network.leave(config, 2)
