"""A run written down, gone on with; and what becomes of it where that fails (P27, MAP L-149)."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Attachment
from lockgate.effects.health import HealthCheck
from lockgate.effects.hooks import Hook
from lockgate.effects.model import (
    CheckpointRuntime,
    ConnectNetwork,
    CreateRuntime,
    ExportCheckpoint,
    ImportCheckpoint,
    JoinNetwork,
    RestoreRuntime,
    StartRuntime,
)
from lockgate.effects.network import Link
from lockgate.effects.outcome import Connected, Done, Dumped, Exited, Fact, Joined, Restored, Saved
from lockgate.statemachine import inputs as i
from lockgate.statemachine.law import PLANS, STAGES
from lockgate.statemachine.policy import owes_removal, owes_restart
from lockgate.statemachine.record import newborn, written_down
from lockgate.statemachine.status import Presence, Status, Verb
from lockgate.statemachine.step import CHECKPOINTED, admissible

from .conftest import CONFIG, MONITOR, PROCESS, Story

At = Callable[[Status], Story]
ABSENT, UNCERTAIN, PRESENT = Presence.ABSENT, Presence.UNCERTAIN, Presence.PRESENT


NETS = (Attachment("net", aliases=("w",)), Attachment("lan", ip="10.1.0.9"))
LINKS = (
    Link("net", "eth0", "02:00:00:00:00:07", ("10.0.0.7/24", "fd00::7/64")),
    Link("lan", "eth1", "02:00:00:00:00:08", ("10.1.0.9/24",)),
)


class TestAddresses:
    """Connections that are written down have two ends: who is restored has its own again."""

    def plugged(self, *, links: bool = True) -> Story:
        config = replace(CONFIG, network="net", networks=NETS)
        story = Story(newborn(config)).tell(i.Create(config)).through().tell(i.Start())
        story.done().done(Joined("/netns", links=LINKS)).through()
        return story.tell(i.Checkpoint(links=links)).through()

    def asked_for(self, story: Story, asked: i.Restore) -> tuple[Attachment, ...]:
        story.tell(asked)
        (joined,) = (one.effect for one in story.record.pending if type(one.effect) is JoinNetwork)
        return joined.networks

    def test_they_are_asked_for_again(self) -> None:
        assert self.asked_for(self.plugged(), i.Restore(ip="same", mac="same")) == (
            Attachment("net", "10.0.0.7", "02:00:00:00:00:07", ("w",)),
            Attachment("lan", "10.1.0.9", "02:00:00:00:00:08"),
        )

    def test_or_any_others_though_its_maker_had_wished_for_some(self) -> None:
        asked = self.asked_for(self.plugged(), i.Restore(ip="any", mac="any"))
        assert asked == (Attachment("net", aliases=("w",)), Attachment("lan"))

    def test_also_where_they_are_seen_to_late(self) -> None:
        late: dict[type[object], Fact] = {
            JoinNetwork: Joined(""),
            ConnectNetwork: Connected("/netns", links=LINKS),
        }

        def through(story: Story, until: type[object]) -> Story:
            while story.record.pending and type(story.record.pending[0].effect) is not until:
                story.done(late.get(type(story.record.pending[0].effect)))
            return story

        config = replace(CONFIG, network="net", networks=NETS, deferred_network=True)
        story = Story(newborn(config)).tell(i.Create(config)).through().tell(i.Start())
        through(story, type(None)).tell(i.Checkpoint(links=True)).through()
        through(story.tell(i.Restore(ip="same", mac="any")), ConnectNetwork)
        (order,) = story.record.pending
        assert isinstance(order.effect, ConnectNetwork)
        assert order.effect.networks == (
            Attachment("net", "10.0.0.7", aliases=("w",)),
            Attachment("lan", "10.1.0.9"),
        )

    @pytest.mark.parametrize(
        ("links", "asked"),
        [(True, i.Restore()), (False, i.Restore(ip="same", mac="same"))],
        ids=["not asked for", "not known"],
    )
    def test_or_those_of_a_start(self, links: bool, asked: i.Restore) -> None:
        assert self.asked_for(self.plugged(links=links), asked) == ()

    def test_an_archive_does_not_say(self) -> None:
        story = self.plugged().tell(i.Restore(source="/archive", ip="same", mac="same")).done()
        (joined,) = (one.effect for one in story.record.pending if type(one.effect) is JoinNetwork)
        assert joined.networks == ()

    def test_they_are_forgotten_with_the_checkpoint(self) -> None:
        story = self.plugged()
        assert story.record.checkpoint_links == LINKS
        kept = replace(story.record)
        story.tell(i.Restore(ip="same", mac="same")).through()
        assert story.record.checkpoint_links == ()
        again = Story(kept).tell(i.Restore(keep=True)).through()
        assert again.record.checkpoint_links == LINKS
        assert Story(kept).tell(i.Remove()).through().record.checkpoint_links == ()


def dumped(at: At) -> Story:
    """Ended by a checkpoint and cleaned up."""
    return at(Status.RUNNING).tell(i.Checkpoint()).through()


class TestCheckpoint:
    def test_it_is_written_down_and_then_given_back(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint())
        assert story.orders == ["CheckpointRuntime"]
        story.through()
        assert story.asked == ["CheckpointRuntime", "LeaveNetwork", "DeleteRuntime", "Unmount"]
        assert story.record.status is Status.EXITED
        assert story.events == ["checkpoint", "cleanup"]

    def test_the_wishes_are_in_the_order(self, at: At) -> None:
        asked = i.Checkpoint(leave_running=True, tcp_established=True, keep=True)
        (order,) = at(Status.RUNNING).tell(asked).record.pending
        assert order.effect == CheckpointRuntime("c0ffee", 1, 1, True, True, True)

    def test_such_an_end_has_a_reason_and_no_code(self, at: At) -> None:
        """FAULTS B153: an exit code of 0 would look like success, 137 like a kill."""
        record = dumped(at).record
        assert (record.exit_code, record.exit_reason) == (None, CHECKPOINTED)
        assert (record.checkpointed, record.checkpointed_at, record.finished_at) == (True, 300, 300)
        assert record.checkpoint is PRESENT

    @pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
    def test_it_owes_neither_a_restart_nor_a_removal(self, at: At, policy: str) -> None:
        record = dumped(at).record
        config = replace(record.config, restart=policy, auto_remove=True)
        record = replace(record, config=config)
        assert not owes_restart(record)
        assert not owes_restart(record, booted=True)
        assert not owes_removal(record)

    def test_when_it_was_taken_is_not_made_up(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint())
        (order,) = story.record.pending
        assert story.tell(Done(order.ticket)).record.checkpointed_at == 0

    def test_left_running_it_runs(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint(leave_running=True)).through()
        assert story.record.status is Status.RUNNING
        assert (story.record.checkpoint, story.record.checkpointed) == (PRESENT, False)
        assert story.record.checkpointed_at == 300
        assert story.events == ["checkpoint"]
        assert story.asked == ["CheckpointRuntime"]

    def test_while_it_is_written_down_it_is_frozen(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint(leave_running=True))
        assert (story.record.freezer, story.record.checkpoint) == (UNCERTAIN, UNCERTAIN)
        story.done()
        assert story.record.freezer is ABSENT

    def test_a_failed_one_leaves_the_former_state(self, at: At) -> None:
        story = at(Status.RUNNING)
        before = story.record
        story.tell(i.Checkpoint()).failed("an open connection", dirty=False)
        assert story.orders == ["Thaw"]  # whoever writes it down has frozen it
        story.done()
        assert story.record == replace(
            before, checkpoints=1, tickets=story.record.tickets, faults=story.record.faults
        )
        assert story.events == []

    def test_after_a_dirty_failure_there_may_be_one(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint()).failed().through()
        assert (story.record.status, story.record.checkpoint) == (Status.RUNNING, UNCERTAIN)

    @pytest.mark.parametrize("dirty", [False, True])
    def test_the_one_before_it_stays_until_it_is_whole(self, at: At, dirty: bool) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint(leave_running=True)).through()
        story.tell(i.Checkpoint())
        assert story.record.checkpoint is PRESENT
        assert getattr(story.record.pending[0].effect, "number", 0) == 2
        story.failed(dirty=dirty).through()
        assert story.record.checkpoint is PRESENT

    def test_an_archive_is_made_before_anything_is_given_back(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint(export="/archive.tar")).done()
        (order,) = story.record.pending
        assert order.effect == ExportCheckpoint("c0ffee", "/archive.tar")
        story.failed("no space").through()
        assert story.record.status is Status.EXITED  # and it is told, in the end
        assert [fault.reason for fault in story.record.faults] == ["no space"]

    def test_its_end_says_nothing_until_it_is_known_whether_it_is_whole(self, at: At) -> None:
        """D-76: the monitor reports 137 at once."""
        story = at(Status.RUNNING).tell(i.Checkpoint())
        assert written_down(story.record)
        assert not written_down(story.done().record)

    def test_told_of_an_end_all_the_same_it_has_that_end(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint()).tell(i.Died(1, Exited(7, 250)))
        assert story.record.status is Status.STOPPED
        story.through()
        record = story.record
        assert (record.exit_code, record.checkpointed, record.checkpoint) == (7, False, PRESENT)
        assert record.status is Status.EXITED

    def test_told_of_an_end_one_that_was_to_run_on_has_ended(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint(leave_running=True))
        story.tell(i.Died(1, Exited(7, 250))).through()
        assert (story.record.status, story.record.exit_code) == (Status.STOPPED, 7)

    def test_a_reboot_in_the_middle_is_an_unknown_end_and_may_have_left_one(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Checkpoint())
        story.tell(i.Died(1, Exited(-1, 250, reason="restarted"))).tell(i.Booted("next"))
        assert (story.record.status, story.record.exit_code) == (Status.EXITED, -1)
        assert (story.record.checkpoint, story.record.operation) == (UNCERTAIN, None)

    @pytest.mark.parametrize("status", [Status.CONFIGURED, Status.CREATED, Status.PAUSED])
    def test_only_what_runs(self, at: At, status: Status) -> None:
        assert at(status).refused(i.Checkpoint()).status is status


class TestRestore:
    def test_it_is_a_start_but_for_how_its_process_comes_to_be(self, at: At) -> None:
        story = dumped(at)
        story.asked.clear()
        story.events.clear()
        story.tell(i.Restore()).through()
        assert story.asked == [
            *("Mount", "JoinNetwork", "WriteSpec", "RestoreRuntime", "DropCheckpoint")
        ]
        assert story.record.status is Status.RUNNING
        assert story.events == ["restore"]

    @pytest.mark.parametrize("status", [Status.CONFIGURED, Status.STOPPED, Status.EXITED])
    def test_every_effect_of_a_start_is_one_of_a_restore(self, status: Status) -> None:
        """FAULTS B151, P27."""

        def effects(verb: Verb) -> set[type]:
            stages = PLANS[verb, status].stages
            return {kind for name in stages for kind in STAGES[name].asks}

        assert effects(Verb.START) - effects(Verb.RESTORE) == {CreateRuntime, StartRuntime}

    def test_it_is_another_run(self, at: At) -> None:
        record = dumped(at).tell(i.Restore()).through().record
        assert (record.epoch, record.started_at, record.restored) == (2, 400, True)
        assert (record.finished_at, record.exit_code, record.exit_reason) == (0, None, "")
        assert (record.process, record.monitor) == (PROCESS, MONITOR)
        assert (record.checkpointed, record.checkpoint) == (False, ABSENT)

    def test_the_run_after_it_was_not_restored(self, at: At) -> None:
        story = dumped(at).tell(i.Restore()).through()
        story.tell(i.Stop()).through().tell(i.Start()).through()
        assert not story.record.restored

    def test_a_kept_checkpoint_can_be_gone_on_from_again(self, at: At) -> None:
        story = dumped(at).tell(i.Restore(keep=True)).through()
        assert story.record.checkpoint is PRESENT
        story.tell(i.Stop()).through()
        assert Verb.RESTORE in admissible(story.record)
        story.tell(i.Restore()).through()
        assert (story.record.status, story.record.epoch) == (Status.RUNNING, 3)

    def test_without_one_it_is_refused(self, at: At) -> None:
        refusal = at(Status.CONFIGURED).refused(i.Restore())
        assert Verb.RESTORE not in refusal.admissible

    def test_one_is_brought(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Restore(tcp_established=True, source="/archive.tar"))
        (order,) = story.record.pending
        assert order.effect == ImportCheckpoint("c0ffee", 1, "/archive.tar")
        story.done()
        assert (story.record.checkpoint, story.orders) == (PRESENT, ["Mount", "JoinNetwork"])
        while story.orders != ["RestoreRuntime"]:
            story.done()
        assert story.record.pending[0].effect == RestoreRuntime("c0ffee", 1, True)
        assert story.through().record.status is Status.RUNNING

    def test_an_archive_that_is_refused_has_touched_nothing(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Restore(source="/archive.tar")).failed(dirty=False)
        assert (story.record.status, story.record.checkpoint) == (Status.CONFIGURED, ABSENT)
        assert story.asked == ["ImportCheckpoint"]

    def test_a_failed_one_unwinds_and_keeps_the_checkpoint(self, at: At) -> None:
        story = dumped(at).tell(i.Restore())
        while story.orders != ["RestoreRuntime"]:
            story.done()
        story.asked.clear()
        story.failed().through()
        assert story.asked == ["LeaveNetwork", "DeleteRuntime", "Unmount"]
        record = story.record
        assert (record.status, record.checkpoint, record.checkpointed) == (
            Status.EXITED,
            PRESENT,
            True,
        )
        held = (record.mount, record.network, record.runtime)
        assert held == (ABSENT, ABSENT, ABSENT)

    def test_a_checkpoint_that_cannot_be_dropped_does_not_end_it(self, at: At) -> None:
        story = dumped(at).tell(i.Restore())
        while story.orders != ["DropCheckpoint"]:
            story.done()
        story.failed("busy")
        assert (story.record.status, story.record.checkpoint) == (Status.RUNNING, UNCERTAIN)
        assert [fault.reason for fault in story.record.faults] == ["busy"]

    def test_from_stopped_the_last_run_is_given_back_first(self, at: At) -> None:
        story = dumped(at).tell(i.Restore(keep=True)).through().tell(i.Stop()).through()
        story.asked.clear()
        story.tell(i.Restore()).through()
        assert story.asked[:2] == ["LeaveNetwork", "DeleteRuntime"]
        assert story.record.status is Status.RUNNING

    def test_hooks_owed_come_first(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Start())
        while story.orders != ["WriteSpec"]:
            story.done()
        story.done(Saved("d1", (Hook("/release"),))).through()
        story.tell(i.Checkpoint()).through()
        assert story.asked[-2:] == ["RunPoststop", "Unmount"]

    def test_its_health_is_followed_and_begins_anew(self) -> None:
        story = Story(newborn(replace(CONFIG, health=HealthCheck(command=("true",)))))
        story.tell(i.Create(story.record.config)).through().tell(i.Start()).through()
        story.tell(i.Checked(1, 200, True))
        assert story.record.health is not None
        story.tell(i.Checkpoint()).through()
        assert story.record.health is None
        story.asked.clear()
        story.tell(i.Restore()).through()
        assert story.asked[-3:] == ["RestoreRuntime", "Watch", "DropCheckpoint"]

    def test_whom_nobody_follows_ends_as_on_record(self) -> None:
        story = Story(newborn(replace(CONFIG, health=HealthCheck(command=("true",)))))
        story.tell(i.Create(story.record.config)).through().tell(i.Start()).through()
        story.tell(i.Checkpoint()).through().tell(i.Restore())
        while story.orders != ["Watch"]:
            story.done()
        story.failed()
        assert story.orders == ["Halt"]
        assert getattr(story.record.pending[0].effect, "timeout", None) == 0
        story.through()
        record = story.record
        assert (record.status, record.exit_code) == (Status.EXITED, 143)
        assert record.checkpoint is PRESENT

    def test_it_ended_before_it_could_be_followed(self) -> None:
        story = Story(newborn(replace(CONFIG, health=HealthCheck(command=("true",)))))
        story.tell(i.Create(story.record.config)).through().tell(i.Start()).through()
        story.tell(i.Checkpoint()).through().tell(i.Restore())
        while story.orders != ["Watch"]:
            story.done()
        story.tell(i.Died(2, Exited(0, 500))).through()
        assert (story.record.status, story.record.faults) == (Status.STOPPED, ())


class TestRemoval:
    def test_checkpoints_go_with_the_layer(self, at: At) -> None:
        story = dumped(at).tell(i.Remove()).through()
        assert story.record.gone
        assert (story.record.checkpoint, story.record.checkpointed) == (ABSENT, False)

    def test_another_layer_has_none(self, at: At) -> None:
        story = dumped(at).tell(i.Remove()).through()
        story.tell(i.Create(CONFIG)).through()
        story.refused(i.Restore())


def test_facts_are_what_the_tables_learn(at: At) -> None:
    story = at(Status.RUNNING).tell(i.Checkpoint(leave_running=True)).done(Dumped(5))
    assert story.record.checkpointed_at == 5
    story.tell(i.Stop()).through().tell(i.Restore())
    while story.orders != ["RestoreRuntime"]:
        story.done()
    story.done(Restored(PROCESS, None, 9))
    assert (story.record.monitor, story.record.started_at) == (None, 9)
