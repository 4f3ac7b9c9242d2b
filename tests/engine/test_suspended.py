"""A host that was suspended: the time of day has gone on, and the clock that waits are measured by has
stood still (FAULTS §3.9). And deadlines of days."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from lockgate import Engine, HealthCheck, Record, Status
from lockgate.effects.health import SECOND
from tests.engine.conftest import Simulation
from tests.waiting import until

DAY = 86_400.0
YEAR = 365 * DAY


def meanwhile(act: Callable[[], object]) -> Future[object]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(act)
    pool.shutdown(wait=False)
    return future


class TestWaiting:
    """Whoever waits so many seconds waits for them awake."""

    def test_for_an_end(self, simulation: Simulation, engine: Engine, web: Record) -> None:
        engine.start("web")
        waiting = meanwhile(lambda: engine.wait("web", timeout=60))
        simulation.host.advance(DAY)
        assert not waiting.done()
        simulation.host.end(web.id, 7)
        assert waiting.result(20) == 7

    def test_a_container_has_its_time_to_stop(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        simulation.host.deaf = frozenset({web.id})
