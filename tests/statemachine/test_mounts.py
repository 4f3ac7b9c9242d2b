"""Mounts of its user: counted, outlasting runs, never taken from under him (MAP 2.38, 2.39, 3.6)."""

from collections.abc import Callable

import pytest

from lockgate.statemachine import inputs as i
from lockgate.statemachine.status import Presence, Status, Verb
from lockgate.statemachine.step import admissible

from .conftest import Story

At = Callable[[Status], Story]
LIVING = (Status.CREATED, Status.RUNNING, Status.PAUSED)


def mounted(story: Story, times: int = 1) -> Story:
    for _ in range(times):
        story.tell(i.Mount()).through()
    assert (story.record.mounts, story.record.mount) == (times, Presence.PRESENT)
    story.asked.clear()
    return story


class TestMount:
    def test_it_is_mounted_and_counted(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Mount())
        assert (story.orders, story.record.mounts) == (["Mount"], 0)
        story.done()
        assert (story.record.mounts, story.record.mountpoint) == (1, "/merged")
        assert (story.events, story.record.status) == (["mount"], Status.CONFIGURED)

    @pytest.mark.parametrize("status", LIVING)
    def test_what_its_run_has_mounted_is_only_counted(self, at: At, status: Status) -> None:
        story = at(status).tell(i.Mount())
        assert (story.orders, story.record.mounts, story.events) == ([], 1, ["mount"])

    def test_what_is_believed_mounted_is_looked_at_again(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED)).tell(i.Mount())
        assert story.record.pending[0].again  # somebody may have unmounted it (L-31)
        story.done()
        assert story.record.mounts == 2

    def test_one_that_fails_does_not_count(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Mount()).failed(dirty=False)
        assert (story.record.mounts, story.record.mount) == (0, Presence.ABSENT)
        assert story.events == []

    def test_one_more_that_fails_takes_none_away(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED)).tell(i.Mount()).failed(dirty=False)
        assert (story.record.mounts, story.record.mount) == (1, Presence.UNCERTAIN)

    def test_while_it_stops_the_stop_goes_on(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Stop()).tell(i.Mount())
        assert (story.orders, story.record.mounts) == (["Halt"], 1)
        story.done()
        assert story.record.status is Status.STOPPED
        assert story.events == ["mount", "died", "stop"]

    def test_its_executor_may_die(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Mount()).tell(i.Resumed()).done()
        assert story.record.mounts == 1


class TestItOutlastsRuns:
    def test_a_run_begins_and_ends_around_it(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED)).tell(i.Start())
        assert story.orders == ["Mount", "JoinNetwork"]  # looked at again
        story.through().tell(i.Stop()).through().tell(i.Cleanup()).through()
        assert "Unmount" not in story.asked
        assert (story.record.status, story.record.mounts) == (Status.EXITED, 1)
        assert story.record.mountpoint == "/merged"

    def test_a_start_that_fails_leaves_it(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED)).tell(i.Start()).done().failed().through()
        assert "Unmount" not in story.asked
        assert (story.record.status, story.record.mount) == (Status.CONFIGURED, Presence.PRESENT)

    def test_a_reboot_ends_it(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED), 2).tell(i.Booted("another"))
        assert (story.record.mounts, story.record.mount) == (0, Presence.UNCERTAIN)

    def test_a_mount_that_a_reboot_interrupts_begins_anew(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED)).tell(i.Mount()).tell(i.Booted("another")).done()
        assert (story.record.mounts, story.record.mount) == (1, Presence.PRESENT)


class TestUnmount:
    def test_the_last_one_unmounts(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED), 2).tell(i.Unmount())
        assert (story.orders, story.record.mounts) == ([], 1)
        story.tell(i.Unmount())
        assert story.orders == ["Unmount"]
        story.done()
        assert (story.record.mounts, story.record.mount) == (0, Presence.ABSENT)
        assert story.record.mountpoint == ""
        assert story.events == ["mount", "mount", "unmount", "unmount"]

    def test_one_that_fails_may_be_asked_for_again(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED)).tell(i.Unmount()).failed("busy")
        assert (story.record.mounts, story.record.mount) == (1, Presence.UNCERTAIN)
        story.tell(i.Unmount()).done()
        assert (story.record.mounts, story.record.mount) == (0, Presence.ABSENT)

    def test_by_force_all_at_once(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED), 3).tell(i.Unmount(force=True)).done()
        assert (story.record.mounts, story.events[-1]) == (0, "unmount")

    def test_by_force_where_nothing_is_mounted(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Unmount(force=True))
        assert story.orders == []

    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("status", LIVING)
    def test_its_runs_own_stays(self, at: At, status: Status, force: bool) -> None:
        story = at(status)
        assert not story.refused(i.Unmount(force)).busy
        story.tell(i.Mount()).tell(i.Unmount(force))
        assert (story.orders, story.record.mounts) == ([], 0)
        assert story.record.mount is Presence.PRESENT

    def test_while_it_stops(self, at: At) -> None:
        story = mounted(at(Status.RUNNING)).tell(i.Stop()).tell(i.Unmount())
        assert (story.orders, story.record.mounts) == (["Halt"], 0)

    def test_what_none_of_its_user_holds_is_refused(self, at: At) -> None:
        story = at(Status.CONFIGURED)
        assert Verb.UNMOUNT not in admissible(story.record)
        assert story.refused(i.Unmount()).mounts == 0

    def test_what_a_run_may_have_left_goes_first(self, at: At) -> None:
        story = at(Status.CONFIGURED).tell(i.Init()).done().done().done()
        story.failed("no answer").done().failed("stuck")  # create; leave, delete
        assert story.record.status is Status.CONFIGURED
        assert story.record.runtime is Presence.UNCERTAIN
        story.tell(i.Unmount(force=True))
        assert story.orders == ["DeleteRuntime"]
        story.through()
        assert (story.record.mount, story.record.runtime) == (Presence.ABSENT, Presence.ABSENT)


class TestRemoval:
    def test_it_is_refused_while_its_user_has_it_mounted(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED), 2)
        refusal = story.refused(i.Remove())
        assert (refusal.mounts, Verb.REMOVE in refusal.admissible) == (2, False)

    def test_force_takes_it_all(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED), 2).tell(i.Remove(force=True)).through()
        assert story.asked == ["Unmount", "DeleteLayer"]
        assert (story.record.gone, story.record.mounts) == (True, 0)

    def test_a_mount_while_it_is_being_removed_by_force_does_not_save_it(self, at: At) -> None:
        story = at(Status.RUNNING).tell(i.Remove(force=True)).tell(i.Mount())
        assert story.record.mounts == 1
        assert story.through().record.gone

    def test_one_by_force_that_fails_leaves_the_count(self, at: At) -> None:
        story = mounted(at(Status.CONFIGURED)).tell(i.Remove(force=True)).failed("busy")
        assert (story.record.mounts, story.record.mount) == (1, Presence.UNCERTAIN)
