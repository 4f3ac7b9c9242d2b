"""Pods: what is shared, who comes first, who goes last, and what is owed to them as one."""

import dataclasses
from collections.abc import Callable
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from returns.result import Failure, Result, Success

from lockgate import (
    Engine,
    InitFailed,
    InvalidArgument,
    LockgateError,
    Namespaces,
    NameTaken,
    NoSuchContainer,
    NoSuchPod,
    OperationFailed,
    PodLeaving,
    PodRunning,
    PodStatus,
    Record,
    Status,
    StillMounted,
    StillNeeded,
)
from lockgate.effects.config import Config, IdMap, Membership, cgroup
from lockgate.effects.model import AnyEffect, CreateLayer, CreateRuntime, StartRuntime
from lockgate.effects.model import Signal as SendSignal
from lockgate.effects.outcome import Home, PortError
from lockgate.engine.pods import Outcomes

from .conftest import Simulation

Make = Callable[..., Record]
LIVE = {Status.RUNNING, Status.PAUSED}


@pytest.fixture
def make(engine: Engine) -> Make:
    def made(name: str, *requires: str, pod: str = "web", **rest: Any) -> Record:
        return engine.create(name=name, image="busybox", requires=requires, pod=pod, **rest)

    return made


@pytest.fixture
def web(engine: Engine, make: Make) -> None:
    """A pod named web with three members, of which one needs another."""
    engine.create_pod(name="web")
    make("db")
    make("log")
    make("app", "db")


def infra(engine: Engine, pod: str = "web") -> Record:
    return engine.pod(pod).infra


def status(engine: Engine, *names: str) -> list[Status]:
    return [engine.inspect(name).status for name in names]


def begun(engine: Engine, what: str = "start") -> list[str]:
    names = {infra(engine).config.name: "infra"} if engine.pods() else {}
    return [names.get(one.name, one.name) for one in engine.events() if one.event == what]


def went_well(told: Outcomes) -> list[str]:
    assert all(isinstance(one, Success) for one in told.values()), told
    return list(told)


def wrong(told: Outcomes) -> dict[str, LockgateError]:
    return {name: one.failure() for name, one in told.items() if isinstance(one, Failure)}


def ended(engine: Engine, name: str, code: int = 0) -> Record:
    """It ends by itself, and its monitor calls for what is owed."""
    record = engine.inspect(name)
    assert engine.simulation is not None
    engine.simulation.end(record.id, code)
    engine.settle(record.id, record.epoch)
    return record


def finishing(engine: Engine, *codes: tuple[str, int]) -> None:
    """These end as soon as they run, with this code."""
    host = engine.simulation
    assert host is not None
    by_id = {engine.inspect(name).id: code for name, code in codes}

    def before(effect: AnyEffect) -> None:
        for container, code in by_id.items():
            if host.world(container).runtime == "running":
                host.end(container, code)

    host.before = before
    start = host.runtime.start

    def started(config: Any, epoch: int, *, again: bool) -> None:
        start(config, epoch, again=again)
        if config.id in by_id:
            host.end(config.id, by_id[config.id])

    host.runtime.start = started  # type: ignore[method-assign]


def fails(engine: Engine, name: str, kind: type[AnyEffect] = CreateRuntime) -> None:
    container = engine.inspect(name).id

    def before(effect: AnyEffect) -> None:
        if isinstance(effect, kind) and effect.container == container:
            raise PortError("missing", "no such program", dirty=False)

    assert engine.simulation is not None
    engine.simulation.before = before


class TestMaking:
    def test_a_pod_is_what_holds_it_together(self, engine: Engine) -> None:
        pod = engine.create_pod(name="web", labels={"tier": "front"}, ports=[])
        assert (pod.name, pod.members, pod.status) == ("web", (), PodStatus.CREATED)
        assert pod.pod.labels == (("tier", "front"),)
        assert engine.pod("web") == engine.pod(pod.id) == engine.pod(pod.id[:9]) == pod
        config = pod.infra.config
        assert config.name == f"{pod.id[:12]}-infra"
        assert (config.read_only, config.security.cap_drop) == (True, ("ALL",))
        assert (config.network, config.namespaces.ipc, config.hostname) == (
            "private",
            "shareable",
            "web",
        )

    def test_without_a_name_it_has_the_beginning_of_its_id(self, engine: Engine) -> None:
        pod = engine.create_pod()
        assert pod.name == pod.id[:12]

    def test_pods_and_containers_share_their_names(self, engine: Engine, make: Make) -> None:
        make("one", pod="")
        engine.create_pod(name="web")
        for taken in ("web", "one"):
            with pytest.raises(NameTaken, match=taken):
                engine.create_pod(name=taken)
        with pytest.raises(NameTaken, match=r"'web' is in use by pod"):
            make("web", pod="")
        with pytest.raises(NoSuchContainer, match="that is a pod"):
            engine.inspect("web")
        with pytest.raises(NoSuchPod, match="'one'"):
            engine.pod("one")
        assert len(engine.list()) == 2

    def test_of_one_that_could_not_be_made_nothing_is_left(self, engine: Engine) -> None:
        assert engine.simulation is not None

        def before(effect: AnyEffect) -> None:
            if isinstance(effect, CreateLayer):
                raise PortError("scarce", "no space", dirty=False)

        engine.simulation.before = before
        with pytest.raises(OperationFailed, match="no space"):
            engine.create_pod(name="web")
        engine.simulation.before = lambda effect: None
        assert (engine.pods(), engine.list()) == ((), ())
        engine.create_pod(name="web")

    def test_from_an_image_whose_command_waits(self, engine: Engine) -> None:
        config = engine.create_pod(name="web", image="busybox").infra.config
        assert (config.image, config.rootfs, config.command) == ("busybox", "", ("sh",))

    @pytest.mark.parametrize(
        ("wishes", "said"),
        [
            ({"share": []}, "shares something"),
            ({"share": ["mnt"]}, "'mnt' is no namespace to share"),
            ({"share": "net"}, "is a list"),
            ({"share": ["ipc"], "ports": ["80:80"]}, "shares no network"),
            ({"share": ["ipc"], "network": "private"}, "shares no network"),
            ({"exit_policy": "never"}, "'never' is no exit policy: continue, stop"),
            ({"network": "none"}, "needs a network"),
            ({"ports": ["80:80"]}, "ports are published by a network"),
            ({"name": "no name"}, "cannot be a name"),
        ],
    )
    def test_what_makes_no_sense(self, engine: Engine, wishes: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidArgument, match=said):
            engine.create_pod(**wishes)
        assert engine.pods() == ()


class TestMembers:
    def test_live_in_its_namespaces(self, engine: Engine, make: Make) -> None:
        pod = engine.create_pod(name="web", hostname="here")
        theirs = f"container:{pod.infra.id}"
        config = make("app").config
        assert (config.network, config.namespaces.ipc, config.namespaces.uts) == (theirs,) * 3
        assert (config.namespaces.pid, config.hostname) == ("private", "here")
        assert config.pod == Membership(pod=pod.id, infra=pod.infra.id)
        record = engine.start("app")
        assert record.homes == (Home(pod.infra.id, 1),)
        assert dict(record.lodging) == {
            "ipc": f"/simulated/ipc/{pod.infra.id}",
            "shm": f"/simulated/shm/{pod.infra.id}",
            "uts": f"/simulated/uts/{pod.infra.id}",
        }
        assert record.netns == engine.inspect(pod.infra.id).netns

    def test_or_only_in_some(self, engine: Engine, make: Make) -> None:
        pod = engine.create_pod(name="web", share=["pid"])
        config = make("app", network="private", hostname="mine").config
        assert (config.network, config.hostname) == ("private", "mine")
        assert config.namespaces == Namespaces(pid=f"container:{pod.infra.id}")
        record = engine.start("app")
        assert (record.netns != "", [kind for kind, _ in record.lodging]) == (True, ["pid"])

    def test_processes_join_one_that_lives_in_them(self, engine: Engine, make: Make) -> None:
        engine.create_pod(name="web", share=["net", "ipc", "uts", "pid"])
        make("app")
        engine.start("app")
        assert engine.exec("app", ["id"]).container == engine.inspect("app").id

    def test_on_the_hosts_network(self, engine: Engine, make: Make) -> None:
        engine.create_pod(name="web", network="host")
        assert make("app").config.network == "host"

    @pytest.mark.parametrize(
        ("wishes", "said"),
        [
            ({"network": "private"}, "are those of pod web"),
            ({"ports": ["80:80"]}, "are those of pod web"),
            ({"hostname": "mine"}, "the hostname is that of pod web"),
            ({"namespaces": Namespaces(ipc="host")}, "its ipc namespace is that of pod web"),
            ({"uid_maps": [IdMap(container=0, host=100000, size=1000)]}, "users of its own"),
            ({"init": "once", "restart": "always"}, "runs once"),
            ({"init": "always", "auto_remove": True}, "runs once"),
            ({"init": "sometimes"}, "'sometimes' is no init"),
            ({"init": "once", "pod": ""}, "give the pod"),
            ({"requires": ["outside"]}, "container outside, which is in no pod"),
        ],
    )
    def test_what_cannot_be_of_both(
        self, engine: Engine, make: Make, wishes: dict[str, Any], said: str
    ) -> None:
        engine.create_pod(name="web")
        engine.create(name="outside", image="busybox")
        before = engine.list()
        requires = wishes.get("requires", ())
        wishes = {key: value for key, value in wishes.items() if key != "requires"}
        with pytest.raises(InvalidArgument, match=said):
            make("app", *requires, **wishes)
        assert engine.list() == before

    def test_nobody_outside_needs_one(self, engine: Engine, make: Make) -> None:
        engine.create_pod(name="web")
        make("app")
        for wish in ({"requires": ["app"]}, {"network": f"container:{infra(engine).id}"}):
            with pytest.raises(InvalidArgument, match="which is in pod web"):
                engine.create(image="busybox", **wish)

    def test_there_must_be_a_pod(self, engine: Engine, make: Make) -> None:
        with pytest.raises(NoSuchPod):
            make("app")

    def test_nobody_comes_a_moment_too_late(self, engine: Engine, make: Make) -> None:
        pod = engine.create_pod(name="web")
        made = engine._made

        def late(config: Config) -> Record:
            engine.host.store.dismiss(pod.id, "force")
            return made(config)

        engine._made = late  # type: ignore[method-assign]
        with pytest.raises(NoSuchPod):
            make("app")
        assert engine.pod("web").members == ()

    def test_events_name_the_pod(self, engine: Engine, make: Make) -> None:
        pod = engine.create_pod(name="web")
        make("app")
        assert {one.pod for one in engine.events()} == {pod.id}


class TestLimits:
    def test_members_are_in_its_cgroup(self, engine: Engine, make: Make) -> None:
        pod = engine.create_pod(name="web", memory=1 << 26, pids=9, cpu_quota=50_000).pod
        assert (pod.memory, pod.pids, pod.cpu_quota) == (1 << 26, 9, 50_000)
        assert pod.cgroup == f"/lockgate/pod-{pod.id}"
        for config in (infra(engine).config, make("app").config):
            assert config.cgroup_parent == pod.cgroup
            assert cgroup(config) == f"{pod.cgroup}/{config.id}"

    def test_without_any_it_has_none(self, engine: Engine, make: Make) -> None:
        assert engine.create_pod(name="web").pod.cgroup == ""
        assert make("app").config.cgroup_parent == "/lockgate"

    def test_nobody_of_it_is_elsewhere(self, engine: Engine, make: Make) -> None:
        engine.create_pod(name="web", pids=9)
        with pytest.raises(InvalidArgument, match="in that of pod web, which has limits"):
            make("app", cgroup_parent="/mine")

    def test_where_there_are_no_cgroups_it_is_refused(self, engine: Engine) -> None:
        engine.host = dataclasses.replace(engine.host, cgroups="")
        with pytest.raises(InvalidArgument, match="a pod cannot be limited"):
            engine.create_pod(pids=9)
        with pytest.raises(InvalidArgument, match="makes no sense"):
            engine.create_pod(memory=1)
        assert engine.create_pod().infra.config.cgroup_parent == ""


@pytest.mark.usefixtures("web")
class TestStarting:
    def test_what_holds_it_together_first_then_what_is_needed(self, engine: Engine) -> None:
        told = engine.start_pod("web")
        assert sorted(went_well(told)) == sorted(["app", "db", infra(engine).config.name, "log"])
        first, *middle, last = begun(engine)
        assert (first, sorted(middle), last) == ("infra", ["db", "log"], "app")
        assert engine.pod("web").status is PodStatus.RUNNING

    def test_what_runs_is_left_alone(self, engine: Engine) -> None:
        engine.start("db")
        before = engine.inspect("db"), infra(engine)
        went_well(engine.start_pod("web"))
        went_well(engine.start_pod("web"))
        assert (engine.inspect("db"), infra(engine)) == before

    def test_a_member_alone_brings_what_holds_it_together(self, engine: Engine) -> None:
        engine.start("log")
        assert begun(engine) == ["infra", "log"]
        assert engine.pod("web").status is PodStatus.DEGRADED

    def test_one_that_fails_keeps_only_those_that_need_it(self, engine: Engine) -> None:
        fails(engine, "db")
        told = engine.start_pod("web")
        assert set(wrong(told)) == {"db", "app"}
        assert "no such program" in str(wrong(told)["app"])
        assert status(engine, "log", "db") == [Status.RUNNING, Status.CONFIGURED]
        assert engine.pod("web").status is PodStatus.DEGRADED

    def test_when_nothing_holds_it_together_no_member_is_started(self, engine: Engine) -> None:
        fails(engine, infra(engine).id)
        told = engine.start_pod("web")
        assert list(wrong(told)) == [infra(engine).config.name]
        assert begun(engine) == []

    def test_after_what_held_it_together_has_died_all_live_in_its_next_run(
        self, engine: Engine
    ) -> None:
        engine.start_pod("web")
        engine.stop("log")
        assert engine.simulation is not None
        engine.simulation.end(infra(engine).id, 137)
        engine.start("log")
        homes = {engine.inspect(name).homes for name in ("db", "log", "app")}
        assert homes == {(Home(infra(engine).id, 2),)}
        assert engine.pod("web").status is PodStatus.RUNNING

    def test_what_waits_in_an_earlier_run_is_made_anew(self, engine: Engine) -> None:
        engine.init("log")
        assert engine.simulation is not None
        engine.simulation.end(infra(engine).id, 137)
        assert engine.start("log").homes == (Home(infra(engine).id, 2),)


class TestInit:
    @pytest.fixture(autouse=True)
    def pod(self, engine: Engine, make: Make) -> None:
        engine.create_pod(name="web")
        make("app")
        make("first", init="always")
        make("second", init="once")

    def test_they_run_one_after_the_other_before_the_others(self, engine: Engine) -> None:
        finishing(engine, ("first", 0), ("second", 0))
        went_well(engine.start_pod("web"))
        names = [
            (one.event, one.name)
            for one in engine.events()
            if one.event in ("start", "died") and one.name in ("first", "second", "app")
        ]
        assert names == [
            ("start", "first"),
            ("died", "first"),
            ("start", "second"),
            ("died", "second"),
            ("start", "app"),
        ]
        assert engine.pod("web").status is PodStatus.RUNNING

    def test_once_means_that_it_is_removed_then(self, engine: Engine) -> None:
        finishing(engine, ("first", 0), ("second", 0))
        engine.start_pod("web")
        assert [one.config.name for one in engine.pod("web").members] == ["app", "first"]
        engine.restart_pod("web")
        assert engine.inspect("first").epoch == 2

    def test_one_that_fails_stops_the_start(self, engine: Engine) -> None:
        finishing(engine, ("first", 0), ("second", 3))
        with pytest.raises(InitFailed, match=r"second ended with exit code 3") as failed:
            engine.start_pod("web")
        assert (failed.value.name, failed.value.code) == ("second", 3)
        assert engine.inspect("app").status is Status.CONFIGURED
        assert infra(engine).status not in LIVE  # it holds nobody together
        assert engine.inspect("second").exit_code == 3  # to be looked at

    def test_what_runs_does_not_hear_of_them_again(self, engine: Engine) -> None:
        finishing(engine, ("first", 0), ("second", 0))
        engine.start_pod("web")
        engine.start_pod("web")
        assert begun(engine).count("first") == 1

    def test_what_has_succeeded_in_this_run_is_not_run_again(self, engine: Engine) -> None:
        finishing(engine, ("first", 0), ("second", 0))
        engine.start("first")
        engine.start_pod("web")
        assert begun(engine).count("first") == 1


@pytest.mark.usefixtures("web")
class TestStopping:
    def test_those_that_need_others_before_these(self, engine: Engine) -> None:
        engine.start_pod("web")
        told = went_well(engine.stop_pod("web"))
        assert told[-1] == infra(engine).config.name
        first, *middle, last = begun(engine, "died")
        assert (first, sorted(middle), last) == ("app", ["db", "log"], "infra")
        assert engine.pod("web").status is PodStatus.EXITED

    def test_what_does_not_run_is_no_matter(self, engine: Engine) -> None:
        went_well(engine.stop_pod("web"))
        assert engine.pod("web").status is PodStatus.CREATED
        engine.start("log")
        went_well(engine.stop_pod("web"))
        went_well(engine.stop_pod("web"))

    def test_what_holds_it_together_outlives_members(self, engine: Engine) -> None:
        engine.start("log")
        name = infra(engine).config.name
        for verb in (engine.stop, engine.kill):
            with pytest.raises(StillNeeded, match=r"others need it \(log\)"):
                verb(name)
        with pytest.raises(StillNeeded):
            engine.remove(name, force=True)
        assert infra(engine).status is Status.RUNNING
        engine.stop("log")
        engine.stop(name)

    def test_one_that_would_not_stop_keeps_what_holds_it_together(
        self, engine: Engine, simulation: Simulation
    ) -> None:
        engine.start("log")
        simulation.trouble[SendSignal] = PortError("timeout", "it outlived SIGKILL")
        told = engine.stop_pod("web")
        simulation.trouble.clear()
        assert set(wrong(told)) == {"log", infra(engine).config.name}
        assert infra(engine).status is Status.RUNNING

    def test_killed(self, engine: Engine) -> None:
        engine.start_pod("web")
        went_well(engine.kill_pod("web"))
        assert begun(engine, "died")[-1] == "infra"
        assert engine.pod("web").status is PodStatus.EXITED
        assert engine.kill_pod("web") == {}

    def test_other_signals_are_for_members(self, engine: Engine) -> None:
        engine.start_pod("web")
        assert sorted(went_well(engine.kill_pod("web", "TERM"))) == ["app", "db", "log"]
        engine.list()
        assert infra(engine).status is Status.RUNNING

    def test_paused_and_not(self, engine: Engine) -> None:
        for act in (engine.pause_pod, engine.unpause_pod):
            with pytest.raises(InvalidArgument, match=r"in pod web"):
                act("web")
        engine.start_pod("web")
        engine.stop("app")
        assert went_well(engine.pause_pod("web"))[-1] == infra(engine).config.name
        assert status(engine, "db", "log") == [Status.PAUSED] * 2
        with pytest.raises(LockgateError, match="unpause it first"):
            engine.start("app")
        assert went_well(engine.unpause_pod("web"))[0] == infra(engine).config.name
        engine.start("app")

    def test_all_of_it_in_another_run(self, engine: Engine) -> None:
        engine.start_pod("web")
        went_well(engine.restart_pod("web"))
        assert [engine.inspect(name).epoch for name in ("db", "log", "app")] == [2, 2, 2]
        assert infra(engine).epoch == 2

    def test_what_does_not_stop_keeps_the_rest_from_being_started(
        self, engine: Engine, simulation: Simulation
    ) -> None:
        engine.start("log")
        simulation.trouble[SendSignal] = PortError("timeout", "it outlived SIGKILL")
        assert wrong(engine.restart_pod("web"))
        assert engine.inspect("db").status is Status.CONFIGURED


class TestExitPolicy:
    @pytest.fixture(autouse=True)
    def pod(self, engine: Engine, make: Make) -> None:
        engine.create_pod(name="web", exit_policy="stop")
        make("a")
        make("b")
        make("setup", init="always")
        finishing(engine, ("setup", 0))
        engine.start_pod("web")

    def test_with_the_last_member(self, engine: Engine) -> None:
        ended(engine, "a")
        assert infra(engine).status is Status.RUNNING
        ended(engine, "b", 3)
        assert engine.pod("web").status is PodStatus.EXITED

    def test_not_with_an_init_container(self, engine: Engine) -> None:
        assert infra(engine).status is Status.RUNNING  # though `setup` has ended, before the others
        assert engine.inspect("setup").config.pod == Membership(
            pod=engine.pod("web").id, infra=infra(engine).id, init="always"
        )

    def test_one_that_only_waits_lives(self, engine: Engine) -> None:
        ended(engine, "a")
        engine.cleanup("a")
        engine.init("a")
        ended(engine, "b")
        assert infra(engine).status is Status.RUNNING

    def test_nor_while_another_run_is_owed(self, engine: Engine, make: Make) -> None:
        make("c", restart="always")
        engine.start("c")
        ended(engine, "a")
        ended(engine, "b")
        record = engine.inspect("c")
        assert engine.simulation is not None
        engine.simulation.end(record.id, 1)
        engine.settle("a")
        assert infra(engine).status is Status.RUNNING
        engine.settle("c")
        assert engine.inspect("c").epoch == 2

    def test_what_ended_in_an_earlier_run_is_no_reason(self, engine: Engine) -> None:
        ended(engine, "a")
        ended(engine, "b")
        engine.start(infra(engine).id)
        engine.settle("a")
        engine.settle("b")
        assert infra(engine).status is Status.RUNNING

    def test_one_that_goes_when_it_has_ended_counts(self, engine: Engine, make: Make) -> None:
        make("short", auto_remove=True)
        engine.start("short")
        ended(engine, "a")
        ended(engine, "b")
        ended(engine, "short")
        assert infra(engine).status is Status.STOPPED
        with pytest.raises(NoSuchContainer):
            engine.inspect("short")

    def test_removed_by_force_it_was_the_last_too(self, engine: Engine) -> None:
        ended(engine, "a")
        engine.remove("b", force=True)
        assert infra(engine).status is Status.STOPPED

    def test_whoever_refreshes_does_what_was_missed(self, engine: Engine) -> None:
        assert engine.simulation is not None
        for name in ("a", "b"):
            engine.simulation.end(engine.inspect(name).id, 0)
        assert engine.refresh() == {}
        assert infra(engine).status is Status.STOPPED

    def test_continuing_is_another(self, engine: Engine, make: Make) -> None:
        engine.create_pod(name="other")
        make("x", pod="other")
        engine.start_pod("other")
        ended(engine, "x")
        assert infra(engine, "other").status is Status.RUNNING


@pytest.mark.usefixtures("web")
class TestRemoving:
    def test_all_of_it(self, engine: Engine) -> None:
        engine.start_pod("web")
        engine.stop_pod("web")
        name = infra(engine).config.name
        assert went_well(engine.remove_pod("web"))[-1] == name
        assert (engine.list(), engine.pods()) == ((), ())
        gone = [one.name for one in engine.events() if one.event == "remove"]
        assert (gone[0], gone[-1]) == ("app", name)

    def test_not_while_members_run(self, engine: Engine) -> None:
        engine.start("log")
        before = engine.pod("web")
        with pytest.raises(PodRunning, match=r"containers run in it \(log\)") as refused:
            engine.remove_pod("web")
        assert refused.value.by == ("log",)
        assert engine.pod("web") == before
        went_well(engine.remove_pod("web", force=True))
        assert engine.list() == ()

    def test_what_holds_it_together_may_run(self, engine: Engine) -> None:
        engine.start("log")
        engine.stop("log")
        went_well(engine.remove_pod("web"))

    def test_a_member_that_went_meanwhile_is_gone(self, engine: Engine) -> None:
        pod = engine.pod("web")
        engine.remove("app")
        assert [one.config.name for one in engine.pod("web").members] == ["db", "log"]
        told = went_well(engine.remove_pod(pod.id))
        assert set(told) == {"db", "log", pod.infra.config.name}
        with pytest.raises(NoSuchPod):
            engine.remove_pod(pod.id)

    def test_nobody_comes_and_nothing_begins_from_then_on(
        self, engine: Engine, simulation: Simulation, make: Make
    ) -> None:
        engine.start("log")
        waits, goes_on = Signal(), Signal()

        def before(effect: AnyEffect) -> None:
            if isinstance(effect, SendSignal):
                waits.set()
                assert goes_on.wait(20)

        simulation.host.before = before
        remover = Thread(target=engine.remove_pod, args=("web",), kwargs={"force": True})
        remover.start()
        assert waits.wait(20)
        try:
            assert engine.pod("web").status is PodStatus.REMOVING
            with pytest.raises(PodLeaving, match="it is being removed"):
                make("late")
            for act in (engine.start_pod, engine.restart_pod):
                with pytest.raises(PodLeaving):
                    act("web")
        finally:
            goes_on.set()
            remover.join(20)
        assert (engine.list(), engine.pods()) == ((), ())

    def test_one_that_stays_keeps_the_pod(self, engine: Engine) -> None:
        engine.mount("db")
        told = engine.remove_pod("web")
        assert [type(one) for one in wrong(told).values()] == [StillMounted]
        assert [one.config.name for one in engine.pod("web").members] == ["db"]
        engine.start_pod("web")  # it may be used as before
        went_well(engine.remove_pod("web", force=True))

    def test_what_holds_it_together_goes_with_nobody_left(self, engine: Engine) -> None:
        for name in ("app", "log", "db"):
            engine.remove(name)
        engine.remove(infra(engine).id)
        assert engine.pods() == ()


def test_after_a_reboot_what_is_owed_brings_its_pod(engine: Engine, make: Make) -> None:
    engine.create_pod(name="web")
    make("a", restart="always")
    make("b")
    engine.start_pod("web")
    assert engine.simulation is not None
    engine.simulation.reboot()
    assert engine.refresh() == {}
    assert status(engine, "a", "b") == [Status.RUNNING, Status.EXITED]
    assert engine.inspect("a").homes == (Home(infra(engine).id, 2),)


class TestTwoAtOnce:
    """L-117: what begins a run in a pod and what ends the pod's do not pass each other."""

    def test_a_member_is_started_while_the_pod_winds_down(
        self, engine: Engine, make: Make, simulation: Simulation
    ) -> None:
        engine.create_pod(name="web", exit_policy="stop")
        make("a")
        make("b")
        engine.start("a")
        record = engine.inspect("a")
        told: list[Result[Record, LockgateError]] = []

        def start() -> None:
            told.extend(engine.each(engine.start, ["b"]))

        starter = Thread(target=start)

        def probe(place: str) -> None:
            if place == "before commit" and starter.ident is None:
                starter.start()  # while the pod's lock is held: it has to wait for what is decided

        other = simulation.engine(probe)
        simulation.host.end(record.id, 0)
        engine.sync(record.id)
        other.settle("a")
        starter.join(20)
        assert [type(one) for one in told] == [Success]
        b = engine.inspect("b")
        assert (b.status, b.homes) == (
            Status.RUNNING,
            (Home(infra(engine).id, infra(engine).epoch),),
        )
        assert infra(engine).status is Status.RUNNING

    def test_many_start_and_stop_and_nobody_is_left_alone(self, engine: Engine, make: Make) -> None:
        engine.create_pod(name="web", exit_policy="stop")
        names = [f"c{number}" for number in range(4)]
        for name in names:
            make(name)
        acts = [*(["start", name] for name in names), *(["stop", name] for name in names)] * 4

        def act(number: str) -> object:
            verb, name = acts[int(number)]
            try:
                return getattr(engine, verb)(name)
            except LockgateError as said:
                return said

        engine.each(act, [str(number) for number in range(len(acts))])
        for name in names:
            engine.settle(name)
        pod = engine.pod("web")
        for one in pod.members:
            if one.status is Status.RUNNING:
                assert pod.infra.status is Status.RUNNING
                assert one.homes == (Home(pod.infra.id, pod.infra.epoch),)


def test_damaged_it_can_still_be_removed(
    engine: Engine, make: Make, simulation: Simulation
) -> None:
    """P11: of what holds it together nothing can be read any more."""
    from msgspec.structs import replace

    pod = engine.create_pod(name="web")
    make("app")
    store = engine.host.store
    row = store.row(pod.infra.id)
    assert row is not None
    rows = store._rows  # type: ignore[attr-defined]  # as a disk would have damaged it
    rows[row.container] = replace(row, record=b"\0")
    assert engine.pod("web").infra.status is Status.UNKNOWN
    with pytest.raises(LockgateError):
        engine.start("app")
    went_well(engine.remove_pod("web", force=True))
    assert (engine.pods(), engine.list()) == ((), ())
    assert StartRuntime not in {type(effect) for effect in simulation.seen}
