"""Checkpoints and limits through the engine's face."""

import threading
from pathlib import Path

import pytest

from lockgate import (
    Engine,
    Fault,
    IllegalState,
    InvalidArgument,
    NoCheckpoint,
    OperationFailed,
    Record,
    Status,
    StillNeeded,
)
from lockgate.effects.model import (
    AdjustLimits,
    CheckpointRuntime,
    DeleteRuntime,
    ExportCheckpoint,
    Mount,
    RestoreRuntime,
)
from lockgate.effects.outcome import PortError
from lockgate.statemachine.inputs import Checkpoint, Restore
from lockgate.statemachine.status import Presence
from lockgate.testing.deaths import Fuse, Killed

from .conftest import Simulation

MORE = 1 << 30


def events(engine: Engine) -> list[str]:
    return [event.event for event in engine.events()]


class TestCheckpoint:
    def test_it_ends_and_can_be_gone_on_with(self, engine: Engine, web: Record) -> None:
        engine.start("web")
        assert engine.checkpoint("web").status is Status.EXITED
        assert engine.restore("web").status is Status.RUNNING
        assert events(engine) == [
            *("create", "init", "start"),
            *("checkpoint", "cleanup", "restore"),
        ]
        engine.replay("web").unwrap()

    def test_whoever_waits_is_told_that_there_is_no_code(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        told: list[int] = []
        waiter = threading.Thread(target=lambda: told.append(engine.wait("web")))
        waiter.start()
        engine.checkpoint("web")
        waiter.join(20)
        assert told == [-1] == [engine.wait("web")]
        end = engine.host.store.exit(web.id)
        assert end is not None and (end.code, end.reason) == (-1, "it was checkpointed")

    def test_before_it_is_cleaned_up_it_has_ended_all_the_same(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        simulation.trouble[DeleteRuntime] = PortError("failed", "busy")
        with pytest.raises(OperationFailed, match="busy"):
            engine.checkpoint("web")
        record = engine.inspect("web")
        assert (record.status, record.checkpointed) == (Status.STOPPED, True)
        assert engine.wait("web") == -1

    def test_where_the_host_cannot_nothing_is_touched(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        before = len(list(engine.history("web")))
        simulation.host.runtime.hindrance = "there is no criu: apt install criu"
        with pytest.raises(OperationFailed, match="there is no criu: apt install criu"):
            engine.checkpoint("web")
        assert len(list(engine.history("web"))) == before
        assert engine.inspect("web").status is Status.RUNNING

    def test_where_the_law_says_no_the_host_is_not_asked(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        simulation.host.runtime.hindrance = "there is no criu"
        with pytest.raises(IllegalState, match="it is configured"):
            engine.checkpoint("web")

    def test_raw_commands_are_refused_by_whoever_carries_them_out(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        simulation.host.runtime.hindrance = "there is no criu"
        refusal = engine.submit("web", Checkpoint()).failure()
        assert isinstance(refusal, Fault) and "no criu" in refusal.reason
        assert engine.inspect("web").status is Status.RUNNING
        engine.stop("web")
        refusal = engine.submit("web", Restore(source="/archive.tar")).failure()
        assert isinstance(refusal, Fault) and "no criu" in refusal.reason
        assert engine.inspect("web").status is Status.EXITED

    def test_what_goes_with_its_run_is_exported_or_refused(
        self, simulation: Simulation, engine: Engine
    ) -> None:
        """MAP L-149."""
        made = engine.create(name="brief", image="busybox", auto_remove=True)
        engine.start("brief")
        with pytest.raises(InvalidArgument, match="export it, or leave it running"):
            engine.checkpoint("brief")
        engine.checkpoint("brief", leave_running=True)
        engine.checkpoint("brief", export="archive.tar")
        (exported,) = [one for one in simulation.seen if isinstance(one, ExportCheckpoint)]
        assert exported.target == str(Path("archive.tar").absolute())
        assert engine.settle(made.id) is not None  # nothing is owed

    def test_others_live_in_its_namespaces(self, engine: Engine) -> None:
        engine.create(name="owner", image="busybox", network="private")
        engine.create(name="guest", image="busybox", network="container:owner")
        engine.start("guest")
        with pytest.raises(StillNeeded, match="guest"):
            engine.checkpoint("owner")
        assert engine.checkpoint("owner", leave_running=True).status is Status.RUNNING

    def test_a_failed_one_leaves_it_running(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        """P27."""
        engine.start("web")
        simulation.trouble[CheckpointRuntime] = PortError("failed", "a socket", dirty=False)
        with pytest.raises(OperationFailed, match="a socket"):
            engine.checkpoint("web")
        record = engine.inspect("web")
        assert (record.status, record.checkpoint, record.freezer) == (
            Status.RUNNING,
            Presence.ABSENT,
            Presence.ABSENT,
        )

    @pytest.mark.parametrize("place", ["before CheckpointRuntime", "after CheckpointRuntime"])
    def test_whoever_comes_after_a_death_finishes_it(
        self, simulation: Simulation, engine: Engine, web: Record, place: str
    ) -> None:
        """D-76: its end alone does not say how it ended."""
        engine.start("web")
        dying = simulation.engine(Fuse(place=place))
        with pytest.raises(Killed):
            dying.checkpoint("web")
        record = engine.sync("web")
        assert (record.status, record.checkpointed, record.exit_code) == (
            Status.EXITED,
            True,
            None,
        )
        assert engine.restore("web").status is Status.RUNNING

    def test_a_look_tells_no_end_while_it_is_written_down(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        dying = simulation.engine(Fuse(place="after CheckpointRuntime"))
        with pytest.raises(Killed):
            dying.checkpoint("web")
        assert engine.inspect("web").exit_code is None
        assert "died" not in events(engine)

    def test_after_a_reboot_in_the_middle_it_can_be_tried(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        dying = simulation.engine(Fuse(place="after CheckpointRuntime"))
        with pytest.raises(Killed):
            dying.checkpoint("web")
        simulation.host.reboot()
        record = engine.sync("web")
        assert (record.status, record.exit_code) == (Status.EXITED, 137)  # so its monitor said
        assert record.checkpoint is Presence.UNCERTAIN
        assert engine.restore("web").status is Status.RUNNING


class TestRestore:
    def test_without_a_checkpoint_it_says_what_to_do(self, engine: Engine, web: Record) -> None:
        with pytest.raises(NoCheckpoint, match=r"no checkpoint of it.*bring one"):
            engine.restore("web")

    def test_where_the_host_cannot_nothing_is_touched(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        engine.checkpoint("web")
        before = len(list(engine.history("web")))
        simulation.host.runtime.hindrance = "there is no criu"
        with pytest.raises(OperationFailed, match="cannot restore container web: there is no criu"):
            engine.restore("web")
        assert len(list(engine.history("web"))) == before

    def test_a_failed_one_unwinds_everything(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        engine.checkpoint("web")
        before = simulation.host.world(web.id)
        simulation.trouble[RestoreRuntime] = PortError("failed", "no such pid")
        with pytest.raises(OperationFailed, match="no such pid"):
            engine.restore("web")
        assert simulation.host.world(web.id) == before
        simulation.trouble.clear()
        assert engine.restore("web").status is Status.RUNNING

    def test_one_that_was_carried_out_unheard_is_not_carried_out_twice(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        engine.checkpoint("web")
        dying = simulation.engine(Fuse(place="after RestoreRuntime"))
        with pytest.raises(Killed):
            dying.restore("web")
        record = engine.sync("web")
        assert (record.status, record.epoch) == (Status.RUNNING, 2)

    def test_and_one_that_has_ended_since_is_told(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        engine.checkpoint("web")
        dying = simulation.engine(Fuse(place="after RestoreRuntime"))
        with pytest.raises(Killed):
            dying.restore("web")
        simulation.host.end(web.id, 0)
        record = engine.sync("web")
        assert record.status is Status.EXITED
        assert "has ended since" in record.faults[0].reason
        assert record.checkpoint is Presence.PRESENT

    def test_what_it_needs_is_started_before(self, engine: Engine, web: Record) -> None:
        engine.create(name="app", image="busybox", requires=["web"])
        engine.start("app")
        engine.checkpoint("app")
        engine.stop("web")
        engine.restore("app")
        assert engine.inspect("web").status is Status.RUNNING

    def test_its_restart_policy_goes_on(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        made = engine.create(name="again", image="busybox", restart="always")
        engine.start("again")
        engine.checkpoint("again")
        after = engine.settle("again")
        assert after is not None and after.status is Status.EXITED
        engine.restore("again")
        simulation.host.end(made.id, 1)
        after = engine.settle("again")
        assert after is not None
        assert (after.status, after.restarts, after.restored) == (Status.RUNNING, 1, False)

    def test_it_has_its_addresses_again(self, engine: Engine) -> None:
        engine.create_network("lan")
        for name in ("one", "two", "three"):
            engine.create(name=name, image="busybox", network="lan")
            engine.start(name)
        had = engine.inspect("two").links
        engine.checkpoint("two")
        engine.stop("one")
        engine.cleanup("one")
        assert engine.restore("two").links == had
        engine.checkpoint("two")
        after = engine.restore("two", ignore_static_ip=True, ignore_static_mac=True)
        assert after.links != had
        engine.replay("two").unwrap()

    def test_unless_somebody_else_has_them(self, engine: Engine) -> None:
        engine.create_network("lan")
        engine.create(name="old", image="busybox", network="lan")
        engine.start("old")
        (link,) = engine.inspect("old").links
        engine.checkpoint("old")
        taken = link.addresses[0].partition("/")[0]
        engine.create(name="new", image="busybox", network=f"lan:ip={taken}")
        engine.start("new")
        with pytest.raises(OperationFailed, match=taken):
            engine.restore("old")
        record = engine.inspect("old")
        assert (record.status, record.checkpoint) == (Status.EXITED, Presence.PRESENT)
        assert engine.restore("old", ignore_static_ip=True).links[0].addresses != link.addresses

    def test_from_an_archive(self, engine: Engine, web: Record) -> None:
        assert engine.restore("web", source="archive.tar", keep=True).status is Status.RUNNING
        assert engine.inspect("web").checkpoint is Presence.PRESENT

    def test_a_removal_takes_checkpoints_along(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        engine.checkpoint("web")
        engine.remove("web")
        assert simulation.host.world(web.id).empty


class TestUpdate:
    def test_of_what_runs_and_of_what_does_not(self, engine: Engine, web: Record) -> None:
        assert engine.update("web", memory=MORE).config.memory == MORE
        engine.start("web")
        assert engine.usage("web").memory_limit == MORE
        engine.update("web", memory=2 * MORE, pids=64)
        assert engine.usage("web").memory_limit == 2 * MORE
        config = engine.inspect("web").config
        assert (config.memory, config.limits.pids) == (2 * MORE, 64)
        engine.restart("web")
        assert engine.usage("web").memory_limit == 2 * MORE
        engine.replay("web").unwrap()

    def test_a_refusal_of_the_host_changes_nothing(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        simulation.trouble[AdjustLimits] = PortError("refused", "it uses more", dirty=False)
        with pytest.raises(OperationFailed, match="cannot update container web: it uses more"):
            engine.update("web", memory=MORE)
        assert engine.inspect("web").config == web.config

    @pytest.mark.parametrize(
        ("wanted", "said"),
        [
            ({}, "name a limit"),
            ({"memory": 1024}, "1024 bytes makes no sense"),
            ({"memory_swap": MORE}, "needs a limit of memory"),
            ({"memory": MORE, "memory_swap": MORE - 1}, "cannot be less than memory"),
            ({"cpuset_cpus": "all"}, "no set of processors"),
            ({"pids": -2}, "limit of threads"),
        ],
    )
    def test_nonsense_is_told_apart(
        self, engine: Engine, web: Record, wanted: dict[str, int], said: str
    ) -> None:
        with pytest.raises(InvalidArgument, match=said):
            engine.update("web", **wanted)  # type: ignore[arg-type]


def test_a_checkpoint_does_not_wait_behind_a_mount(
    simulation: Simulation, engine: Engine, web: Record
) -> None:
    """What its user has mounted stays his when it is restored."""
    engine.start("web")
    engine.mount("web")
    engine.checkpoint("web")
    assert engine.inspect("web").mounts == 1
    engine.restore("web")
    assert [type(one) for one in simulation.seen].count(Mount) >= 2
    assert engine.inspect("web").mounts == 1
