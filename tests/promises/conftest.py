"""Where the promises are kept: a simulated host; and what is asked of the engine on a real runtime."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.conftest import Simulation

from lockgate import Engine, Record

PATIENT = ["sh", "-c", "until [ -e /go ]; do sleep 0.02; done; exit 7"]
"""Ends with 7 as soon as it is let go."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Under all runtimes but one only by `make soak`."""
    if item.get_closest_marker("real"):
        item.add_marker(pytest.mark.sampled)


@pytest.fixture
def simulation(tmp_path: Path) -> Iterator[Simulation]:
    made = Simulation()
    made.engine().import_image("busybox", tmp_path, command=["sh"])
    yield made
    made.close()


def patient(engine: Engine, name: str = "web", **wishes: object) -> Record:
    """A container that ends with 7 when it is let go."""
    return engine.create(name=name, image="busybox", command=PATIENT, **wishes)  # type: ignore[arg-type]


def let_go(record: Record) -> None:
    Path(record.mountpoint, "go").touch()
