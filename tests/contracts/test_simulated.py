"""The simulated host keeps the contract of hosts."""

import pytest

from lockgate.effects.config import Config
from lockgate.effects.ports import Ports
from lockgate.simulation import simulated
from lockgate.testing.contracts import HostContract


class TestSimulatedHost(HostContract):
    @pytest.fixture
    def ports(self) -> Ports:
        return simulated().ports

    @pytest.fixture
    def config(self) -> Config:
        return Config(id="c0ffee", command=("sleep", "600"))
