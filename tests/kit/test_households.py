"""Whole commands of the shipped engine, over containers that need each other: nothing is owed to
nobody, nobody loses what they live in; and each promise is seen to bite."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace
from tests.soak import WHOLE

from lockgate import lifecycle
from lockgate.adapters.simulated.sessions import SimulatedSessions
from lockgate.effects.config import SHAREABLE, SHARED, Config, Namespaces
from lockgate.effects.ports import Commit
from lockgate.effects.sessions import Seen
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status
from lockgate.testing import rehearsal
from lockgate.testing.counterexamples import walk
from lockgate.testing.explore import Model, Report, explore
from lockgate.testing.households import Household, Households
from lockgate.testing.models import MODELS
from lockgate.testing.rehearsal import Explored, Kept, Stage
from lockgate.testing.together import explore_together

ONE = Config(id="a", name="a", rootfs="/simulated", network="private")
OTHER = Config(id="b", name="b", rootfs="/simulated", network=f"{SHARED}a")
PAIR = (ONE, OTHER)
APART = (ONE, replace(OTHER, network="none", requires=("a",)))
MEMORY = (
    replace(ONE, network="none", namespaces=Namespaces(ipc=SHAREABLE)),
    replace(OTHER, network="none", namespaces=Namespaces(ipc=f"{SHARED}a")),
)
ALWAYS = (replace(ONE, restart="always"), replace(OTHER, restart="always"))
BRIEF = 700
"""Nodes within which a planted bug is to be found."""


def found(
    engine: type[Explored], configs: tuple[Config, ...] = PAIR, **rest: Any
) -> Report[Household]:
    return explore(Households(configs, engine=engine, troubles=rest.pop("troubles", 0), **rest))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_owed_is_done_whatever_goes_wrong_once() -> None:
    """Every command killed at every place, every effect turned in every way, ends meanwhile."""
    report = explore_together(MODELS["one container, removed by itself"])
    assert report.holds, report


PARTLY: dict[str, Callable[[], Model[Any]]] = {
    "one container, always restarted": MODELS["one container, always restarted"],
    "one container, restarted once": MODELS["one container, restarted once"],
    "by hand": partial(Households, PAIR, troubles=0),
    "always restarted": partial(Households, ALWAYS, troubles=0),
}
"""What is walked whole by `make explore` and `make soak`."""


@pytest.mark.sampled
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", PARTLY)
def test_the_next_commands_from_everywhere_near_the_beginning(name: str) -> None:
    limit = 2_000_000 if WHOLE else BRIEF // 4
    report = explore_together(PARTLY[name], limit=limit)
    assert not report.problem and report.exhausted is WHOLE, report


def test_its_volumes_go_with_a_container_or_stay_whatever_goes_wrong_once() -> None:
    """Two of its own and one with a name, made and removed meanwhile: all there is of it."""
    report = explore(MODELS["one container, volumes"]())
    assert report.holds, report


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_containers_share_a_volume_whatever_goes_wrong_once() -> None:
    report = explore_together(MODELS["two containers, one volume"])
    assert report.holds, report


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_containers_share_memory() -> None:
    """Nothing fails here; `make explore` walks it with all that may."""
    calm = partial(MODELS["two containers, one memory"], troubles=0)  # type: ignore[call-arg]
    report = explore_together(calm)
    assert report.holds, report


def test_a_volume_is_removed_while_another_operator_makes_one_who_uses_it() -> None:
    report = explore(MODELS["two containers, one volume"](), limit=BRIEF // 7)
    assert not report.problem, report


CALLS = ("create", "start", "stop", "restart", "remove")
"""What two operators ask for."""


def test_two_operators_of_two_containers() -> None:
    """The second acts at every place of the first where it does not have to wait."""
    report = explore(Households(PAIR, verbs=CALLS, others=("start", "remove")), limit=BRIEF // 6)
    assert not report.problem, report


def test_two_things_go_wrong_in_one_life_of_two_containers() -> None:
    households = Households(PAIR, troubles=2, verbs=("create", "start"), turns=("half",))
    report = explore(households, limit=BRIEF // 3)
    assert not report.problem, report


class Alone(Explored):
    """Knows nothing of those that live in its containers' namespaces."""

    def _unlent(self, verb: str, lender: str) -> None:
        pass

    def _guests(self, container: str) -> tuple[Record, ...]:
        return ()


class Unguarded(Explored):
    """Asks no more once it has looked whether anybody lives there."""

    def _of_lodging(self, *asked: object) -> Iterator[Any]:
        return iter(())


class Careless(Explored):
    """Starts nothing that is needed."""

    def _provided(self, record: Record, recursive: bool = True) -> None:
        pass


class Pushy(Explored):
    """Starts for a policy what its user has stopped."""

    def _kept_waiting(self, record: Record) -> bool:
        return False


class Forgetful(Explored):
    """Owes nobody another run."""

    def settle(
        self, reference: str, epoch: int | None = None, *, booted: bool = False
    ) -> Record | None:
        return self._interpreter.sync(self.resolve(reference))


class Eager(Explored):
    """Settles whatever it is called for, late or not."""

    def settle(
        self, reference: str, epoch: int | None = None, *, booted: bool = False
    ) -> Record | None:
        record = super().settle(reference, booted=booted)
        return self.start(reference) if record and record.status is Status.EXITED else record


@pytest.mark.parametrize(
    ("engine", "configs", "promise"),
    [
        (Alone, PAIR, "P18"),
        (Alone, MEMORY, "P18"),
        (Careless, APART, "P18"),
        (Pushy, ALWAYS, "P16"),
        (Forgetful, ALWAYS[:1], "P16"),
        (Eager, ALWAYS[:1], "P16"),
    ],
)
def test_an_engine_that_forgets_one_of_its_rules_is_found_out(
    engine: type[Explored], configs: tuple[Config, ...], promise: str
) -> None:
    report = found(engine, configs)
    assert report.problem.startswith(promise), report


def test_an_engine_that_does_not_keep_others_from_moving_in_is_found_out() -> None:
    report = found(Unguarded, troubles=1, verbs=CALLS, others=("start",))
    assert report.problem.startswith("P18"), report


def test_a_store_in_which_what_is_not_made_is_needed_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (lifecycle, rehearsal):
        monkeypatch.setattr(module, "stays", lambda record: record.status is not Status.REMOVING)
    report = found(Explored, troubles=2, verbs=("create", "start"), turns=("half",))
    assert report.problem.startswith("P18"), report


def test_a_store_that_lets_go_of_what_is_needed_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lockgate.adapters.store import memory

    def lax(commit: Commit, **rest: object) -> None:
        return None

    monkeypatch.setattr(memory, "bound", lax)
    report = found(Explored)
    assert report.problem.startswith("P18"), report


def outliving(self: SimulatedSessions, container: str, epoch: int) -> tuple[Seen, ...]:
    """A host on which nothing ends with its run."""
    return tuple(self._sessions.get((container, epoch), {}).values())


def mistaken(self: SimulatedSessions, container: str, epoch: int) -> tuple[Seen, ...]:
    """A host that tells of one run what another had."""
    there = self._sessions.get((container, epoch), {}).values()
    return tuple(replace(one, session=replace(one.session, epoch=epoch + 1)) for one in there)


@pytest.mark.parametrize("look", [outliving, mistaken])
def test_a_host_on_which_sessions_are_not_those_of_a_run_is_found_out(
    look: Callable[[SimulatedSessions, str, int], tuple[Seen, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SimulatedSessions, "look", look)
    report = found(Explored, PAIR[:1], execs=True)
    assert report.problem.startswith("P21"), report


def test_a_path_can_be_walked_again() -> None:
    report = found(Alone)
    *_, (_, last) = walk(Households(PAIR, troubles=0, engine=Alone), report.path[:-1])
    assert "a: " in str(last) and "b: " in str(last)


def test_what_is_put_on_a_stage_is_there() -> None:
    stage = Stage(tuple(map(Kept, PAIR)))
    with stage.engine() as engine:
        for config in PAIR:
            engine.make(config)
        engine.start("b")
    there = stage.kept()
    again = Stage(there)
    assert again.kept() == there
    with again.engine() as engine:
        assert [record.status for record in engine.list()] == [Status.RUNNING, Status.RUNNING]
