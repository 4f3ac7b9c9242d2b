"""Another name: at once, unique, and the old one is free."""

import dataclasses

import pytest

from lockgate import Engine, InvalidArgument, NameTaken, NoSuchContainer, Record, Status
from lockgate.effects.config import Config
from lockgate.effects.model import CreateLayer
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.deaths import Fuse, Killed

from .conftest import Simulation


def test_it_is_found_by_the_new_one_and_the_old_one_is_free(engine: Engine, web: Record) -> None:
    assert engine.rename("web", "app").config.name == "app"
    assert engine.inspect("app").id == web.id
    with pytest.raises(NoSuchContainer):
        engine.inspect("web")
    assert engine.create(name="web", image="busybox").id != web.id
    promised.replays(newborn(Config(id=web.id)), list(engine.history("app")))
    assert [one.name for one in engine.events() if one.event == "rename"] == ["app"]


def test_its_history_is_found_by_either(engine: Engine, web: Record) -> None:
    engine.rename("web", "app")
    assert list(engine.history("web")) == list(engine.history("app"))
    engine.remove("app")
    assert list(engine.history("web")) == list(engine.history("app"))


def test_to_its_own_name_is_nothing(engine: Engine, web: Record) -> None:
    before = len(list(engine.history("web")))
    engine.rename("web", "web")
    assert len(list(engine.history("web"))) == before


@pytest.mark.parametrize("taken", ["other", "site"], ids=["container", "pod"])
def test_a_name_of_somebody_elses_is_refused(engine: Engine, web: Record, taken: str) -> None:
    engine.create(name="other", image="busybox")
    engine.create_pod(name="site")
    with pytest.raises(NameTaken, match=taken):
        engine.rename("web", taken)
    assert engine.inspect("web").config.name == "web"


def test_what_cannot_be_a_name(engine: Engine, web: Record) -> None:
    with pytest.raises(InvalidArgument, match="cannot be a name"):
        engine.rename("web", "no name")
    with pytest.raises(NoSuchContainer):
        engine.rename("nobody", "app")


def test_whatever_it_is_doing(engine: Engine, simulation: Simulation, web: Record) -> None:
    engine.start("web")
    engine.rename("web", "app")
    with pytest.raises(Killed):
        simulation.engine(Fuse(place="before Halt")).stop("app")
    other = simulation.engine()
    assert other.rename("app", "old").status is Status.STOPPING
    assert other.stop("old").status is Status.STOPPED


def test_one_that_was_never_made_has_none(engine: Engine, simulation: Simulation) -> None:
    with pytest.raises(Killed):
        simulation.engine(Fuse(place="before CreateLayer")).create(name="web", image="busybox")
    simulation.trouble[CreateLayer] = OSError(28, "no space left")
    with pytest.raises(NoSuchContainer):
        engine.rename("web", "app")
    assert engine.list() == ()


@pytest.mark.parametrize("place", ["before commit", "after commit"])
def test_killed_it_has_one_name_or_the_other(
    engine: Engine, simulation: Simulation, web: Record, place: str
) -> None:
    with pytest.raises(Killed):
        simulation.engine(Fuse(place=place)).rename("web", "app")
    name = "app" if place == "after commit" else "web"
    assert [one.config.name for one in simulation.engine().list()] == [name]


def test_names_in_a_store_of_others_are_kept(engine: Engine, web: Record) -> None:
    engine.host = dataclasses.replace(engine.host, names_kept="they are elsewhere, too")
    with pytest.raises(InvalidArgument, match="they are elsewhere, too"):
        engine.rename("web", "app")
