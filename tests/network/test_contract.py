"""Real networks, by whichever tool, keep the same contract as simulated ones."""

import pytest
from tests.network.laboratory import Lab

from lockgate.host import Host
from lockgate.testing.contracts import NetworkContract


@pytest.mark.real
class TestNetwork(NetworkContract):
    @pytest.fixture
    def host(self, lab: Lab) -> Host:
        return lab.engine.host
