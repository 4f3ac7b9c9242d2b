"""What the machine asks for, says and refuses, operation by operation."""

from collections.abc import Callable

import pytest

from lockgate.effects.model import DeleteRuntime, Halt, Order, Signal, WriteSpec
from lockgate.effects.network import Dns, Link
from lockgate.effects.outcome import Done, Exited, Failed, Fault, Joined
from lockgate.statemachine import inputs as i
from lockgate.statemachine.record import RESOURCES, Notice, Record, Step, holds, newborn
from lockgate.statemachine.status import Presence, Status, Verb
from lockgate.statemachine.step import admissible, step

from .conftest import CONFIG, MONITOR, PROCESS, Story

At = Callable[[Status], Story]
HERE = Presence.PRESENT


def only(record: Record) -> Order:
    (order,) = record.pending
    return order


class TestCreate:
    def test_claims_before_it_acts(self, at: At) -> None:
        story = at(Status.ABSENT).tell(i.Create(CONFIG))
        assert story.orders == ["CreateLayer"]
        assert story.record.layer is Presence.UNCERTAIN
        assert story.record.operation == i.Create(CONFIG)

    def test_reaches_configured(self, at: At) -> None:
        story = at(Status.CONFIGURED)
        assert story.record.layer is Presence.PRESENT
        assert story.record.operation is None

    def test_a_clean_failure_leaves_nothing(self, at: At) -> None:
        story = at(Status.ABSENT).tell(i.Create(CONFIG)).failed(dirty=False)
        assert story.record.gone
        assert story.events == []

    def test_a_dirty_failure_is_reclaimed_silently(self, at: At) -> None:
        story = at(Status.ABSENT).tell(i.Create(CONFIG)).failed()
        assert story.record.status is Status.REMOVING
        assert story.orders == ["DeleteLayer"]
        story.done()
        assert story.record.gone
        assert story.events == []

    def test_what_cannot_be_reclaimed_stays_visible(self, at: At) -> None:
        story = at(Status.ABSENT).tell(i.Create(CONFIG)).failed().failed()
        assert story.record.status is Status.REMOVING
        assert not story.record.gone
        story.tell(i.Remove()).through()
        assert story.record.gone


class TestStart:
    def test_asks_for_everything_in_order(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Start())
        assert story.orders == ["Mount", "JoinNetwork"]  # side by side
        story.through()
        assert story.asked == ["Mount", "JoinNetwork", "WriteSpec", "CreateRuntime", "StartRuntime"]
        assert story.events == ["init", "start"]
        assert story.record.status is Status.RUNNING

    def test_what_the_networks_say_is_passed_on(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Start()).done()
        link, dns = Link("web", "eth0", "", ("192.0.2.2/24",)), Dns(("192.0.2.53",))
        story.done(Joined("/netns", (link,), dns))
        effect = only(story.record).effect
        assert effect == WriteSpec("c0ffee", 1, "/merged", "/netns", (link,), dns)

    def test_notes_what_it_learned(self, at: At) -> None:
        record = at(Status.RUNNING).record
        assert (record.mountpoint, record.netns) == ("/merged", "/netns")
        assert (record.process, record.monitor) == (PROCESS, MONITOR)
        assert (record.epoch, record.started_at) == (1, 100)

    @pytest.mark.parametrize("late", [Done(99), Failed(99, Fault("failed", "too late"))])
    def test_late_outcomes_are_no_news(self, at: At, late: i.Input) -> None:
        record = at(Status.CONFIGURED).tell(i.Start()).record
        assert step(record, late) == Step(record)

    def test_forgets_how_the_last_run_ended(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).done(Exited(137, 200, oom=True, reason="why"))
        record = story.tell(i.Start()).through().record
        assert (record.status, record.exit_code, record.exit_reason) == (Status.RUNNING, None, "")
        assert (record.oom_killed, record.stopped_by_user, record.finished_at) == (False, False, 0)

    def test_of_a_created_one_asks_only_for_the_start(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Start()).through()
        assert story.asked == ["StartRuntime"]
        assert story.record.epoch == 1

    def test_of_a_stopped_one_uses_nothing_of_the_last_run(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Died(1, Exited(7, 9)))
        story.asked.clear()
        story.tell(i.Start()).through()
        assert story.asked == [
            "LeaveNetwork",
            "DeleteRuntime",
            "JoinNetwork",
            "WriteSpec",
            "CreateRuntime",
            "StartRuntime",
        ]
        assert story.record.epoch == 2
        assert story.record.exit_code is None

    @pytest.mark.parametrize("dirty", [True, False])
    def test_that_fails_undoes_what_it_acquired(self, at: At, dirty: bool) -> None:
        story = at(Status.CONFIGURED).tell(i.Start()).done().done().done().failed(dirty=dirty)
        story.asked.clear()
        story.through()
        wanted = ["LeaveNetwork"] + ["DeleteRuntime"] * dirty + ["Unmount"]
        assert story.asked[-len(wanted) + 1 :] == wanted[1:]
        assert story.record.status is Status.CONFIGURED
        held = (story.record.mount, story.record.network, story.record.runtime)
        assert held == (Presence.ABSENT,) * 3
        assert story.record.faults[0].reason == "broken"

    @pytest.mark.parametrize("done", range(5), ids=["mount", "network", "spec", "create", "start"])
    def test_that_fails_anywhere_holds_nothing(self, at: At, done: int) -> None:
        story = at(Status.CONFIGURED).tell(i.Start())
        for _ in range(done):
            story.done()
        story.failed().through()
        assert story.record.status is Status.CONFIGURED
        held = (story.record.mount, story.record.network, story.record.runtime)
        assert held == (Presence.ABSENT,) * 3

    def test_that_fails_in_the_runtime_goes_back_to_configured(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Start()).failed().through()
        assert story.record.status is Status.CONFIGURED
        assert story.events == ["cleanup"]

    def test_keeps_the_first_cause_and_the_later_ones(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Start()).failed("first").failed("second").through()
        assert [fault.reason for fault in story.record.faults] == ["first", "second"]

    def test_never_unmounts_under_a_runtime_that_would_not_go(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Start()).failed().done().failed()
        assert story.orders == []
        assert story.record.mount is Presence.PRESENT
        assert story.record.runtime is Presence.UNCERTAIN

    def test_clears_what_an_undoing_left_unsure(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Start()).failed().done().failed().tell(i.Start())
        assert story.orders == ["DeleteRuntime"]
        assert story.record.pending[0].again

    def test_of_a_running_one_is_refused(self, at: At) -> None:
        refusal = at(Status.RUNNING).refused(i.Start())
        assert (refusal.verb, refusal.status, refusal.busy) == (Verb.START, Status.RUNNING, False)
        assert Verb.STOP in refusal.admissible

    def test_a_second_command_meanwhile_is_refused_as_busy(self, at: At) -> None:
        refusal = at(Status.CONFIGURED).tell(i.Start()).refused(i.Start())
        assert refusal.busy
        assert refusal.admissible == ()


class TestStop:
    def test_signals_with_the_configured_patience(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop())
        assert story.record.status is Status.STOPPING
        expected = Halt("c0ffee", 1, PROCESS, MONITOR, 15, 10, False)
        assert only(story.record).effect == expected
        assert story.record.stopped_by_user

    def test_the_caller_may_have_less_patience(self, at: At) -> None:
        effect = only(at(Status.RUNNING).tell(i.Stop(timeout=3)).record).effect
        assert isinstance(effect, Halt)
        assert (effect.signal, effect.timeout) == (15, 3)

    def test_no_patience_is_sigkill(self, at: At) -> None:
        effect = only(at(Status.RUNNING).tell(i.Stop(timeout=0)).record).effect
        assert isinstance(effect, Halt)
        assert (effect.signal, effect.timeout) == (9, 0)

    def test_does_not_wait_for_an_init_that_never_ran(self, at: At) -> None:
        effect = only(at(Status.CREATED).tell(i.Stop()).record).effect
        assert isinstance(effect, Halt)
        assert (effect.signal, effect.timeout) == (9, 0)

    def test_ends_with_the_exit_on_record(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).done(Exited(143, 200, oom=True))
        record = story.record
        assert record.status is Status.STOPPED
        assert (record.exit_code, record.finished_at, record.oom_killed) == (143, 200, True)
        assert story.events == ["died", "stop"]

    def test_an_end_that_nobody_saw_is_unknown(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop())
        story.tell(Done(only(story.record).ticket))
        assert story.record.exit_code == -1
        assert story.record.exit_reason == "it was made to end and nobody saw how"
        assert story.record.finished_at == 0

    def test_a_second_one_takes_its_place(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop())
        first = only(story.record)
        story.tell(i.Stop(timeout=1))
        second = only(story.record)
        assert second.ticket != first.ticket
        before = story.record
        story.tell(Done(first.ticket, Exited(143, 1)))  # the first stopper comes too late
        assert story.record is before
        story.done()
        assert story.record.status is Status.STOPPED

    def test_of_a_stopped_one_records_the_wish_and_nothing_else(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Died(1, Exited(0, 1))).tell(i.Stop())
        assert story.record.status is Status.STOPPED
        assert story.record.stopped_by_user
        assert story.events == ["died"]

    def test_that_fails_stays_stopping_and_may_be_tried_again(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).failed("survived")
        assert story.record.status is Status.STOPPING
        assert story.record.faults[0].reason == "survived"
        story.tell(i.Stop()).through()
        assert story.record.status is Status.STOPPED

    def test_of_a_paused_one_is_refused(self, at: At) -> None:
        assert not at(Status.PAUSED).refused(i.Stop()).busy


class TestKill:
    def test_sigkill_ends_it(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Kill()).through()
        assert story.record.status is Status.STOPPED
        assert story.events == ["died", "kill"]

    def test_sigkill_thaws_the_frozen(self, at: At) -> None:
        story = at(Status.PAUSED).tell(i.Kill())
        effect = only(story.record).effect
        assert isinstance(effect, Halt)
        assert (effect.signal, effect.frozen) == (9, True)
        story.through()
        assert story.record.freezer is Presence.ABSENT

    def test_another_signal_changes_nothing(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Kill(signal=10))
        assert only(story.record).effect == Signal("c0ffee", 1, PROCESS, 10)
        story.done()
        assert story.record.status is Status.RUNNING
        assert story.events == ["kill"]
        assert story.record.stopped_by_user

    def test_a_signal_that_fails_changes_nothing(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Kill(signal=10)).failed("no such process")
        assert story.record.status is Status.RUNNING
        assert story.events == []

    def test_a_signal_goes_beside_a_stop_that_waits(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).tell(i.Kill(signal=10))
        assert story.orders == ["Halt", "Signal"]
        assert story.record.operation == i.Stop()
        halt, signal = story.record.pending
        assert signal.ticket == halt.ticket + 1 == story.record.tickets
        story.tell(Failed(signal.ticket, Fault("failed", "too late")))
        assert story.orders == ["Halt"]  # the stop is not disturbed
        story.done()
        assert story.record.status is Status.STOPPED

    def test_a_signal_beside_the_stop_is_announced(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).tell(i.Kill(signal=10))
        told = step(story.record, Done(story.record.pending[1].ticket))
        assert isinstance(told, Step) and told.notices == (Notice("kill", signal=10),)

    def test_a_signal_beside_a_restart_is_its_users_wish_too(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Restart())
        assert not story.record.stopped_by_user
        assert story.tell(i.Kill(signal=10)).record.stopped_by_user

    def test_nothing_else_starts_while_the_signal_is_out(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).tell(i.Kill(signal=10))
        assert story.refused(i.Kill()).busy

    def test_a_signal_outlives_a_stop_that_failed(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).tell(i.Kill(signal=10))
        story.failed("survived")  # the stop
        assert story.orders == ["Signal"]
        story.done()
        assert story.record.todo == ()
        assert story.record.status is Status.STOPPING


class TestPause:
    def test_and_back(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Pause()).through()
        assert (story.record.status, story.record.freezer) == (Status.PAUSED, Presence.PRESENT)
        story.tell(i.Unpause()).through()
        assert (story.record.status, story.record.freezer) == (Status.RUNNING, Presence.ABSENT)
        assert story.events == ["pause", "unpause"]

    def test_that_fails_is_taken_back(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Pause()).failed()
        assert story.orders == ["Thaw"]
        story.done()
        assert (story.record.status, story.record.freezer) == (Status.RUNNING, Presence.ABSENT)
        assert story.events == []

    def test_that_fails_cleanly_needs_no_taking_back(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Pause()).failed(dirty=False)
        assert story.orders == []
        assert story.record.status is Status.RUNNING

    def test_unpause_that_fails_stays_paused(self, at: At) -> None:
        story = at(Status.PAUSED).tell(i.Unpause()).failed()
        assert story.record.status is Status.PAUSED
        story.tell(i.Unpause()).through()
        assert story.record.status is Status.RUNNING


class TestRestart:
    def test_of_a_running_one_is_stop_reset_start(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Restart(timeout=2))
        effect = only(story.record).effect
        assert isinstance(effect, Halt)
        assert effect.timeout == 2
        story.through()
        assert story.record.status is Status.RUNNING
        assert story.record.epoch == 2
        assert story.events == ["died", "cleanup", "init", "start", "restart"]
        assert not story.record.stopped_by_user

    def test_gives_way_to_a_stop(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Restart()).tell(i.Stop()).through()
        assert story.record.status is Status.STOPPED
        assert story.events == ["died", "stop"]

    def test_whose_stop_fails_goes_no_further(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Restart()).failed()
        assert story.record.status is Status.STOPPING
        assert story.record.todo == ()


class TestCleanup:
    def test_gives_everything_back_but_the_layer(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Died(1, Exited(0, 1)))
        story.asked.clear()
        story.tell(i.Cleanup()).through()
        assert story.asked == ["LeaveNetwork", "DeleteRuntime", "Unmount"]
        record = story.record
        assert record.status is Status.EXITED
        assert (record.mountpoint, record.netns, record.process) == ("", "", None)
        assert (record.layer, record.exit_code) == (Presence.PRESENT, 0)

    def test_tries_every_step_and_reports_the_first_fault(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Cleanup()).failed("first").done().failed("last")
        assert [fault.reason for fault in story.record.faults] == ["first", "last"]
        assert story.record.status is Status.CONFIGURED

    def test_with_nothing_to_do_says_nothing(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Cleanup())
        assert (story.orders, story.events) == ([], [])

    @pytest.mark.parametrize(("dead", "force"), [(False, True), (True, False)])
    def test_forces_only_where_no_end_is_on_record(self, at: At, dead: bool, force: bool) -> None:
        story = at(Status.CREATED)
        if dead:
            story.tell(i.Died(1, Exited(137, 1)))
        effect = only(story.tell(i.Cleanup()).done().record).effect
        assert effect == DeleteRuntime("c0ffee", 1, force, PROCESS, MONITOR)


class TestRemove:
    def test_the_layer_goes_last_and_then_it_is_gone(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Remove()).through()
        assert story.asked == ["LeaveNetwork", "DeleteRuntime", "Unmount", "DeleteLayer"]
        assert story.record.gone
        assert story.events == ["cleanup", "remove"]

    def test_of_a_running_one_needs_force(self, at: At) -> None:
        assert Verb.FORCE_REMOVE in at(Status.RUNNING).refused(i.Remove()).admissible
        story = at(Status.RUNNING).tell(i.Remove(force=True)).through()
        assert story.record.gone

    def test_goes_no_further_than_what_it_could_give_back(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Remove()).done().failed("stuck")
        assert story.orders == []
        assert story.record.layer is Presence.PRESENT
        story.tell(i.Remove()).through()
        assert story.record.gone

    def test_removing_is_visible_until_it_is_done(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Remove()).failed("disk on fire")
        assert story.record.status is Status.REMOVING
        assert story.refused(i.Start()).admissible == (Verb.REMOVE, Verb.FORCE_REMOVE)

    def test_with_force_takes_over_a_stop_that_waits(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).tell(i.Remove(force=True, timeout=0)).through()
        assert story.record.gone

    def test_with_force_what_is_frozen_is_not_asked_to_end(self, at: At) -> None:
        halt = only(at(Status.PAUSED).tell(i.Remove(force=True)).record).effect
        assert isinstance(halt, Halt)
        assert (halt.signal, halt.timeout, halt.frozen) == (i.SIGKILL, 0, True)

    @pytest.mark.parametrize(
        ("removal", "asked", "patience"),
        [
            (i.Remove(force=True), i.Stop(3), 3),
            (i.Remove(force=True), i.Stop(30), 10),
            (i.Remove(force=True, timeout=5), i.Stop(), 5),
            (i.Remove(force=True, timeout=20), i.Stop(), 10),
            (i.Remove(force=True), i.Kill(), 0),
        ],
    )
    def test_a_stop_hastens_it_and_does_not_take_its_place(
        self, at: At, removal: i.Remove, asked: i.Stop | i.Kill, patience: int
    ) -> None:
        """Else somebody would be told of a removal that never was."""
        story = at(Status.RUNNING).tell(removal).tell(asked)
        halt = only(story.record).effect
        assert isinstance(halt, Halt) and halt.timeout == patience
        assert story.record.operation == i.Remove(force=True, timeout=patience)
        assert story.through().record.gone


class TestSessions:
    """Processes that join its run: told in order, and outlived by none (P21)."""

    END = Exited(3, 8)

    @pytest.mark.parametrize("status", [Status.RUNNING, Status.PAUSED])
    def test_one_comes_and_goes(self, at: At, status: Status) -> None:
        story = at(status).tell(i.SessionBegan(1, "a")).tell(i.SessionBegan(1, "b"))
        assert story.record.sessions == ("a", "b")
        answer = step(story.record, i.SessionEnded(1, "a", self.END))
        assert isinstance(answer, Step)
        assert answer.record.sessions == ("b",)
        assert answer.notices == (Notice("exec_died", exit_code=3, session="a"),)

    def test_who_comes_is_named(self, at: At) -> None:
        answer = step(at(Status.RUNNING).record, i.SessionBegan(1, "a"))
        assert isinstance(answer, Step)
        assert answer.notices == (Notice("exec", session="a"),)

    def test_what_is_known_is_no_news(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.SessionBegan(1, "a"))
        before = story.record
        for news in (
            i.SessionBegan(1, "a"),
            i.SessionBegan(2, "b"),
            i.SessionEnded(1, "b", self.END),
            i.SessionEnded(2, "a", self.END),
        ):
            assert story.tell(news).record is before

    @pytest.mark.parametrize("status", [Status.ABSENT, Status.CONFIGURED, Status.CREATED])
    def test_where_nothing_runs_none_joins(self, at: At, status: Status) -> None:
        record = at(status).record
        assert step(record, i.SessionBegan(record.epoch, "a")) == Step(record)

    def test_their_ends_are_told_before_that_of_the_run(self, at: At) -> None:
        """B130: also of those whose end nobody has seen."""
        story = at(Status.RUNNING).tell(i.SessionBegan(1, "a")).tell(i.SessionBegan(1, "b"))
        story.tell(i.SessionEnded(1, "b", self.END))
        answer = step(story.record, i.Died(1, Exited(7, 9)))
        assert isinstance(answer, Step)
        assert answer.record.sessions == ()
        assert answer.notices == (
            Notice("exec_died", exit_code=-1, session="a"),
            Notice("died", exit_code=7),
        )
        story.tell(i.Died(1, Exited(7, 9)))
        before = story.record
        assert story.tell(i.SessionEnded(1, "a", self.END)).record is before

    def test_of_a_short_one_both_is_told_at_once(self, at: At) -> None:
        short = i.SessionEnded(1, "a", self.END, untold=True)
        answer = step(at(Status.RUNNING).record, short)
        assert isinstance(answer, Step)
        assert answer.notices == (
            Notice("exec", session="a"),
            Notice("exec_died", exit_code=3, session="a"),
        )
        known = at(Status.RUNNING).tell(i.SessionBegan(1, "a"))
        assert known.tell(short).events == ["exec", "exec_died"]
        for record in (at(Status.CREATED).record, at(Status.CONFIGURED).record):
            assert step(record, short) == Step(record)
        late = i.SessionEnded(2, "a", self.END, untold=True)
        assert step(known.record, late) == Step(known.record)

    @pytest.mark.parametrize("leave_running", [False, True])
    def test_a_checkpoint_takes_them_along(self, at: At, leave_running: bool) -> None:
        story = at(Status.RUNNING).tell(i.SessionBegan(1, "a"))
        story.tell(i.Checkpoint(leave_running=leave_running)).through()
        if leave_running:
            assert story.record.sessions == ("a",)
            assert story.events == ["exec", "checkpoint"]
        else:
            assert story.record.sessions == ()
            assert story.events == ["exec", "exec_died", "checkpoint", "cleanup"]


class TestDeath:
    def test_is_noted_once(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Died(1, Exited(7, 9, reason="seen")))
        assert (story.record.status, story.record.exit_code) == (Status.STOPPED, 7)
        assert story.record.exit_reason == "seen"
        told = step(at(Status.RUNNING).record, i.Died(1, Exited(7, 9)))
        assert isinstance(told, Step) and told.notices == (Notice("died", exit_code=7),)
        before = story.record
        story.tell(i.Died(1, Exited(0, 10)))
        assert story.record is before

    def test_of_another_run_is_no_news(self, at: At) -> None:
        story = at(Status.RUNNING)
        before = story.record
        assert story.tell(i.Died(2, Exited(0, 1))).record is before

    def test_completes_a_stop_whoever_sees_it(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).tell(i.Died(1, Exited(0, 1)))
        assert story.record.status is Status.STOPPED
        assert story.events == ["died", "stop"]
        assert story.record.pending == ()

    def test_lets_a_restart_go_on(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Restart()).tell(i.Died(1, Exited(0, 1))).through()
        assert story.record.status is Status.RUNNING

    def test_before_anybody_heard_of_the_start(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Start()).tell(i.Died(1, Exited(3, 77)))
        assert story.events == ["start", "died"]
        assert (story.record.status, story.record.started_at) == (Status.STOPPED, 77)
        assert story.record.todo == ()

    def test_settles_a_pause_that_was_out(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Pause()).tell(i.Died(1, Exited(0, 1)))
        assert (story.record.status, story.record.freezer) == (Status.STOPPED, Presence.ABSENT)

    def test_does_not_settle_what_is_not_about_the_process(self, at: At) -> None:
        story = at(Status.CREATED).tell(i.Cleanup()).tell(i.Died(1, Exited(137, 1)))
        assert story.orders == ["LeaveNetwork"]
        story.through()
        assert story.record.status is Status.EXITED


class TestReboot:
    def test_what_failed_before_it_is_no_failure_of_what_begins_anew(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Start()).failed()  # the mount; the network is out yet
        story.tell(i.Booted("another"))
        assert story.record.tripped is False
        assert story.through().record.status is Status.RUNNING

    def test_what_was_given_back_is_given_back_further(self, at: At) -> None:
        """Of a start that failed: nothing of it begins anew."""
        story = at(Status.CREATED).tell(i.Start()).failed()  # and its network is being left
        story.tell(i.Booted("another")).through()
        assert story.asked[-3:] == ["LeaveNetwork", "DeleteRuntime", "Unmount"]
        assert story.record.status is Status.CONFIGURED


class TestRemovalThatFails:
    @pytest.mark.parametrize("force", [True, False])
    def test_it_keeps_its_faults(self, at: At, force: bool) -> None:
        story = at(Status.CONFIGURED).tell(i.Remove(force=force)).failed("busy")
        assert story.record.status is Status.REMOVING
        assert [fault.reason for fault in story.record.faults] == ["busy"]


class TestWhatMayBeHeld:
    @pytest.mark.parametrize(
        ("record", "held"),
        [
            (Record(config=CONFIG, layer=Presence.PRESENT), False),
            (Record(config=CONFIG, mount=Presence.UNCERTAIN), True),
            (Record(config=CONFIG, mount=Presence.PRESENT, mounts=1), False),
            (Record(config=CONFIG, mount=Presence.PRESENT, mounts=1, runtime=HERE), True),
            (Record(config=CONFIG, network=Presence.UNCERTAIN), True),
        ],
    )
    def test_its_users_mount_is_none_of_a_runs(self, record: Record, held: bool) -> None:
        assert holds(record) is held


class TestResuming:
    def test_asks_again_under_the_same_tickets(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Start())
        before = story.record.pending
        story.tell(i.Resumed())
        assert [order.ticket for order in story.record.pending] == [o.ticket for o in before]
        assert all(order.again for order in story.record.pending)

    def test_a_clean_failure_the_second_time_proves_nothing(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Start()).tell(i.Resumed()).failed(dirty=False)
        assert story.record.mount is Presence.UNCERTAIN


class TestRenamed:
    @pytest.mark.parametrize("status", [Status.CONFIGURED, Status.RUNNING, Status.PAUSED])
    def test_changes_its_name_and_nothing_else(self, at: At, status: Status) -> None:
        story = at(status)
        before = story.record
        story.tell(i.Renamed("app"))
        assert story.events == ["rename"]
        assert story.record.config.name == "app"
        assert story.tell(i.Renamed(before.config.name)).record == before

    def test_leaves_what_is_being_done_alone(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).tell(i.Renamed("app")).done()
        assert (story.record.status, story.record.config.name) == (Status.STOPPED, "app")

    def test_is_no_news_of_what_is_not_there_or_called_so(self, at: At) -> None:
        for story in (at(Status.ABSENT), at(Status.CONFIGURED)):
            before = story.record
            name = "app" if before.status is Status.ABSENT else before.config.name
            assert story.tell(i.Renamed(name)).record is before


class TestSalvage:
    def test_believes_in_everything_and_can_only_be_removed(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Salvaged(CONFIG, 99))
        assert story.record.status is Status.UNKNOWN
        assert {getattr(story.record, name) for name in RESOURCES} == {Presence.UNCERTAIN}
        assert story.record.tickets == 99
        assert admissible(story.record) == (Verb.FORCE_REMOVE,)
        story.asked.clear()
        story.tell(i.Remove(force=True)).through()
        assert story.asked == ["LeaveNetwork", "DeleteRuntime", "Unmount", "DeleteLayer"]
        assert story.record.gone

    def test_old_tickets_mean_nothing_any_more(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Start())
        ticket = story.record.pending[0].ticket
        story.tell(i.Salvaged(CONFIG, 99)).tell(i.Remove(force=True))
        assert [order.ticket for order in story.record.pending] == [100]
        assert ticket < 100


def test_networks_that_need_nobody_are_not_asked_for() -> None:
    import msgspec

    config = msgspec.structs.replace(CONFIG, network="none")
    story = Story(newborn(config)).tell(i.Create(config)).done().tell(i.Start())
    assert story.orders == ["Mount"]


def test_a_halt_with_nobody_to_signal_is_a_kill() -> None:
    record = Record(config=CONFIG, status=Status.STOPPING, runtime=Presence.PRESENT)
    answer = step(record, i.Stop())
    effect = answer.orders[0].effect  # type: ignore[union-attr]
    assert isinstance(effect, Halt)
    assert effect.timeout == 0
