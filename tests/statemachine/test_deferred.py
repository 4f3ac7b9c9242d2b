"""A network that is set up after create: when it is asked for, and what a failure means."""

import pytest
from msgspec.structs import replace

from lockgate.effects.config import IdMap
from lockgate.effects.health import HealthCheck
from lockgate.effects.model import ConnectNetwork, JoinNetwork
from lockgate.effects.network import Dns, Link
from lockgate.effects.outcome import Connected, Exited, Joined
from lockgate.statemachine import inputs as i
from lockgate.statemachine.record import newborn
from lockgate.statemachine.status import Presence, Status

from .conftest import CONFIG, PROCESS, Story

MAPS = (IdMap(container=0, host=200_000, size=65_536),)
LINK = Link("web", "eth0", "", ("10.0.0.2/24",))
CONNECTED = Connected("/kept", (LINK,), Dns(("10.0.0.1",)))
HEALTH = HealthCheck(command=("true",))


class Deferred(Story):
    """As a story, of one whose runtime makes its network namespace."""

    def __init__(self, **besides: object) -> None:
        config = replace(CONFIG, uid_maps=MAPS, deferred_network=True, **besides)
        super().__init__(newborn(config))
        self.tell(i.Create(config)).through()
        self.events.clear()
        self.asked.clear()

    def done(self, fact: object = None) -> "Deferred":
        kind = type(self.record.pending[0].effect)
        usual = {JoinNetwork: Joined(""), ConnectNetwork: CONNECTED}.get(kind)
        super().done(fact or usual)  # type: ignore[arg-type]
        return self


def until_asked(story: Story) -> Story:
    """Until somebody is asked to set the network up."""
    while story.orders != ["ConnectNetwork"]:
        story.done()
    return story


@pytest.fixture
def story() -> Deferred:
    return Deferred()


def test_is_set_up_between_create_and_start(story: Deferred) -> None:
    story.tell(i.Start()).through()
    assert story.asked[-3:] == ["CreateRuntime", "ConnectNetwork", "StartRuntime"]
    record = story.record
    assert (record.status, record.netns) == (Status.RUNNING, "/kept")
    assert (record.links, record.dns) == ((LINK,), Dns(("10.0.0.1",)))


def test_of_the_process_there_is(story: Deferred) -> None:
    story.tell(i.Init())
    joins = story.record.pending[1].effect
    assert joins == JoinNetwork(CONFIG.id, 1, True)
    until_asked(story)
    effect = story.record.pending[0].effect
    assert effect == ConnectNetwork(CONFIG.id, 1, PROCESS, "/merged")
    assert story.record.network is Presence.PRESENT  # claims and what else is lived in


def test_once_a_run(story: Deferred) -> None:
    story.tell(i.Init()).through().tell(i.Start()).through()
    assert story.asked.count("ConnectNetwork") == 1
    story.tell(i.Restart()).through()
    assert story.asked.count("ConnectNetwork") == 2


def test_one_that_fails_is_undone(story: Deferred) -> None:
    until_asked(story.tell(i.Start())).failed("no such plugin")
    story.asked.clear()
    story.through()
    assert story.asked == ["DeleteRuntime", "Unmount"]
    record = story.record
    assert (record.status, record.netns) == (Status.CONFIGURED, "")
    assert [fault.reason for fault in record.faults] == ["no such plugin"]


def test_after_one_that_could_not_be_undone_it_is_set_up_anew(story: Deferred) -> None:
    story.tell(i.Start()).through().tell(i.Stop()).through().tell(i.Cleanup())
    story.failed("busy").through()
    assert (story.record.network, story.record.netns) == (Presence.UNCERTAIN, "/kept")
    story.asked.clear()
    story.tell(i.Start()).through()
    assert "ConnectNetwork" in story.asked


def test_a_crash_asks_again(story: Deferred) -> None:
    until_asked(story.tell(i.Start())).tell(i.Resumed())
    assert story.record.pending[0].again


def test_its_process_may_end_meanwhile() -> None:
    story = Deferred(health=HEALTH)
    until_asked(story.tell(i.Start()))
    story.asked.clear()
    story.tell(i.Died(1, Exited(137, 500)))
    assert (story.record.status, story.asked) == (Status.STOPPED, [])
    assert story.record.network is Presence.PRESENT


def test_a_reboot_begins_anew(story: Deferred) -> None:
    until_asked(story.tell(i.Start())).tell(i.Booted("next")).through()
    assert (story.record.status, story.record.epoch) == (Status.RUNNING, 2)


class TestRestore:
    @pytest.fixture
    def story(self) -> Deferred:
        told = Deferred(health=HEALTH)
        told.tell(i.Start()).through().tell(i.Checkpoint()).through().tell(i.Restore())
        until_asked(told)
        return told

    def test_what_goes_on_is_connected_before_it_is_watched(self, story: Deferred) -> None:
        story.through()
        assert story.asked[-4:] == ["RestoreRuntime", "ConnectNetwork", "Watch", "DropCheckpoint"]
        assert story.record.netns == "/kept"

    def test_whom_nobody_connects_ends_as_on_record(self, story: Deferred) -> None:
        story.failed().through()
        assert (story.record.status, story.record.exit_code) == (Status.EXITED, 143)
        assert story.record.checkpoint is Presence.PRESENT

    def test_it_may_end_meanwhile(self, story: Deferred) -> None:
        story.tell(i.Died(2, Exited(0, 500))).through()
        assert (story.record.status, story.record.faults) == (Status.STOPPED, ())


def test_where_nobody_wishes_for_it_nothing_of_it_is_written_down() -> None:
    story = Story(newborn(CONFIG)).tell(i.Create(CONFIG)).through().tell(i.Start())
    assert not {"connect", "reconnect"} & set(story.record.todo)
