"""The engine's face, operation by operation, on the simulated host."""

import threading
from pathlib import Path
from typing import Any

import pytest
from returns.result import Failure, Success

from lockgate import (
    AlreadyStopped,
    AmbiguousName,
    Busy,
    Engine,
    Fault,
    IllegalState,
    InvalidArgument,
    NameTaken,
    NoSuchContainer,
    NoSuchImage,
    OperationFailed,
    Record,
    Refused,
    Status,
)
from lockgate.effects import model as e
from lockgate.effects.config import Bind, Namespaces
from lockgate.effects.health import HealthCheck
from lockgate.effects.outcome import PortError
from lockgate.statemachine import Start, Stop, Verb
from lockgate.testing.deaths import Fuse, Killed

from .conftest import Simulation


def events(engine: Engine) -> list[str]:
    return [event.event for event in engine.events()]


def spelled(word: str) -> Any:
    """The same word, and another object."""
    return "".join(list(word))


class TestCreate:
    def test_configures(self, engine: Engine, web: Record) -> None:
        assert web.status is Status.CONFIGURED
        assert len(web.id) == 64
        assert engine.inspect("web") == engine.inspect(web.id) == engine.inspect(web.id[:6]) == web

    def test_takes_from_the_image_what_is_left_empty(self, engine: Engine) -> None:
        config = engine.create(image="busybox", env={"B": "mine"}).config
        assert config.command == ("sh",)
        assert config.env == ("A=image", "B=mine")
        assert config.name == config.id[:12]

    @pytest.mark.parametrize(
        "wishes",
        [
            {"restart": "no"},
            {"health": HealthCheck(command=("true",), on_failure=spelled("none"))},
            {"mounts": (Bind(source="/", destination="/a", propagation=spelled("rprivate")),)},
            {"namespaces": Namespaces(pid=spelled("private"))},
        ],
    )
    def test_what_is_spelled_out_though_it_is_the_default_replays(
        self, engine: Engine, wishes: dict[str, Any]
    ) -> None:
        """As a command line spells it: a string of its own, that is none of the program's."""
        wishes = {name: spelled(one) if one == "no" else one for name, one in wishes.items()}
        web = engine.create(name="web", rootfs="/", command=["sh"], **wishes)
        assert engine.replay("web").unwrap() == web

    def test_a_name_can_be_taken_once(self, engine: Engine, web: Record) -> None:
        with pytest.raises(NameTaken, match=f"'web' is in use by container {web.id[:12]}"):
            engine.create(name="web", image="busybox")
        assert engine.list() == (web,)

    def test_the_name_is_free_again_when_it_is_gone(self, engine: Engine, web: Record) -> None:
        engine.remove("web")
        again = engine.create(name="web", image="busybox")
        assert again.id != web.id

    def test_that_fails_leaves_nothing(self, simulation: Simulation, engine: Engine) -> None:
        simulation.trouble[e.CreateLayer] = PortError("scarce", "the disk is full", dirty=True)
        with pytest.raises(OperationFailed, match="cannot create container web: the disk is full"):
            engine.create(name="web", image="busybox")
        assert engine.list() == ()
        simulation.trouble.clear()
        engine.create(name="web", image="busybox")

    @pytest.mark.parametrize(
        ("wish", "complaint"),
        [
            ({"image": ""}, "give an image or a root filesystem directory"),
            ({"rootfs": "/"}, "give an image or a root filesystem directory"),
            ({"name": "-x"}, "'-x' cannot be a name"),
            ({"name": "../x"}, "cannot be a name"),
            ({"name": "x\n"}, "cannot be a name"),
            ({"name": "x" * 129}, "cannot be a name"),
            ({"log_size": 4095}, "a log of at most 4095 bytes makes no sense"),
            ({"stop_timeout": -1}, "a stop timeout of -1 seconds makes no sense"),
            ({"stop_timeout": 10**12}, "makes no sense"),
            ({"stop_signal": "SIGNOPE"}, "'SIGNOPE' is no signal"),
            ({"stop_signal": 65}, "65 is no signal"),
            ({"memory": 1}, "a memory limit of 1 bytes makes no sense"),
            ({"workdir": "srv"}, "is not an absolute path"),
            ({"user": "a b"}, "is no user"),
            ({"env": ["NOPE"]}, "'NOPE' is no environment entry"),
            ({"env": {"": "x"}}, "is no environment entry"),
            ({"command": "sh -c"}, "is a list of words, not one string"),
            ({"command": ["a\0b"]}, "holds a NUL byte"),
            ({"network": "no net"}, "cannot be a name"),
            ({"labels": {"": "x"}}, "is no label"),
            ({"hostname": "a/b"}, "cannot be a name"),
        ],
    )
    def test_nonsense_is_refused_at_the_door(
        self, engine: Engine, wish: dict[str, object], complaint: str
    ) -> None:
        with pytest.raises(InvalidArgument, match=complaint):
            engine.create(**({"image": "busybox"} | wish))  # type: ignore[arg-type]
        assert engine.list() == ()

    def test_a_missing_image_names_those_there_are(self, engine: Engine) -> None:
        with pytest.raises(NoSuchImage, match=r"'nginx'.*busybox"):
            engine.create(image="nginx")

    def test_a_missing_rootfs_is_refused(self, engine: Engine) -> None:
        with pytest.raises(InvalidArgument, match="is not a directory"):
            engine.create(rootfs="/nowhere/at/all", command=["sh"])

    def test_no_command_anywhere_is_refused(self, engine: Engine, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgument, match="no command is given"):
            engine.create(rootfs=tmp_path)

    def test_importing_what_is_not_there_is_refused(self, engine: Engine) -> None:
        with pytest.raises(InvalidArgument, match="no archive or directory"):
            engine.import_image("x", "/nowhere.tar")


class TestLife:
    def test_from_beginning_to_end(self, simulation: Simulation, engine: Engine) -> None:
        web = engine.create(name="web", image="busybox")
        assert engine.init("web").status is Status.CREATED
        assert engine.start("web").status is Status.RUNNING
        assert engine.pause("web").status is Status.PAUSED
        assert engine.unpause("web").status is Status.RUNNING
        assert engine.stop("web").status is Status.STOPPED
        assert engine.start("web").epoch == 2
        simulation.host.end(web.id, 7)
        assert engine.wait("web") == 7
        assert engine.cleanup("web").status is Status.EXITED
        engine.remove("web")
        assert engine.list() == ()
        assert simulation.host.world(web.id).empty
        assert events(engine) == [
            "create",
            "init",
            "start",
            "pause",
            "unpause",
            "died",
            "stop",
            "cleanup",
            "init",
            "start",
            "died",
            "cleanup",
            "remove",
        ]

    def test_a_refusal_is_one_line_that_says_everything(self, engine: Engine, web: Record) -> None:
        engine.start("web")
        with pytest.raises(IllegalState) as caught:
            engine.start("web")
        assert str(caught.value) == (
            "cannot start container web: it is running; "
            "legal now: stop, kill, signal, pause, restart, checkpoint, checkpoint --leave-running, "
            "update, mount, remove --force (it runs already)"
        )
        with pytest.raises(IllegalState, match="stop it first, or remove it with force"):
            engine.remove("web")

    def test_submit_answers_without_exceptions(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        match engine.submit("web", Stop()):
            case Failure(Refused(verb, status)):
                assert (verb, status) == (Verb.STOP, Status.CONFIGURED)
            case other:
                raise AssertionError(other)
        simulation.trouble[e.CreateRuntime] = PortError("missing", "no such command", dirty=False)
        assert engine.submit("web", Start()) == Failure(Fault("missing", "no such command", False))
        simulation.trouble.clear()
        assert isinstance(engine.submit("web", Start()), Success)

    def test_a_failed_start_takes_everything_back(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        simulation.trouble[e.StartRuntime] = PortError("failed", "exec format error")
        with pytest.raises(OperationFailed, match="cannot start container web: exec format error"):
            engine.start("web")
        world = simulation.host.world(web.id)
        assert (world.mounted, world.network, world.runtime) == (False, False, "absent")
        assert engine.inspect("web").status is Status.CONFIGURED

    def test_stopping_what_does_not_run_is_its_own_kind_of_no(
        self, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        engine.stop("web")
        with pytest.raises(AlreadyStopped, match="web is stopped already"):
            engine.stop("web")
        assert engine.inspect("web").stopped_by_user

    def test_a_stop_that_ended_a_run_it_had_not_seen_is_a_stop(
        self, simulation: Simulation, engine: Engine, web: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Somebody starts it between our look and our lock."""
        engine.start("web")
        engine.stop("web")
        seen = engine.inspect("web")
        simulation.engine().start("web")
        monkeypatch.setattr(engine, "inspect", lambda reference: seen)
        assert engine.stop("web").epoch == 2

    def test_also_one_that_was_being_begun_and_was_cleaned_up_since(
        self, simulation: Simulation, engine: Engine, web: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """We look while somebody begins another run, which our stop ends; and before we hear of that
        somebody else cleans up: it has exited in run 2, as it had when we looked (P12)."""
        engine.start("web")
        engine.stop("web")
        with pytest.raises(Killed):
            simulation.engine(Fuse(place="before CreateRuntime")).start("web")
        seen = engine.inspect("web")
        other = simulation.engine()
        other.sync("web")

        def stopped(reference: str, command: Stop) -> Record:
            other.submit(reference, command)
            return other.cleanup(reference)

        monkeypatch.setattr(engine, "inspect", lambda reference: seen)
        monkeypatch.setattr(engine, "_command", stopped)
        after = engine.stop("web")
        assert (seen.status, seen.epoch) == (after.status, after.epoch) == (Status.EXITED, 2)

    def test_a_removal_that_somebody_else_finished_is_one(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        with pytest.raises(Killed):
            simulation.engine(Fuse(place="before DeleteLayer")).remove("web")
        assert engine.remove("web").gone
        with pytest.raises(NoSuchContainer):
            engine.remove("web")

    def test_remove_with_force_ends_it_first(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        engine.remove("web", force=True, timeout=0)
        assert engine.wait(web.id) == 137
        assert simulation.host.world(web.id).empty

    def test_signals(self, engine: Engine, web: Record) -> None:
        engine.start("web")
        assert engine.kill("web", "SIGUSR1").status is Status.RUNNING
        assert engine.kill("web").status is Status.STOPPED
        assert engine.inspect("web").exit_code == 137
        with pytest.raises(InvalidArgument, match="is no signal"):
            engine.kill("web", "SIGNIFICANT")


class TestWait:
    def test_of_what_never_ran_is_zero(self, engine: Engine, web: Record) -> None:
        assert engine.wait("web") == 0

    def test_gives_up_when_asked_to(self, engine: Engine, web: Record) -> None:
        engine.start("web")
        with pytest.raises(TimeoutError, match="web has not ended"):
            engine.wait("web", timeout=0.01)

    def test_hears_of_an_end_nobody_told_the_engine_of(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        ender = threading.Timer(0.05, simulation.host.end, (web.id, 3))
        ender.start()
        assert engine.wait("web", timeout=10) == 3
        ender.join()

    def test_many_waiters_hear_the_same(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        heard: list[int] = []
        waiters = [
            threading.Thread(target=lambda: heard.append(engine.wait(web.id, timeout=10)))
            for _ in range(5)
        ]
        for waiter in waiters:
            waiter.start()
        engine.remove("web", force=True, timeout=0)
        for waiter in waiters:
            waiter.join()
        assert heard == [137] * 5
        assert engine.wait(web.id) == 137  # and the late ones


class TestWaitFor:
    def test_what_is_true_is_not_waited_for(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox")
        assert engine.wait_for("web", ["running", "configured"], 0) == "configured"

    def test_a_status(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox")
        threading.Timer(0.03, engine.start, ["web"]).start()
        assert engine.wait_for("web", ["running"], 10) == "running"

    def test_an_end_nobody_told_the_engine_of(self, engine: Engine) -> None:
        web = engine.create(name="web", image="busybox")
        engine.start("web")
        assert engine.simulation is not None
        threading.Timer(0.03, engine.simulation.end, [web.id, 3]).start()
        assert engine.wait_for("web", ["stopped", "exited"], 10) == "stopped"

    @pytest.mark.parametrize("state", ["created", "paused", "stopped", "exited"])
    def test_what_it_was_for_a_moment_only(
        self, engine: Engine, state: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """L-20: it is running whenever anybody looks."""
        engine.create(name="web", image="busybox")
        engine.start("web")
        look, looks = engine._present, iter(range(2))

        def between(container: str) -> Record | None:
            if next(looks, None) == 1:
                engine.pause("web")
                engine.unpause("web")
                engine.restart("web", timeout=0)
            return look(container)

        monkeypatch.setattr(engine, "_present", between)
        assert engine.wait_for("web", [state, "removed"], 10) == state

    def test_the_first_of_several(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        engine.create(name="web", image="busybox")
        look = engine._present

        def life(container: str) -> Record | None:
            engine.start("web")
            engine.kill("web")
            return look(container)

        monkeypatch.setattr(engine, "_present", life)
        assert engine.wait_for("web", ["stopped", "running", "exited"], 10) == "running"

    def test_its_removal(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox")
        threading.Timer(0.03, engine.remove, ["web"]).start()
        assert engine.wait_for("web", ["removed"], 10) == "removed"

    def test_that_it_goes_meanwhile(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox")
        threading.Timer(0.03, engine.remove, ["web"]).start()
        with pytest.raises(NoSuchContainer):
            engine.wait_for("web", ["running"], 10)

    def test_not_for_ever(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox")
        with pytest.raises(TimeoutError, match="web is configured after"):
            engine.wait_for("web", ["running"], 0.02)

    def test_for_nothing_that_cannot_be(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox")
        with pytest.raises(InvalidArgument, match="'up' is nothing to wait for; there are: conf"):
            engine.wait_for("web", ["running", "up"])


class TestLooking:
    def test_a_listing_notices_what_has_ended(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        simulation.host.end(web.id, 4)
        (seen,) = engine.list()
        assert (seen.status, seen.exit_code) == (Status.STOPPED, 4)

    @pytest.mark.parametrize("problem", [OSError(24, "no files left"), PortError("failed", "no")])
    def test_where_it_cannot_be_told_whether_it_has_ended_nothing_changes(
        self,
        problem: Exception,
        simulation: Simulation,
        engine: Engine,
        web: Record,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        engine.start("web")
        simulation.host.end(web.id, 4)

        def look(*run: object) -> None:
            raise problem

        with monkeypatch.context() as patched:
            patched.setattr(simulation.host.runtime, "look", look)
            assert engine.sync("web").status is Status.RUNNING
            assert [one.status for one in engine.list()] == [Status.RUNNING]
        assert engine.sync("web").status is Status.STOPPED

    def test_a_listing_does_not_wait_for_the_busy(
        self, simulation: Simulation, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        simulation.host.end(web.id, 4)
        listed: list[Record] = []
        with simulation.wiring.locks.hold(web.id):
            looker = threading.Thread(target=lambda: listed.extend(engine.list()))
            looker.start()
            looker.join(10)
        (seen,) = listed
        assert seen.status is Status.RUNNING  # as it was; its end is written down when it is free

    def test_prefixes_must_be_unambiguous(self, engine: Engine) -> None:
        made = [engine.create(image="busybox") for _ in range(17)]
        with pytest.raises(NoSuchContainer, match="no container has the name or id 'nope'"):
            engine.inspect("nope")
        with pytest.raises(NoSuchContainer):
            engine.inspect("")
        shared = next(one.id[0] for one in made if sum(two.id[0] == one.id[0] for two in made) > 1)
        with pytest.raises(AmbiguousName, match="give more of the id"):
            engine.inspect(shared)

    def test_events_are_numbered_without_gaps_and_can_be_followed(
        self, engine: Engine, web: Record
    ) -> None:
        engine.start("web")
        engine.kill("web")
        numbers = [event.number for event in engine.events()]
        assert numbers == list(range(1, len(numbers) + 1))
        followed = list(engine.follow(after=2, timeout=0.05))
        assert [event.event for event in followed] == ["start", "died", "kill"]
        assert followed[1].exit_code == 137

    def test_a_history_replays_to_the_same_record(self, engine: Engine, web: Record) -> None:
        engine.start("web")
        engine.remove("web", force=True)
        entries = list(engine.history(web.id))
        assert [line.seq for line in entries] == list(range(len(entries)))
        match engine.replay("web"):
            case Success(Record() as record):
                assert record.gone
            case other:
                raise AssertionError(other)

    def test_the_same_program_gives_the_same_history(self, tmp_path: Path) -> None:
        def orders() -> list[object]:
            with Engine.simulated() as engine:
                engine.import_image("b", tmp_path, command=["sh"])
                web = engine.create(image="b")
                engine.start(web.id)
                engine.remove(web.id, force=True)
                return [(line.at, type(line.given)) for line in engine.history(web.id)]

        assert orders() == orders()


class TestTogether:
    def test_two_stops_and_a_kill_agree(
        self, simulation: Simulation, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        web = engine.create(name="web", image="busybox", command=["x"], stop_signal="USR1")
        engine.start("web")
        stopping = threading.Event()
        seen = simulation.host.before

        def before(effect: e.AnyEffect) -> None:
            seen(effect)
            if isinstance(effect, e.Signal):
                stopping.set()

        simulation.host.before = before
        results: list[Status] = []
        stopper = threading.Thread(target=lambda: results.append(engine.stop("web", 30).status))
        stopper.start()
        assert stopping.wait(10)
        assert engine.inspect("web").status is Status.STOPPING
        assert engine.kill("web", "USR2").status is Status.STOPPING  # beside it
        with pytest.raises(Busy, match="another operation is in flight"):
            engine.start("web")
        assert engine.kill("web").status is Status.STOPPED
        stopper.join(10)
        assert results == [Status.STOPPED]
        assert engine.wait(web.id) == 137

    def test_many_starts_are_one(self, simulation: Simulation, engine: Engine, web: Record) -> None:
        outcomes: list[str] = []

        def start() -> None:
            try:
                engine.start("web")
                outcomes.append("started")
            except IllegalState:
                outcomes.append("refused")

        starters = [threading.Thread(target=start) for _ in range(6)]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join()
        assert sorted(outcomes) == ["refused"] * 5 + ["started"]
        assert sum(isinstance(effect, e.CreateRuntime) for effect in simulation.seen) == 1
