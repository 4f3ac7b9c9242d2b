"""The simulated host keeps the contract of hosts, also when everything happens twice and nobody
is told of an end."""

from pathlib import Path

import pytest

from lockgate.adapters.simulated import FaultPlan
from lockgate.effects.config import Config
from lockgate.effects.ports import Images, Ports
from lockgate.host import Host
from lockgate.simulation import simulated
from lockgate.testing.contracts import (
    ArtifactsContract,
    ContentsContract,
    HostContract,
    ImagesContract,
    NetworkContract,
    VolumesContract,
)


class TestSimulatedHost(HostContract):
    @pytest.fixture
    def ports(self) -> Ports:
        return simulated().ports

    @pytest.fixture
    def config(self) -> Config:
        return Config(id="c0ffee", command=("sleep", "600"))


class TestSimulatedContents(ContentsContract):
    @pytest.fixture
    def host(self) -> Host:
        return simulated()

    @pytest.fixture
    def config(self, host: Host, tmp_path: Path) -> Config:
        image = host.images.import_image("empty", tmp_path)
        return Config(id="c0ffee", image=image.name, image_id=image.id)


class TestSimulatedArtifacts(ArtifactsContract):
    @pytest.fixture
    def host(self) -> Host:
        return simulated()

    @pytest.fixture
    def config(self) -> Config:
        return Config(id="c0ffee", command=("sh",))


class TestSimulatedVolumes(VolumesContract):
    @pytest.fixture
    def host(self) -> Host:
        return simulated()

    @pytest.fixture
    def config(self) -> Config:
        return Config(id="c0ffee", command=("sh",))


class TestSimulatedImages(ImagesContract):
    @pytest.fixture
    def images(self) -> Images:
        return simulated().images

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        return tmp_path


class TestEverythingTwice(TestSimulatedHost):
    @pytest.fixture
    def ports(self) -> Ports:
        made = simulated()
        assert made.simulation is not None
        made.simulation.plan = FaultPlan(rate=1.0, choices=("twice",))
        return made.ports


class TestDeaf(TestSimulatedHost):
    @pytest.fixture
    def ports(self) -> Ports:
        made = simulated()
        assert made.simulation is not None
        made.simulation.deaf = True
        return made.ports


class TestSimulatedNetwork(NetworkContract):
    @pytest.fixture
    def host(self) -> Host:
        host = simulated()
        host.networks.create("web", dns=("192.0.2.53",))
        host.networks.create("back", internal=True)
        return host
