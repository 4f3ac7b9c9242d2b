"""How an effect is filled in where nobody has asked for anything: as the config says, or with nothing."""

import pytest
from msgspec.structs import replace

from lockgate.effects import model as e
from lockgate.effects.outcome import Dns, Link
from lockgate.statemachine.orders import FILLED
from lockgate.statemachine.record import newborn

from .conftest import CONFIG, PROCESS

RECORD = replace(
    newborn(replace(CONFIG, memory=64, stop_signal=10)), epoch=1, process=PROCESS, checkpoints=2
)


@pytest.mark.parametrize(
    "effect",
    [
        e.Signal("c0ffee", 1, PROCESS, 10),
        e.CheckpointRuntime("c0ffee", 1, 2, False, False, False),
        e.RestoreRuntime("c0ffee", 1, False),
        e.ExportCheckpoint("c0ffee", ""),
        e.ImportCheckpoint("c0ffee", 2, ""),
        e.AdjustLimits("c0ffee", 1, 64, CONFIG.limits),
    ],
    ids=lambda effect: type(effect).__name__,
)
def test_without_an_operation(effect: e.AnyEffect) -> None:
    assert FILLED[type(effect)](RECORD) == effect


def test_a_spec_is_written_of_all_that_was_joined() -> None:
    lodging = (("shm", "/lent/shm"),)
    links = (Link(network="web", interface="eth0"),)
    joined = replace(
        RECORD,
        mountpoint="/merged",
        netns="/netns",
        links=links,
        dns=Dns(("192.0.2.53",)),
        lodging=lodging,
    )
    wanted = e.WriteSpec("c0ffee", 1, "/merged", "/netns", links, Dns(("192.0.2.53",)), lodging)
    assert FILLED[e.WriteSpec](joined) == wanted


def test_every_effect_can_be_filled_in() -> None:
    for kind, filled in FILLED.items():
        assert type(filled(RECORD)) is kind
