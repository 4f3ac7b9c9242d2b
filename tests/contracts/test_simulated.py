"""The simulated host keeps the contract of hosts."""

import pytest

from lockgate.effects.config import Config
from lockgate.effects.ports import Ports
from lockgate.host import Host
from lockgate.simulation import simulated
from lockgate.testing.contracts import HostContract, NetworkContract


class TestSimulatedHost(HostContract):
    @pytest.fixture
    def ports(self) -> Ports:
        return simulated().ports

    @pytest.fixture
    def config(self) -> Config:
        return Config(id="c0ffee", command=("sleep", "600"))


class TestSimulatedNetwork(NetworkContract):
    @pytest.fixture
    def host(self) -> Host:
        host = simulated()
        host.networks.create("web", dns=("192.0.2.53",))
        host.networks.create("back", internal=True)
        return host
