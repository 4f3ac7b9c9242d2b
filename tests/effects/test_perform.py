"""One order, one port call, one outcome; what the world raises becomes a value here and only here."""

import errno
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.errnos import ERRNOS

import lockgate.effects.perform as performing
from lockgate.adapters.simulated import SimulatedHost
from lockgate.effects import model as e
from lockgate.effects.config import Attachment, Config, Namespaces
from lockgate.effects.hooks import Hook
from lockgate.effects.network import Dns, Link
from lockgate.effects.outcome import (
    Connected,
    Created,
    Done,
    Exited,
    Failed,
    Fault,
    Joined,
    Launched,
    Mounted,
    PortError,
    Saved,
    Settled,
)
from lockgate.effects.perform import fault_of, perform
from lockgate.effects.ports import Facts, File, Ports, Specified

CONFIG = Config(id="c", command=("true",))
PROCESS, MONITOR = e.Process(1001, 1, "simulated"), e.Process(100_001, 1, "simulated")


def specify(config: Config, effect: e.WriteSpec, facts: Facts) -> Specified:
    text = f"{config.id} {effect.mountpoint} {len(facts.accounts.passwd)}"
    return Specified(text.encode())


class Stage:
    """A simulated host, its ports, and the orders given so far."""

    def __init__(self) -> None:
        self.trouble: dict[type[e.AnyEffect], Exception] = {}
        self.host = SimulatedHost(before=self._before)
        self.seen: list[e.AnyEffect] = []
        host = self.host
        self.ports = Ports(
            runtime=host.runtime,
            monitor=host.runtime,
            storage=host,
            network=host,
            filesystem=host,
            hooks=host,
            checks=host.checks,
            checkpoints=host.checkpoints,
            surroundings=host,
            clock=host,
            specify=specify,
        )

    def _before(self, effect: e.AnyEffect) -> None:
        self.seen.append(effect)
        if type(effect) in self.trouble:
            raise self.trouble[type(effect)]

    def do(
        self, effect: e.AnyEffect, config: Config = CONFIG, *, again: bool = False
    ) -> Done | Failed:
        return perform(e.Order(5, effect, again), config, self.ports)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def running(stage: Stage) -> Stage:
    for effect in (
        e.CreateLayer("c"),
        e.Mount("c"),
        e.WriteSpec("c", 1, "/merged", ""),
        e.CreateRuntime("c", 1),
        e.StartRuntime("c", 1),
    ):
        assert isinstance(stage.do(effect), Done)
    stage.seen.clear()
    return stage


def fact(outcome: Done | Failed) -> object:
    assert isinstance(outcome, Done), outcome
    assert outcome.ticket == 5
    return outcome.fact


def fault(outcome: Done | Failed) -> Fault:
    assert isinstance(outcome, Failed), outcome
    assert outcome.ticket == 5
    return outcome.fault


def halt(timeout: int, *, frozen: bool = False, process: e.Process | None = PROCESS) -> e.Halt:
    return e.Halt("c", 1, process, MONITOR, 15 if timeout else 9, timeout, frozen)


def test_secrets_are_kept_with_the_layer_and_files_written_before_the_spec(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is never created from a config.json whose files are not there."""
    asked: list[str] = []

    def noted(name: str) -> Callable[..., str]:
        def method(*_: object) -> str:
            asked.append(name)
            return "digest"

        return method

    for name in ("create", "keep_secrets", "write_files", "write_spec"):
        monkeypatch.setattr(stage.host, name, noted(name))
    monkeypatch.setattr(stage.ports.runtime, "expect", noted("expect"))
    assert isinstance(stage.do(e.CreateLayer("c")), Done)
    assert asked == ["create", "keep_secrets"]
    assert fact(stage.do(e.WriteSpec("c", 1, "/merged", ""))) == Saved("digest")
    assert asked[2:] == ["expect", "write_files", "write_spec"], "the runtime hears first"


def test_a_layer_whose_secrets_are_gone_may_have_left_something(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(config: Config) -> None:
        raise FileNotFoundError(2, "No such file", "/token")

    monkeypatch.setattr(stage.host, "keep_secrets", gone)
    outcome = stage.do(e.CreateLayer("c"))
    assert isinstance(outcome, Failed)
    assert (outcome.fault.kind, outcome.fault.dirty) == ("missing", True)


def test_the_spec_is_what_precreate_hooks_make_of_it_and_names_those_still_owed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    hook = Hook("/hook")
    ports = replace(
        stage.ports, specify=lambda *_: Specified(b"spec", precreate=(hook,), poststop=(hook,))
    )
    monkeypatch.setattr(stage.host, "refine", lambda config, spec, hooks: spec + b"%d" % len(hooks))

    def write(config: Config, spec: bytes) -> str:
        written.append(spec)
        return "d"

    monkeypatch.setattr(stage.host, "write_spec", write)
    told = perform(e.Order(5, e.WriteSpec("c", 1, "/merged", "")), CONFIG, ports)
    assert fact(told) == Saved("d", (hook,))
    assert written == [b"spec1"]


PLUGGED = Attachment("net", ip="10.0.0.2")
LINK, DNS = Link("net", "eth0", "", ("10.0.0.2/24",)), Dns(("10.0.0.1",))


def test_a_late_set_up_is_of_that_process_and_its_files_tell_of_it_and_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, facts = Connected("/netns", (LINK,), DNS), Facts(bundle="/b")
    asked: list[object] = []
    names = ("hostname", "hosts", "resolv.conf", "passwd")

    def noted(name: str, answer: object = None) -> Callable[..., object]:
        def method(*words: object) -> object:
            asked.append((name, *words))
            return answer

        return method

    for name, answer in (("connect", made), ("facts", facts), ("rewrite_files", None)):
        monkeypatch.setattr(stage.host, name, noted(name, answer))
    specified = Specified(b"", tuple(File(name, b"") for name in names))
    ports = replace(stage.ports, specify=noted("specify", specified))
    lodging = (("pid", "/pinned"),)
    connect = e.ConnectNetwork("c", 1, PROCESS, "/merged", lodging, (PLUGGED,))
    assert fact(perform(e.Order(5, connect), CONFIG, ports)) == made
    assert asked == [
        ("connect", replace(CONFIG, networks=(PLUGGED,)), 1, PROCESS),
        ("facts", CONFIG, "/merged"),
        (
            "specify",
            CONFIG,
            e.WriteSpec("c", 1, "/merged", "/netns", (LINK,), DNS, lodging),
            facts,
        ),
        ("rewrite_files", CONFIG, [File("hosts", b""), File("resolv.conf", b"")]),
    ]


@pytest.mark.parametrize(
    ("asked", "networks"), [((), (Attachment("net"),)), ((PLUGGED,), (PLUGGED,))]
)
def test_it_is_plugged_in_as_its_config_says_unless_other_addresses_are_asked_for(
    asked: tuple[Attachment, ...],
    networks: tuple[Attachment, ...],
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    joined: list[object] = []

    def join(config: Config, epoch: int) -> Joined:
        joined.extend((config, epoch))
        return Joined("/netns")

    monkeypatch.setattr(stage.host, "join", join)
    config = replace(CONFIG, networks=(Attachment("net"),))
    assert fact(stage.do(e.JoinNetwork("c", 1, False, asked), config)) == Joined("/netns")
    assert joined == [replace(config, networks=networks), 1]


def test_nothing_can_be_set_up_for_an_unknown_process(stage: Stage) -> None:
    outcome = stage.do(e.ConnectNetwork("c", 1, None, "/merged"))
    assert isinstance(outcome, Failed)
    assert outcome.fault == Fault("missing", "no process is known for this run", dirty=False)
    assert stage.seen == []


def test_hooks_of_a_run_are_run_by_the_engine(stage: Stage) -> None:
    effect = e.RunPoststop("c", 1, (Hook("/hook"),))
    assert fact(stage.do(effect)) == Settled()
    assert stage.seen == [effect]


def test_each_effect_brings_back_its_fact(stage: Stage) -> None:
    assert fact(stage.do(e.CreateLayer("c"))) is None
    assert fact(stage.do(e.Mount("c"))) == Mounted("/simulated/c")
    assert fact(stage.do(e.JoinNetwork("c", 1))) == Joined("")
    assert isinstance(fact(stage.do(e.WriteSpec("c", 1, "/merged", ""))), Saved)
    assert fact(stage.do(e.CreateRuntime("c", 1))) == Created(PROCESS, MONITOR)
    assert fact(stage.do(e.Watch("c", 1))) is None
    assert stage.host.world("c").watched == 1
    assert isinstance(fact(stage.do(e.StartRuntime("c", 1))), Launched)
    assert fact(stage.do(e.Signal("c", 1, PROCESS, 10))) is None
    assert fact(stage.do(e.Freeze("c", 1))) is None
    assert stage.host.world("c").frozen
    assert fact(stage.do(e.Thaw("c", 1))) is None
    assert fact(stage.do(halt(10))) == Exited(143, stage.host.now() - 1)
    assert fact(stage.do(e.DeleteRuntime("c", 1, False))) is None
    assert fact(stage.do(e.LeaveNetwork("c", 1))) is None
    assert fact(stage.do(e.Unmount("c"))) is None
    assert fact(stage.do(e.DeleteLayer("c"))) is None
    assert stage.host.world("c").empty


class TestHalt:
    @pytest.fixture(autouse=True)
    def nobody_takes_a_minute(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(performing, "KILL_GRACE", 1.0)

    def test_asks_nicely_first(self, running: Stage) -> None:
        end = fact(running.do(halt(1)))
        assert isinstance(end, Exited) and end.code == 143

    def test_without_patience_kills_at_once(self, running: Stage) -> None:
        end = fact(running.do(e.Halt("c", 1, PROCESS, MONITOR, 15, 0, False)))
        assert isinstance(end, Exited) and end.code == 137
        assert running.seen == [e.Signal("c", 1, PROCESS, 9)]

    def test_of_what_has_ended_sends_nothing(self, running: Stage) -> None:
        running.host.end("c", 7)
        end = fact(running.do(halt(1)))
        assert isinstance(end, Exited) and end.code == 7
        assert running.seen == []

    def test_escalates_when_the_signal_is_ignored(self, running: Stage) -> None:
        end = fact(running.do(e.Halt("c", 1, PROCESS, MONITOR, 10, 1, False)))
        assert isinstance(end, Exited) and end.code == 137
        signals = [effect.signal for effect in running.seen if isinstance(effect, e.Signal)]
        assert signals == [10, 9]

    def test_what_has_no_pid_namespace_of_its_own_is_ended_with_its_first_process(
        self, running: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """L-85, once that one has ended by itself, too."""
        sent: list[tuple[int, e.Process, int]] = []
        signalled = running.host.runtime.signal

        def signal(config: Config, epoch: int, process: e.Process, number: int) -> None:
            sent.append((epoch, process, number))
            signalled(config, epoch, process, number)

        monkeypatch.setattr(running.host.runtime, "signal", signal)
        nicely, all_of_it = (1, PROCESS, 15), (1, PROCESS, 9)
        for pid, expected in (("private", [nicely]), ("host", [nicely, all_of_it])):
            running.do(e.CreateRuntime("c", 1))
            running.do(e.StartRuntime("c", 1))
            config = replace(CONFIG, namespaces=Namespaces(pid=pid))
            end = fact(running.do(halt(10), config))
            assert isinstance(end, Exited) and end.code == 143
            assert sent == expected
            sent.clear()

    def test_thaws_the_frozen_so_that_they_can_die(self, running: Stage) -> None:
        running.do(e.Freeze("c", 1))
        running.seen.clear()
        fact(running.do(halt(0, frozen=True)))
        assert running.seen == [e.Signal("c", 1, PROCESS, 9), e.Thaw("c", 1)]

    def test_a_process_that_went_meanwhile_is_success(
        self, running: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(*_: Any) -> None:
            running.host.end("c", 3)
            raise PortError("missing", "gone", dirty=False)

        monkeypatch.setattr(running.host.runtime, "signal", gone)
        end = fact(running.do(halt(1)))
        assert isinstance(end, Exited) and end.code == 3

    @pytest.mark.parametrize("timeout", [0, 3])
    def test_a_signal_that_meets_nobody_is_sent_again_where_no_end_comes(
        self, running: Stage, monkeypatch: pytest.MonkeyPatch, timeout: int
    ) -> None:
        """A host that says once that there is no such process, and there is (P03)."""
        sent = running.host.runtime.signal
        waited: list[float] = []
        tries = iter([PortError("missing", "not there", dirty=False)])

        def signal(config: Config, epoch: int, process: e.Process, number: int) -> None:
            for problem in tries:
                raise problem
            sent(config, epoch, process, number)

        def await_exit(*run: Any, timeout: float) -> Exited | None:
            waited.append(timeout)
            return running.host.runtime.look(*run)

        monkeypatch.setattr(running.host.runtime, "signal", signal)
        monkeypatch.setattr(running.host.runtime, "await_exit", await_exit)
        end = fact(running.do(e.Halt("c", 1, PROCESS, MONITOR, 15, timeout, False)))
        assert isinstance(end, Exited) and end.code == (143 if timeout else 137)
        assert waited == [performing.NOT_MET, timeout or performing.KILL_GRACE]

    def test_a_signal_that_cannot_be_sent_is_the_fault(self, running: Stage) -> None:
        running.trouble[e.Signal] = PortError("denied", "not yours", dirty=False)
        assert fault(running.do(halt(1))) == Fault("denied", "not yours", False)
        assert running.host.world("c").alive

    def test_outliving_sigkill_is_a_fault(
        self, running: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[float] = []
        monkeypatch.setattr(
            running.host.runtime, "await_exit", lambda *_, timeout: waited.append(timeout)
        )
        ignored = e.Halt("c", 1, PROCESS, MONITOR, 10, 3, False)
        told = Fault("timeout", "it outlived SIGKILL by 1 seconds")
        assert fault(running.do(ignored)) == told
        assert waited == [3, performing.KILL_GRACE]

    def test_with_nobody_to_signal_only_waits(
        self, running: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        end = Exited(0, 1)
        monkeypatch.setattr(running.host.runtime, "await_exit", lambda *_, timeout: end)
        assert fact(running.do(halt(0, process=None))) == end
        assert running.seen == []


def test_a_signal_to_nobody_is_a_clean_fault(stage: Stage) -> None:
    missing = fault(stage.do(e.Signal("c", 1, None, 15)))
    assert missing == Fault("missing", "no process is known for this run", dirty=False)


def test_a_bug_is_not_a_fault(stage: Stage) -> None:
    stage.trouble[e.CreateLayer] = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        stage.do(e.CreateLayer("c"))


def test_an_order_given_again_says_so_to_the_runtime(
    running: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bool] = []

    def create(config: Config, epoch: int, *, again: bool) -> Created:
        heard.append(again)
        return Created(PROCESS, None)

    monkeypatch.setattr(running.host.runtime, "create", create)
    running.do(e.CreateRuntime("c", 1), again=True)
    running.do(e.CreateRuntime("c", 1))
    assert heard == [True, False]


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        *((OSError(getattr(errno, one), one), kind) for kind in ERRNOS for one in ERRNOS[kind]),
        (TimeoutError("slow"), "timeout"),
        (PortError("refused", "no", dirty=False), "refused"),
        (RuntimeError("whatever"), "failed"),
    ],
)
def test_what_the_world_raises_has_a_kind(problem: Exception, kind: str) -> None:
    fault = fault_of(problem)
    assert (fault.kind, fault.reason) == (kind, str(problem))
    assert fault.dirty is (kind != "refused")


def test_unclassified_trouble_is_dirty(stage: Stage) -> None:
    stage.trouble[e.Mount] = OSError(errno.EIO, "broken")
    stage.do(e.CreateLayer("c"))
    assert fault(stage.do(e.Mount("c"))).dirty
