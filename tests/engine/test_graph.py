"""Containers that need each other: one order, nobody pulled from under anybody."""

from collections.abc import Callable

import pytest

from lockgate import Engine, InvalidArgument, NoSuchContainer, OperationFailed, Record, Status
from lockgate.effects.model import AnyEffect, CreateLayer, CreateRuntime
from lockgate.effects.outcome import PortError
from lockgate.errors import DependencyFailed, DependencyNotRunning, IllegalState, StillNeeded
from lockgate.testing.deaths import Fuse, Killed

from .conftest import Simulation

Make = Callable[..., Record]


@pytest.fixture
def make(engine: Engine) -> Make:
    def made(name: str, *requires: str, **rest: object) -> Record:
        return engine.create(name=name, image="busybox", requires=requires, **rest)  # type: ignore[arg-type]

    return made


@pytest.fixture
def diamond(make: Make) -> None:
    make("db")
    make("app", "db")
    make("log", "db")
    make("web", "app", "log")


def status(engine: Engine, *names: str) -> list[Status]:
    return [engine.inspect(name).status for name in names]


def begun(engine: Engine) -> list[str]:
    return [event.name for event in engine.events() if event.event == "start"]


def fails(engine: Engine, container: str) -> None:
    def before(effect: AnyEffect) -> None:
        if isinstance(effect, CreateRuntime) and effect.container == container:
            raise PortError("missing", "no such program", dirty=False)

    assert engine.simulation is not None
    engine.simulation.before = before


class TestMaking:
    def test_whom_it_needs_is_on_record_by_id(self, engine: Engine, make: Make) -> None:
        db, cache = make("db"), make("cache")
        assert make("web", "db", cache.id[:12], "db").config.requires == (db.id, cache.id)

    def test_nobody_needs_who_is_not_there(self, engine: Engine, make: Make) -> None:
        with pytest.raises(NoSuchContainer, match="'db'"):
            make("web", "db")
        assert engine.list() == ()

    def test_nor_who_is_about_to_go(self, engine: Engine, make: Make) -> None:
        db = make("db")

        def before(effect: AnyEffect) -> None:
            engine.simulation.before = lambda _: None  # type: ignore[union-attr]
            with pytest.raises(NoSuchContainer):
                make("web", db.id)

        assert engine.simulation is not None
        engine.simulation.before = before
        engine.remove("db")
        assert engine.list() == ()

    def test_a_name_is_no_list(self, engine: Engine) -> None:
        with pytest.raises(InvalidArgument, match="list of containers"):
            engine.create(image="busybox", requires="db")


@pytest.mark.usefixtures("diamond")
class TestStarting:
    def test_what_it_needs_comes_first(self, engine: Engine) -> None:
        assert engine.start("web").status is Status.RUNNING
        db, *middle, web = begun(engine)
        assert (db, set(middle), web) == ("db", {"app", "log"}, "web")

    def test_what_runs_is_left_alone(self, engine: Engine) -> None:
        engine.start("app")
        before = [engine.inspect(name) for name in ("db", "app")]
        engine.start("web")
        assert [engine.inspect(name) for name in ("db", "app")] == before

    def test_alone_it_is_refused_and_told_what_does_not_run(self, engine: Engine) -> None:
        engine.start("log")
        with pytest.raises(DependencyNotRunning, match=r"does not run \(app\)") as refused:
            engine.start("web", recursive=False)
        assert refused.value.missing == ("app",)
        engine.start("app")
        assert engine.start("web", recursive=False).status is Status.RUNNING

    def test_together_with_another_that_needs_the_same(self, engine: Engine) -> None:
        told = engine.each(engine.start, ["app", "log"])
        assert [one.unwrap().status for one in told] == [Status.RUNNING] * 2
        assert begun(engine).count("db") == 1

    def test_an_init_needs_them_as_well(self, engine: Engine) -> None:
        with pytest.raises(DependencyNotRunning):
            engine.init("app", recursive=False)
        assert engine.init("app").status is Status.CREATED
        assert status(engine, "db", "log") == [Status.RUNNING, Status.CONFIGURED]

    def test_one_that_fails_is_named_and_the_others_run(self, engine: Engine) -> None:
        fails(engine, engine.inspect("app").id)
        with pytest.raises(
            DependencyFailed, match=r"web, which needs app: .*no such program"
        ) as no:
            engine.start("web")
        assert (no.value.needed, type(no.value.cause)) == ("app", OperationFailed)
        assert status(engine, "db", "log", "web") == [
            Status.RUNNING, Status.RUNNING, Status.CONFIGURED,
        ]  # fmt: skip

    def test_what_needs_one_that_failed_is_not_tried_and_every_other_is(
        self, engine: Engine, make: Make
    ) -> None:
        make("front", "app")
        make("back", "log")
        make("all", "front", "back")
        fails(engine, engine.inspect("app").id)
        with pytest.raises(DependencyFailed, match="all, which needs app"):
            engine.start("all")
        assert set(begun(engine)) == {"db", "log", "back"}

    def test_one_that_is_paused_is_not_running(self, engine: Engine) -> None:
        engine.start("db")
        engine.pause("db")
        with pytest.raises(DependencyFailed, match=r"app, which needs db: .*unpause it first"):
            engine.start("app")


@pytest.mark.usefixtures("diamond")
class TestRemoving:
    def test_who_is_needed_stays(self, engine: Engine) -> None:
        before = engine.list()
        for force in (False, True):
            with pytest.raises(StillNeeded, match=r"others need it \(app, log\)") as refused:
                engine.remove("db", force=force)
            assert refused.value.by == ("app", "log")
        assert engine.list() == before

    def test_with_all_that_need_it(self, engine: Engine, make: Make) -> None:
        make("other")
        engine.start("web")
        engine.remove("db", force=True, timeout=0, depend=True)
        assert [one.config.name for one in engine.list()] == ["other"]

    def test_that_stops_at_what_runs(self, engine: Engine) -> None:
        engine.start("web")
        with pytest.raises(Exception, match="cannot remove container web: it is running"):
            engine.remove("db", depend=True)
        assert status(engine, "db", "web") == [Status.RUNNING, Status.RUNNING]

    def test_when_nobody_needs_it_any_more(self, engine: Engine) -> None:
        for name in ("web", "log", "app", "db"):
            engine.remove(name)
        assert engine.list() == ()


class TestSharing:
    """The namespace of another: whoever owns it is needed."""

    @pytest.fixture
    def guest(self, make: Make) -> Record:
        make("owner", network="private")
        return make("guest", network="container:owner")

    def test_the_owner_is_started_before(self, engine: Engine, guest: Record) -> None:
        engine.start("guest")
        assert begun(engine) == ["owner", "guest"]
        with pytest.raises(StillNeeded):
            engine.remove("owner", force=True)

    def test_another_run_of_the_owner_is_another_run_of_its_guests(
        self, engine: Engine, guest: Record
    ) -> None:
        engine.start("guest")
        engine.restart("owner")
        owner, after = engine.inspect("owner"), engine.inspect("guest")
        assert (owner.epoch, after.epoch) == (2, 2)
        assert after.netns == owner.netns
        engine.stop("owner")
        engine.start("owner")
        assert (engine.inspect("guest").epoch, engine.inspect("guest").status) == (
            3,
            Status.RUNNING,
        )

    def test_what_waits_in_an_earlier_run_is_made_anew(self, engine: Engine, guest: Record) -> None:
        assert engine.init("guest").epoch == 1
        engine.restart("owner")
        assert engine.start("guest").netns == engine.inspect("owner").netns

    def test_it_is_not_cleaned_up_under_its_guests(self, engine: Engine, guest: Record) -> None:
        engine.start("guest")
        engine.stop("owner")
        with pytest.raises(StillNeeded, match="stop them first"):
            engine.cleanup("owner")
        engine.stop("guest")
        assert engine.cleanup("owner").status is Status.EXITED

    def test_no_lock_of_the_house_is_left(
        self, engine: Engine, guest: Record, simulation: Simulation
    ) -> None:
        engine.start("guest")
        for name in ("guest", "owner"):
            engine.remove(name, force=True)
        assert simulation.wiring.locks.known() == ()

    def test_starting_what_runs_disturbs_nobody(self, engine: Engine, guest: Record) -> None:
        before = engine.start("guest")
        with pytest.raises(Exception, match="runs already"):
            engine.start("owner")
        assert engine.inspect("guest") == before


def test_after_a_reboot_what_is_needed_comes_first(engine: Engine, make: Make) -> None:
    make("db")
    make("web", "db", restart="always")
    engine.start("web")
    assert engine.simulation is not None
    engine.simulation.reboot()
    assert engine.refresh() == {}
    assert status(engine, "db", "web") == [Status.RUNNING, Status.RUNNING]


class TestMany:
    def test_a_result_for_each_in_their_order(self, engine: Engine, make: Make) -> None:
        names = [f"c{number}" for number in range(30)]
        for name in names:
            make(name)
        told = engine.each(engine.start, [*names, "nobody"])
        assert [one.unwrap().config.name for one in told[:-1]] == names
        assert isinstance(told[-1].failure(), NoSuchContainer)
        assert {one.status for one in engine.list()} == {Status.RUNNING}

    def test_a_bug_flies(self, engine: Engine) -> None:
        def act(name: str) -> None:
            raise ZeroDivisionError(name)

        with pytest.raises(ZeroDivisionError):
            engine.each(act, ["a"])


class TestWhatTheExplorerFound:
    """Paths of `two containers, one needs the other`, by name."""

    @pytest.fixture
    def guest(self, make: Make) -> Record:
        make("owner", network="private")
        return make("guest", network="container:owner")

    def test_what_would_be_refused_touches_nobody(self, engine: Engine, guest: Record) -> None:
        engine.start("guest")
        engine.stop("owner")
        before = engine.inspect("owner"), engine.inspect("guest")
        for refused in (engine.start, engine.init):
            with pytest.raises(IllegalState):
                refused("guest")
        assert (engine.inspect("owner"), engine.inspect("guest")) == before

    def test_an_owner_that_only_waits_is_no_home(self, engine: Engine, guest: Record) -> None:
        engine.start("guest")
        engine.stop("owner")
        with pytest.raises(StillNeeded, match="init"):
            engine.init("owner")

    def test_what_is_needed_takes_its_other_guests_along(
        self, engine: Engine, guest: Record, make: Make
    ) -> None:
        make("third", "owner")
        engine.start("guest")
        engine.stop("owner")
        engine.start("third")
        assert engine.inspect("guest").netns == engine.inspect("owner").netns

    def test_a_guest_whose_starter_died_is_a_guest(
        self, simulation: Simulation, engine: Engine, guest: Record
    ) -> None:
        engine.start("owner")
        with pytest.raises(Killed):
            simulation.engine(Fuse(place="after StartRuntime")).start("guest")
        engine.restart("owner")
        assert engine.inspect("guest").netns == engine.inspect("owner").netns

    def test_who_is_needed_is_made_first_though_its_maker_died(
        self, engine: Engine, make: Make, simulation: Simulation
    ) -> None:
        """Else its making could still fail, under those that need it."""
        with pytest.raises(Killed):
            simulation.engine(Fuse(place="after commit")).create(name="db", image="busybox")
        make("web", "db")
        assert engine.inspect("db").status is Status.CONFIGURED

    def test_nobody_comes_to_need_what_could_not_be_made(
        self, make: Make, simulation: Simulation
    ) -> None:
        with pytest.raises(Killed):
            simulation.engine(Fuse(place="after commit")).create(name="db", image="busybox")
        simulation.trouble[CreateLayer] = PortError("scarce", "no space")
        with pytest.raises(NoSuchContainer):
            make("web", "db")

    def test_a_policy_takes_its_guests_along(self, engine: Engine, make: Make) -> None:
        make("db", network="private", restart="always")
        make("web", network="container:db")
        engine.start("web")
        assert engine.simulation is not None
        engine.simulation.end(engine.inspect("db").id, 1)
        engine.settle("db")
        assert engine.inspect("web").netns == engine.inspect("db").netns
        assert status(engine, "db", "web") == [Status.RUNNING, Status.RUNNING]

    def test_a_policy_starts_nobody_against_his_users_last_word(
        self, engine: Engine, make: Make
    ) -> None:
        make("db")
        make("web", "db", restart="always")
        engine.start("web")
        engine.stop("db")
        assert engine.simulation is not None
        engine.simulation.end(engine.inspect("web").id, 1)
        engine.settle("web")
        assert engine.inspect("db").status is Status.STOPPED, "its user stopped it"
        engine.start("db")
        engine.settle("web")
        assert engine.inspect("web").status is Status.RUNNING, "it was owed all the time"
