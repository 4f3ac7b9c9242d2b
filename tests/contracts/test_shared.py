"""The same contracts on a store shared with podman, buildah and skopeo."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sharing import Others, others

from lockgate.effects.config import Config
from lockgate.effects.ports import Images, Ports
from lockgate.host import Host
from lockgate.testing import busybox
from lockgate.testing.contracts import (
    ArtifactsContract,
    ContentsContract,
    HostContract,
    ImagesContract,
    VolumesContract,
)
from lockgate.wiring import real

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        shutil.which("containers-storage") is None or shutil.which("skopeo") is None,
        reason="there is no containers-storage, or no skopeo (make system)",
    ),
]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Others]:
    with others(tmp_path) as found:
        yield found


@pytest.fixture
def host(tmp_path: Path, shared: Others) -> Iterator[Host]:
    made = real(tmp_path / "root", "runc", storage=shared.place)
    yield made
    made.close()


@pytest.fixture
def config(host: Host, tmp_path: Path) -> Config:
    image = host.images.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
    return Config(
        id=secrets.token_hex(32),
        name="web",
        image=image.name,
        image_id=image.id,
        command=("sleep", "600"),
        cgroup_parent=f"/lockgate-test-{secrets.token_hex(4)}",
    )


class TestSharedHost(HostContract):
    @pytest.fixture
    def ports(self, host: Host) -> Ports:
        return host.ports

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return config


class TestSharedImages(ImagesContract):
    @pytest.fixture
    def images(self, host: Host) -> Images:
        return host.images

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        (tmp_path / "source/bin").mkdir(parents=True)
        return tmp_path / "source"


class TestSharedContents(ContentsContract):
    @pytest.fixture
    def host(self, host: Host) -> Host:
        return host

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return config


class TestSharedVolumes(VolumesContract):
    @pytest.fixture
    def host(self, host: Host) -> Host:
        return host

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return config


class TestSharedArtifacts(ArtifactsContract):
    @pytest.fixture
    def host(self, host: Host) -> Host:
        return host

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return config
