"""The simulated host keeps the contract of hosts."""

from pathlib import Path

import pytest

from lockgate.effects.config import Config
from lockgate.effects.ports import Images, Ports
from lockgate.simulation import simulated
from lockgate.testing.contracts import HostContract, ImagesContract


class TestSimulatedHost(HostContract):
    @pytest.fixture
    def ports(self) -> Ports:
        return simulated().ports

    @pytest.fixture
    def config(self) -> Config:
        return Config(id="c0ffee", command=("sleep", "600"))


class TestSimulatedImages(ImagesContract):
    @pytest.fixture
    def images(self) -> Images:
        return simulated().images

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        return tmp_path
