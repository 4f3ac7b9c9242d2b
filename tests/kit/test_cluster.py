"""The frontier partitioned over a cluster of processes: the report is that of one process."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
from distributed import Client, LocalCluster

from lockgate.testing.__main__ import main
from lockgate.testing.cluster import on
from lockgate.testing.containers import OneContainer
from lockgate.testing.explore import explore
from lockgate.testing.together import explore_together
from lockgate.testing.usage import here

SMALL = partial(OneContainer, faults=False)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    made: Any = LocalCluster
    with made(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        yield cluster


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestCluster:
    def test_two_processes_that_share_nothing_come_to_the_report_of_one(self, cluster: Any) -> None:
        connect: Any = Client
        with connect(cluster) as client:
            report = explore_together(SMALL, gather=on(client), noted=here)
        alone = explore(SMALL())
        assert report.used == explore_together(SMALL, noted=here).used
        assert msgspec.structs.replace(report, seconds=0.0, used=frozenset()) == (
            msgspec.structs.replace(alone, seconds=0.0)
        )

    def test_on_the_command_line(self, cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
        name = "one container, nothing goes wrong"
        assert main(["--cluster", cluster.scheduler_address, "--model", name]) == 0
        assert "1,511 nodes" in capsys.readouterr().out
