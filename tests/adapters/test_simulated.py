"""The simulated host's own promises: faults as planned, deterministic, to come back to."""

import threading
from contextlib import suppress

import pytest
from msgspec.structs import replace

from lockgate.adapters.simulated import DRIFTS, FaultPlan, SimulatedHost, Turn, World
from lockgate.adapters.simulated.faults import TURNS, halves
from lockgate.adapters.simulated.world import Left, carried_out
from lockgate.effects.config import Config, Namespaces, VolumeMount
from lockgate.effects.model import (
    AnyEffect,
    CreateLayer,
    CreateRuntime,
    DeleteLayer,
    DeleteRuntime,
    Freeze,
    JoinNetwork,
    LeaveNetwork,
    Mount,
)
from lockgate.effects.outcome import PortError

WEB = Config(id="web", network="private")


def prepared(host: SimulatedHost) -> SimulatedHost:
    host.create(WEB)
    host.mount(WEB)
    host.write_spec(WEB, b"{}")
    return host


def running(host: SimulatedHost) -> SimulatedHost:
    prepared(host).runtime.create(WEB, 1, again=False)
    host.runtime.start(WEB, 1, again=False)
    return host


def turned(turn: Turn) -> tuple[SimulatedHost, PortError | None]:
    """A host whose first creation in the runtime turns out so, and what it raised."""
    host = prepared(SimulatedHost(plan=FaultPlan({(CreateRuntime, 1): turn})))
    try:
        host.runtime.create(WEB, 1, again=False)
    except PortError as problem:
        return host, problem
    return host, None


@pytest.mark.parametrize(
    ("turn", "kind", "dirty", "there"),
    [
        ("refused", "refused", False, "absent"),
        ("dirty", "failed", True, "absent"),
        ("scarce", "scarce", True, "absent"),
        ("denied", "denied", False, "absent"),
        ("after", "failed", True, "created"),
        ("half", "failed", True, "created"),
        ("late", "timeout", True, "created"),
    ],
)
def test_a_fault_is_what_it_says(turn: Turn, kind: str, dirty: bool, there: str) -> None:
    host, problem = turned(turn)
    assert problem is not None
    assert (problem.fault.kind, problem.fault.dirty) == (kind, dirty)
    assert host.world("web").runtime == there


@pytest.mark.parametrize(
    ("turn", "there"), [("done", "created"), ("twice", "created"), ("reverts", "stopped")]
)
def test_what_succeeds_may_still_be_lost(turn: Turn, there: str) -> None:
    host, problem = turned(turn)
    assert problem is None and host.world("web").runtime == there


def test_half_a_creation_has_no_monitor() -> None:
    host, _ = turned("half")
    assert not host.world("web").monitor


KEEPER = Config(
    id="c",
    mounts=tuple(
        VolumeMount(destination=f"/{name}", volume=name, anonymous=True) for name in ("one", "two")
    ),
    namespaces=Namespaces(ipc="shareable"),
)
MADE, _ = carried_out(World(), CreateLayer("c"), KEEPER, 1)
JOINED, _ = carried_out(MADE, JoinNetwork("c", 1), KEEPER, 1)


@pytest.mark.parametrize(
    ("before", "effect", "there"),
    [
        (World(), CreateLayer("c"), [(True, False, False, ""), (True, False, False, "one")]),
        (
            MADE,
            DeleteLayer("c"),
            [
                (True, False, False, ""),
                (True, False, False, "two"),
                (False, False, False, "one two"),
            ],
        ),
        (
            MADE,
            JoinNetwork("c", 1),
            [(True, True, False, "one two"), (True, False, True, "one two")],
        ),
        (
            JOINED,
            LeaveNetwork("c", 1),
            [(True, False, True, "one two"), (True, True, False, "one two")],
        ),
    ],
    ids=["its layer made", "its layer deleted", "its network joined", "its network left"],
)
def test_what_has_parts_is_done_by_half_in_several_ways(
    before: World, effect: AnyEffect, there: list[tuple[bool, bool, bool, str]]
) -> None:
    """Its layer, its network, the memory it lends, its own volumes; and again makes it whole."""
    ways = halves(before, effect, KEEPER)
    assert [(way.layer, way.network, way.shm, " ".join(way.volumes)) for way in ways] == there
    whole = carried_out(before, effect, KEEPER, 1)
    assert {carried_out(way, effect, KEEPER, 1) for way in ways} == {whole}


def test_a_volume_with_a_name_may_be_made_and_not_filled() -> None:
    plan = FaultPlan({(CreateLayer, 1): "half"})
    plan.way = lambda ways: ways - 1  # type: ignore[method-assign]
    host = SimulatedHost(plan=plan)
    keeper = replace(KEEPER, mounts=(*KEEPER.mounts, VolumeMount(destination="/d", volume="data")))
    for fresh in (True, False):
        with suppress(PortError):
            host.create(keeper)
        assert host.volumes.lookup("data").fresh is fresh
    host.delete(keeper)
    assert [one.name for one in host.volumes.list()] == ["data"]


def test_what_is_late_happens_before_anybody_looks_again() -> None:
    host = prepared(SimulatedHost(plan=FaultPlan({(JoinNetwork, 1): "late"})))
    with pytest.raises(PortError):
        host.join(WEB, 1)
    assert host.worlds()["web"].network


def test_what_is_late_and_overtaken_does_not_happen() -> None:
    host = prepared(SimulatedHost(plan=FaultPlan({(Mount, 2): "late"})))
    with pytest.raises(PortError):
        host.mount(WEB)
    host.drift("web", lambda world: World())
    assert not host.world("web").mounted


def test_every_turn_is_covered() -> None:
    assert set(TURNS) == {
        "done", "refused", "dirty", "after", "half", "late", "twice", "reverts", "scarce", "denied",
    }  # fmt: skip


def outcomes(seed: int) -> list[str]:
    host = SimulatedHost(plan=FaultPlan(seed=seed, rate=0.5))
    said: list[str] = []
    for _ in range(30):
        try:
            host.create(WEB)
            said.append("done")
        except PortError as problem:
            said.append(problem.fault.reason)
    return said


def test_the_same_seed_is_the_same_luck() -> None:
    assert outcomes(1) == outcomes(1) != outcomes(2)


def test_faults_cease_when_told_to() -> None:
    plan = FaultPlan({(Mount, 1): "refused"}, rate=1.0)
    plan.cease()
    assert prepared(SimulatedHost(plan=plan)).world("web").mounted


def test_a_snapshot_can_be_come_back_to() -> None:
    host = running(SimulatedHost())
    before = host.snapshot()
    host.end("web", 3)
    host.advance(3600)
    assert host.world("web").code == 3
    host.restore(before)
    assert host.world("web").runtime == "running" and host.snapshot() == before


def test_the_clock_may_be_set_back() -> None:
    host = SimulatedHost()
    first = host.now()
    host.advance(-60)
    assert host.now() < first


@pytest.mark.parametrize(
    ("left", "standing"), [("nothing", "absent"), ("half", "stopped"), ("all", "stopped")]
)
def test_a_boot_leaves_what_is_on_disk(left: Left, standing: str) -> None:
    host = running(SimulatedHost())
    host.join(WEB, 1)
    host.reboot(left)
    world = host.world("web")
    assert (world.layer, world.mounted, world.network) == (True, False, False)
    assert (world.runtime, world.alive, world.monitor) == (standing, False, False)
    assert world.damaged is (left == "half")


def test_nobody_needs_to_be_told_of_an_end_to_see_it() -> None:
    host = running(SimulatedHost())
    host.deaf = True
    ended: list[object] = []
    waiter = threading.Thread(target=lambda: ended.append(host.await_end("web", 1, 20)))
    waiter.start()
    host.end("web", 7)
    waiter.join()
    assert getattr(ended[0], "code", None) == 7


@pytest.mark.parametrize("name", DRIFTS)
def test_whatever_others_do_force_removes_it(name: str) -> None:
    host = running(SimulatedHost())
    host.drift("web", DRIFTS[name])
    host.do(DeleteRuntime("web", 1, True))
    host.unmount(WEB)
    if name == "held elsewhere":
        with pytest.raises(PortError, match="mounted below"):
            host.delete(WEB)
        host.drift("web", DRIFTS["let go"])
    host.delete(WEB)
    assert host.world("web").empty


def test_damaged_state_is_said_and_replaced_by_the_next_creation() -> None:
    host = running(SimulatedHost())
    host.drift("web", DRIFTS["runtime state damaged"])
    with pytest.raises(PortError, match="cannot read its state"):
        host.do(Freeze("web", 1))
    host.do(CreateRuntime("web", 2))
    assert not host.world("web").damaged
