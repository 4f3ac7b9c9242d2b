"""Engines under test, behind one small face: ours, podman and its like, a bare OCI runtime.

A driver looks after one container at a time. What it shows is what a user of that engine would see;
what it is known to do otherwise is said in `deviations`, so that a difference is either listed there
or found.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import msgspec
import sh
from returns.result import Failure, Success

from lockgate.adapters.facts import LocalSurroundings
from lockgate.adapters.filesystem import LocalFilesystem
from lockgate.effects.config import Config
from lockgate.effects.model import WriteSpec
from lockgate.engine import Engine
from lockgate.errors import LockgateError
from lockgate.statemachine import inputs as i
from lockgate.statemachine.spec import generate
from lockgate.statemachine.status import Status, Verb

Deviations = Mapping[tuple[Verb, Status], str]
"""(what is asked, where) → what this engine does otherwise, in words."""

PROGRAM = ("sh", "-c", "trap 'exit 0' TERM; trap : USR1; while :; do sleep 0.02; done")
"""Ends when asked nicely, takes SIGUSR1 for nothing, and does not end by itself."""

COMMANDS: Mapping[Verb, i.Command] = MappingProxyType(
    {
        Verb.INIT: i.Init(),
        Verb.START: i.Start(),
        Verb.STOP: i.Stop(5),
        Verb.KILL: i.Kill(),
        Verb.SIGNAL: i.Kill(int(signal.SIGUSR1)),
        Verb.PAUSE: i.Pause(),
        Verb.UNPAUSE: i.Unpause(),
        Verb.RESTART: i.Restart(5),
        Verb.CLEANUP: i.Cleanup(),
        Verb.REMOVE: i.Remove(),
        Verb.FORCE_REMOVE: i.Remove(force=True, timeout=0),
    }
)
"""What users can ask for."""

CGROUP = "/lockgate-driver"
"""Above those of what a bare runtime runs."""

SETTLED = 5.0
"""Seconds an engine may take to show what has become of a container."""


class Driver(Protocol):
    """One container of an engine under test."""

    @property
    def name(self) -> str: ...

    @property
    def verbs(self) -> frozenset[Verb]:
        """What this engine can be asked for."""
        ...

    @property
    def deviations(self) -> Deviations: ...

    def shows(self, status: Status) -> Status:
        """What this engine calls it: several of ours may be one of its own."""
        ...

    def create(self) -> None:
        """Another container, configured, that runs `PROGRAM`; the last one is gone."""
        ...

    def ask(self, verb: Verb) -> str:
        """Why it is refused or failed; empty when it is done."""
        ...

    def status(self) -> Status:
        """As its user sees it, once it has settled."""
        ...

    def die(self) -> None:
        """The running process ends, and nobody asked the engine for it."""
        ...

    def discard(self) -> None:
        """Remove the container, whatever it does. Nothing is left."""
        ...


class OfLockgate:
    """An `Engine` with an image `busybox`. On the simulated host: the model itself."""

    deviations: Deviations = MappingProxyType({})
    verbs = frozenset(COMMANDS)

    def __init__(self, engine: Engine, image: str = "busybox") -> None:
        self.name = f"lockgate on {engine.description}"
        self._engine, self._image, self._id = engine, image, ""

    def shows(self, status: Status) -> Status:
        return status

    def create(self) -> None:
        self.discard()
        self._id = self._engine.create(image=self._image, command=PROGRAM).id

    def ask(self, verb: Verb) -> str:
        try:
            answer = self._engine.submit(self._id, COMMANDS[verb])
        except LockgateError as problem:
            return str(problem)
        match answer:
            case Success(_):
                return ""
            case Failure(why):
                return str(why)
            case _:
                raise AssertionError(f"a Result is a Success or a Failure, not {answer!r}")

    def status(self) -> Status:
        found = [one.status for one in self._engine.list() if one.id == self._id]
        return found[0] if found else Status.ABSENT

    def die(self) -> None:
        record = self._engine.inspect(self._id)
        if self._engine.simulation:
            self._engine.simulation.end(self._id, 137)
        elif record.process:
            _killed(record.process.pid)
            self._engine.wait(self._id, SETTLED)

    def discard(self) -> None:
        if self._id and self.status() is not Status.ABSENT:
            self._engine.remove(self._id, force=True, timeout=0)


class OfCommand:
    """An engine with podman's command line: `program` is the command with its global options, and
    `options` are added to `create`."""

    verbs = frozenset(COMMANDS)
    deviations: Deviations = MappingProxyType({})

    def __init__(
        self, program: Sequence[str], image: str = "busybox", options: Sequence[str] = ()
    ) -> None:
        self.name = Path(program[0]).name
        # without a terminal between: what it says is read whole
        self._run = sh.Command(program[0]).bake(*program[1:], _tty_out=False)
        self._image, self._options, self._container = image, tuple(options), ""

    _WORDS: Mapping[Verb, tuple[str, ...]] = MappingProxyType(
        {
            Verb.INIT: ("init",),
            Verb.START: ("start",),
            Verb.STOP: ("stop", "-t", "5"),
            Verb.KILL: ("kill",),
            Verb.SIGNAL: ("kill", "-s", "USR1"),
            Verb.PAUSE: ("pause",),
            Verb.UNPAUSE: ("unpause",),
            Verb.RESTART: ("restart", "-t", "5"),
            Verb.CLEANUP: ("container", "cleanup"),
            Verb.REMOVE: ("rm",),
            Verb.FORCE_REMOVE: ("rm", "-f", "-t", "0"),
        }
    )
    _STATUSES: Mapping[str, Status] = MappingProxyType(
        {
            "created": Status.CONFIGURED,
            "initialized": Status.CREATED,
            **{name: Status(name) for name in ("running", "paused", "stopping", "exited")},
            "stopped": Status.STOPPING,  # its exit command is on its way: not settled
        }
    )

    def shows(self, status: Status) -> Status:
        return Status.EXITED if status is Status.STOPPED else status  # it tidies up by itself

    def create(self) -> None:
        self.discard()
        self._container = f"lockgate-{secrets.token_hex(6)}"
        self._run("create", "--name", self._container, *self._options, self._image, *PROGRAM)

    def ask(self, verb: Verb) -> str:
        try:
            self._run(*self._WORDS[verb], self._container)
        except sh.ErrorReturnCode as refused:
            return refused.stderr.decode(errors="replace").strip() or str(refused.exit_code)
        return ""

    def status(self) -> Status:
        deadline = time.monotonic() + SETTLED
        while True:
            try:
                told = str(self._run("inspect", "-f", "{{.State.Status}}", self._container)).strip()
            except sh.ErrorReturnCode:
                return Status.ABSENT
            found = self._STATUSES.get(told, Status.UNKNOWN)
            if found is not Status.STOPPING or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    def die(self) -> None:
        _killed(int(str(self._run("inspect", "-f", "{{.State.Pid}}", self._container))))
        deadline = time.monotonic() + SETTLED
        while self.status() is Status.RUNNING and time.monotonic() < deadline:
            time.sleep(0.02)

    def discard(self) -> None:
        if self._container:
            self._run("rm", "-f", "-i", "-t", "0", self._container)
            self._container = ""


class OfRuntime:
    """A bare OCI runtime (runtime-spec, "Lifecycle") and a root file system, below a `folder`."""

    verbs = frozenset(COMMANDS) - {Verb.STOP, Verb.RESTART, Verb.CLEANUP}
    deviations: Deviations = MappingProxyType(
        {
            (Verb.START, Status.CONFIGURED): "what is not created cannot be started",
            (Verb.START, Status.STOPPED): "a run that is over is deleted first",
            (Verb.INIT, Status.STOPPED): "a run that is over is deleted first",
            (Verb.REMOVE, Status.CONFIGURED): "before it is created there is nothing to delete",
            (Verb.FORCE_REMOVE, Status.CONFIGURED): "deleting by force what is not there succeeds",
            (Verb.SIGNAL, Status.CREATED): "what waits to be started takes signals (runtime-spec)",
            (Verb.PAUSE, Status.CREATED): "what waits to be started may be frozen (runc, crun)",
        }
    )

    def __init__(self, runtime: str, folder: Path, rootfs: Path) -> None:
        self.name = Path(runtime).name
        self._folder, self._rootfs, self._id = folder, rootfs, ""
        self._base = (runtime, "--root", str(folder / "state"))

    def shows(self, status: Status) -> Status:
        """Before it is created it is not known."""
        return Status.ABSENT if status is Status.CONFIGURED else status

    def create(self) -> None:
        self.discard()
        self._id = secrets.token_hex(16)
        self._bundle.mkdir(parents=True)
        config = Config(id=self._id, command=PROGRAM, cgroup_parent=CGROUP)
        effect = WriteSpec(self._id, 1, str(self._rootfs), "")
        filesystem = LocalFilesystem(self._folder)
        facts = LocalSurroundings(self._folder, filesystem).facts(config, effect.mountpoint)
        specified = generate(config, effect, facts)
        filesystem.write_files(config, specified.files)
        filesystem.write_spec(config, specified.spec)

    @property
    def _bundle(self) -> Path:
        return self._folder / "containers" / self._id

    def ask(self, verb: Verb) -> str:
        words: Sequence[str]
        match verb:
            case Verb.INIT:
                words = ("create", "--bundle", str(self._bundle))
            case Verb.KILL | Verb.SIGNAL:
                words = ("kill",)
            case Verb.UNPAUSE:
                words = ("resume",)
            case Verb.REMOVE:
                words = ("delete",)
            case Verb.FORCE_REMOVE:
                words = ("delete", "--force")
            case _:
                words = (str(verb),)
        rest = {Verb.KILL: ("KILL",), Verb.SIGNAL: ("USR1",)}.get(verb, ())
        # a file and no pipe: the container keeps what it is given
        with self._said.open("w+b") as said:
            done = subprocess.run(
                [*self._base, *words, self._id, *rest],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False,
            )  # fmt: skip
            if done.returncode:
                said.seek(0)
                return said.read().decode(errors="replace").strip() or str(done.returncode)
        if verb is Verb.KILL:
            self._awaited(Status.STOPPED)
        return ""

    @property
    def _said(self) -> Path:
        return self._bundle / "said"

    def status(self) -> Status:
        return Status(self._told().status)

    def _told(self) -> "State":
        asked = [*self._base, "state", self._id]
        told = subprocess.run(asked, capture_output=True, check=False)
        return State("absent") if told.returncode else msgspec.json.decode(told.stdout, type=State)

    def _awaited(self, status: Status) -> None:
        deadline = time.monotonic() + SETTLED
        while self.status() is not status and time.monotonic() < deadline:
            time.sleep(0.01)

    def die(self) -> None:
        _killed(self._told().pid)
        self._awaited(Status.STOPPED)

    def discard(self) -> None:
        if self._id:
            gone = [*self._base, "delete", "--force", self._id]
            subprocess.run(gone, capture_output=True, check=False)
            shutil.rmtree(self._bundle, ignore_errors=True)
            self._id = ""


class State(msgspec.Struct):
    """Of what a runtime tells of a container (runtime-spec, "State") what is needed here."""

    status: str
    pid: int = 0


def _killed(pid: int) -> None:
    """End a container's first process from outside; never one that is everybody's."""
    if pid > 1:
        fd = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)
