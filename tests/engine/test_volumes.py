"""Volumes and who uses them: in use they stay, whoever asks, and though nobody can read who does."""

import pytest
from msgspec.structs import replace

from lockgate import Engine, OperationFailed, Record, VolumeInUse, VolumeMount
from lockgate.effects.model import CreateLayer

from .conftest import Simulation

DATA = VolumeMount(destination="/data", volume="data")


@pytest.fixture
def user(engine: Engine) -> Record:
    return engine.create(name="web", image="busybox", mounts=[DATA])


def lost(engine: Engine, container: str) -> None:
    """Its record, as a disk would have damaged it."""
    rows = engine.host.store._rows  # type: ignore[attr-defined]
    rows[container] = replace(rows[container], record=b"\0")


def test_in_use_it_stays_though_its_user_cannot_be_read(engine: Engine, user: Record) -> None:
    engine.start("web")
    lost(engine, user.id)
    for _ in "unread, and on record as unknown":
        with pytest.raises(VolumeInUse, match="web"):
            engine.remove_volume("data", force=True)
        engine.sync("web")
    assert engine.volume_users("data") == ()
    engine.remove("web", force=True)
    engine.remove_volume("data")
    assert engine.volumes() == ()


def test_what_goes_with_a_container_is_nobody_elses(engine: Engine) -> None:
    """L-113: it would be taken from under him."""
    engine.create(
        name="web", image="busybox", mounts=[VolumeMount(destination="/d", anonymous=True)]
    )
    (own,) = engine.volumes()
    with pytest.raises(
        OperationFailed, match=r"goes with container .*: to share one, give it a name"
    ):
        engine.create(image="busybox", mounts=[replace(DATA, volume=own.name)])
    assert [record.config.name for record in engine.list()] == ["web"]
    engine.remove("web")
    assert engine.volumes() == ()


def test_from_the_intent_on_it_is_in_use(engine: Engine, simulation: Simulation) -> None:
    """Though the container that is to mount it is not made yet."""
    engine.create_volume("data")
    refused: list[tuple[str, ...]] = []

    def meanwhile(effect: object) -> None:
        if isinstance(effect, CreateLayer):
            with pytest.raises(VolumeInUse) as refusal:
                simulation.engine().remove_volume("data")
            refused.append(refusal.value.users)

    simulation.host.before = meanwhile
    engine.create(name="web", image="busybox", mounts=[DATA])
    assert refused == [("web",)]
    assert [one.name for one in engine.volumes()] == ["data"]
