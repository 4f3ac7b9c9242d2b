"""The real adapters, under each runtime that works here, keep the same contract."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.adapters.storage import Images as StoredImages
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


@pytest.mark.real
class TestRealHost(HostContract):
    @pytest.fixture
    def host(self, tmp_path: Path, runtime: str) -> Iterator[Host]:
        made = real(tmp_path / "root", runtime)
        made.images.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made
        made.close()

    @pytest.fixture
    def ports(self, host: Host) -> Ports:
        return host.ports

    @pytest.fixture
    def config(self, host: Host) -> Config:
        image = host.images.lookup("busybox")
        return Config(
            id=secrets.token_hex(32),
            image=image.name,
            image_id=image.id,
            command=("sleep", "600"),
            cgroup_parent=f"/lockgate-test-{secrets.token_hex(4)}",
        )


class TestRealImages(ImagesContract):
    @pytest.fixture
    def images(self, tmp_path: Path) -> Images:
        return StoredImages(tmp_path / "root")

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        (tmp_path / "source/bin").mkdir(parents=True)
        return tmp_path / "source"


@pytest.mark.real
class TestRealContents(ContentsContract):
    @pytest.fixture
    def host(self, tmp_path: Path) -> Iterator[Host]:
        made = real(tmp_path / "root")
        yield made
        made.close()

    @pytest.fixture
    def config(self, host: Host, tmp_path: Path) -> Config:
        (tmp_path / "source/bin").mkdir(parents=True)
        image = host.images.import_image("small", tmp_path / "source")
        return Config(id="c0ffee", image=image.name, image_id=image.id)


@pytest.mark.real
class TestRealVolumes(VolumesContract):
    @pytest.fixture
    def host(self, tmp_path: Path) -> Iterator[Host]:
        made = real(tmp_path / "root")
        yield made
        made.close()

    @pytest.fixture
    def config(self, tmp_path: Path) -> Config:
        (tmp_path / "rootfs").mkdir()
        return Config(id="c0ffee", rootfs=str(tmp_path / "rootfs"))


@pytest.mark.real
class TestRealArtifacts(ArtifactsContract):
    @pytest.fixture
    def host(self, tmp_path: Path) -> Iterator[Host]:
        made = real(tmp_path / "root")
        yield made
        made.close()

    @pytest.fixture
    def config(self, tmp_path: Path) -> Config:
        (tmp_path / "rootfs").mkdir()
        return Config(id="c0ffee", rootfs=str(tmp_path / "rootfs"))
