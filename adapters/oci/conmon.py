"""Ports `Runtime` and `Monitor`: an OCI runtime under conmon, one monitor a run.

One rule keeps it simple: the world is asked, never remembered. Nothing is kept between two calls
but where things are; so any process may make the next call, after any crash.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import SIGKILL
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from lockgate.adapters.checkpoints import IMAGE, WORK, Kept
from lockgate.adapters.oci import exits
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.choice import unable
from lockgate.adapters.oci.command import Ran, RuntimeCommand, Standing, State, kind_of
from lockgate.adapters.oci.criu import Criu, complaint_of_criu, look_for_criu, runtime_obstacle
from lockgate.adapters.oci.fifo import let_go
from lockgate.adapters.oci.grace import Grace
from lockgate.adapters.oci.launch import (
    command_line,
    exit_command,
    failure,
    heard,
    launch,
    restoring,
)
from lockgate.adapters.oci.limits import Changes, changes, in_words_of, lasting
from lockgate.adapters.oci.pods import PodCgroup
from lockgate.adapters.oci.process import go_on, identify, send
from lockgate.adapters.oci.removal import KILL_PATIENCE, Removal
from lockgate.adapters.oci.run import Run
from lockgate.effects.config import Config, Limits, cgroup
from lockgate.effects.model import CheckpointRuntime, Process, RestoreRuntime
from lockgate.effects.outcome import Created, Exited, Fault, PortError
from lockgate.effects.perform import fault_of

AtExit: TypeAlias = Callable[[Config, int], Sequence[str]]

CREATE_PATIENCE = 240.0
"""Seconds the monitor may take to answer (MAP §3.3.5)."""

CHECKPOINT_PATIENCE = 600.0
"""Seconds it may take to write down, or to read, all the memory of a container."""


def unattended(config: Config, epoch: int) -> Sequence[str]:
    """Nobody is called when a run is over."""
    return ()


class ConmonRuntime:
    """Implements `Runtime` and `Monitor` below `root`, which must be absolute; thread safe.

    Bundles are `root/containers/<id>`, with the config.json that somebody else wrote; runs are
    `root/run/<id>/<epoch>`; the runtime keeps its records in `root/runtime`. `cgroups` defaults to
    those mounted where and when this is constructed. `environment` replaces what runtimes and
    hooks are given of ours. `at_exit` gives the command that the monitor is to call when a run
    of this epoch is over, empty for none.
    """

    def __init__(
        self,
        root: Path,
        runtime: Path | str,
        conmon: Path | str,
        *,
        cgroups: Cgroups | None = None,
        environment: dict[str, str] | None = None,
        patience: float = CREATE_PATIENCE,
        at_exit: AtExit = unattended,
    ) -> None:
        if not root.is_absolute():
            raise ValueError(f"the root must be an absolute path, not {root}")
        self._root, self._conmon, self._patience = root, Path(conmon), patience
        self._command = RuntimeCommand(Path(runtime), root / "runtime", environment)
        self._cgroups = Cgroups.here() if cgroups is None else cgroups
        self._grace = Grace(self._cgroups)
        self._at_exit = at_exit
        self._criu: Criu | None = None

    # ---- Runtime -------------------------------------------------------------------------

    def expect(self) -> None:
        self._grace.expect()

    def create(self, config: Config, epoch: int, *, again: bool) -> Created:
        """As the port says. A failed attempt removes what it made; its fault is then clean, and
        of kind "missing" or "denied" when the container's command is not there or not executable.
        """
        run = self._run(config, epoch)
        self._cgroups.directories(cgroup(config))  # refuses a path that could lead elsewhere
        if why := unable(self._command.path, config):
            raise PortError("refused", why, dirty=False)
        if again:
            if adopted := self._adopted(run, "created"):
                return adopted
            for each in (run, *run.others()):
                self._removal(config, each).demolish(None, None)
        else:
            self._forgotten(config, run)
        try:
            return self._created(config, run, self._command)
        except (PortError, OSError) as problem:
            raise self._undone(config, run, fault_of(problem)) from problem

    def start(self, config: Config, epoch: int, *, again: bool) -> None:
        """As the port says: by hand where we know how, else by the runtime's command. What a failed
        one did is read from the state it left."""
        run = self._present(config, epoch)
        if self._let_go(run):
            return
        ran = self._command.run("start", run.container)
        if ran.code == 0:
            return
        match self._command.state(run.container).status:
            case "running" | "paused" if again:
                return
            case "running" | "paused":
                raise PortError("refused", f"it was started before: {ran.complaint}", dirty=False)
            case "stopped" if again:
                return
            case "stopped":  # before it was let run, or just after: its exit tells
                raise PortError("refused", f"it has ended: {ran.complaint}")
            case "created":
                raise PortError(kind_of(ran.complaint), ran.complaint, dirty=False)
            case "unknown":
                raise PortError("missing", f"there is nothing to start: {ran.complaint}")

    def _let_go(self, run: Run) -> bool:
        first = identify(run.pid())
        if first is None or not self._command.knows(run.container):
            return False
        record = self._command.record(run.container)
        return let_go(self._command.name, record, run.bundle, first) == "started"

    def signal(self, config: Config, epoch: int, process: Process, signal: int) -> None:
        """As the port says: by pidfd, after the identity was checked. The frozen cannot die, whoever
        froze them: what is killed is thawed. A monitor that somebody has stopped would never tell
        of it: it goes on. Without a pid namespace of its own all of its cgroup is killed."""
        if signal != SIGKILL:
            return send(process, signal)
        run = self._run(config, epoch)
        if monitor := run.monitor():
            go_on(monitor)
        if config.namespaces.pid != "private":
            self._cgroups.kill(cgroup(config), KILL_PATIENCE, run.exists)
        send(process, signal)
        self._cgroups.thaw(cgroup(config))

    def freeze(self, config: Config, epoch: int) -> None:
        """Stop all of its processes from running. Frozen already is success. A container that has
        ended is "missing", cleanly."""
        run = self._present(config, epoch)
        if not cgroup(config):
            reason = "it has no cgroup, and nothing else can freeze it: see `lockgate doctor`"
            raise PortError("refused", reason, dirty=False)
        ran = self._command.run("pause", run.container)
        if ran.code == 0:
            return
        match self._command.state(run.container).status:
            case "paused":
                return
            case "created" | "running":
                raise PortError("failed", f"cannot freeze it: {ran.complaint}")
            case "stopped" | "unknown":
                raise PortError("missing", f"nothing to freeze: {ran.complaint}", dirty=False)

    def thaw(self, config: Config, epoch: int) -> None:
        run = self._run(config, epoch)
        if run.foreign() or not self._command.knows(run.container):
            return
        ran = self._command.run("resume", run.container)
        if ran.code != 0 and self._command.state(run.container).status == "paused":
            raise PortError("failed", f"cannot thaw it: {ran.complaint}")

    def obstacle(self) -> str:
        return self._checkpoints().why

    def checkpoint(self, config: Config, effect: CheckpointRuntime) -> None:
        """As the port says. What an earlier attempt has begun, whoever died over it, is waited for and
        then begun anew; what froze meanwhile is thawed."""
        run = self._present(config, effect.epoch)
        kept = Kept(self._root, run.container)
        with kept.alone() as lock:
            if effect.number in kept.numbers():
                return
            criu = self._able()
            kept.begin()
            try:
                self._dumped(run, effect, kept, criu, lock)
            except BaseException:
                self._cgroups.thaw(cgroup(config))
                kept.discard()
                raise
            kept.finish(effect.number)

    def _dumped(
        self, run: Run, effect: CheckpointRuntime, kept: Kept, criu: Criu, lock: int
    ) -> None:
        command = self._command.finding(criu.path and criu.path.parent)
        ran = command.run(
            "checkpoint",
            *("--image-path", str(kept.draft / IMAGE), "--work-path", str(kept.draft / WORK)),
            *(["--leave-running"] if effect.leave_running else []),
            *(["--tcp-established"] if effect.tcp_established else []),
            "--file-locks",
            run.container,
            patience=CHECKPOINT_PATIENCE,
            keeping=(lock,),
        )
        if ran.code != 0:
            said = complaint_of_criu(kept.draft / WORK / "dump.log")
            why = f"{ran.complaint}{f' ({said})' if said else ''}"
            raise PortError("failed", f"{command.name} cannot write it down: {why}", dirty=False)
        if not effect.keep:
            kept.forget_log()

    def restore(self, config: Config, effect: RestoreRuntime, *, again: bool) -> Created:
        """As the port says. A failed attempt removes what it made; its fault is then clean."""
        run = self._run(config, effect.epoch)
        self._cgroups.directories(cgroup(config))
        kept = Kept(self._root, run.container)
        with kept.alone():
            newest = kept.newest()
            if newest is None:
                reason = f"container {config.name or run.container[:12]} has no checkpoint"
                raise PortError("missing", reason, dirty=False)
            criu = self._able()
            if again:
                if adopted := self._adopted(run, "running"):
                    return adopted
                if exits.reported(run) is not None:
                    raise PortError("refused", "it was restored, and has ended since")
                for each in (run, *run.others()):
                    self._removal(config, each).demolish(None, None)
            else:
                self._forgotten(config, run)
            tcp = ["--tcp-established"] if effect.tcp_established else []
            options = restoring(newest / IMAGE, run.directory, "--file-locks", *tcp)
            command = self._command.finding(criu.path and criu.path.parent)
            try:
                return self._created(config, run, command, options)
            except (PortError, OSError) as problem:
                raise self._undone(config, run, fault_of(problem)) from problem

    def _checkpoints(self) -> Criu:
        """Looked at once: neither kernel nor criu is replaced while we live."""
        if self._criu is None:
            why = runtime_obstacle(self._command)
            self._criu = Criu(None, why) if why else look_for_criu()
        return self._criu

    def _able(self) -> Criu:
        criu = self._checkpoints()
        if criu.why:
            raise PortError("missing", f"there are no checkpoints here: {criu.why}", dirty=False)
        return criu

    def update(self, config: Config, epoch: int, memory: int, limits: Limits) -> None:
        """As the port says. What can be taken back comes first, and is taken back when one of the
        others is refused; of several of these, nobody can tell which were."""
        run = self._present(config, epoch)
        wanted = replace(config, memory=memory, limits=limits)
        last = lasting(config, limits)
        self._still(run, "its run is over")  # some runtimes limit the dead as well
        for stage in filter(None, (changes(config, memory, limits), last)):
            ran = self._updated(run, stage)
            if ran.code == 0:
                continue
            self._still(run, ran.complaint)
            back = changes(wanted, config.memory, config.limits)
            undone = not back or self._updated(run, back).code == 0
            sure = stage is not last or sum(map(len, last.values())) == 1
            reason = f"its limits stay as they are: {ran.complaint}"
            raise PortError("refused", reason, dirty=not (undone and sure))

    def _still(self, run: Run, complaint: str) -> None:
        """Raises `PortError("missing")`, clean, where nothing is left to be updated."""
        if self._command.state(run.container).status in ("stopped", "unknown"):
            raise PortError("missing", f"nothing to update: {complaint}", dirty=False)

    def _updated(self, run: Run, wanted: Changes) -> Ran:
        document = msgspec.json.encode(in_words_of(self._command.name, wanted))
        return self._command.run(
            "update", "--resources", "/dev/stdin", run.container, stdin=document
        )

    def delete(
        self,
        config: Config,
        epoch: int,
        *,
        force: bool,
        process: Process | None,
        monitor: Process | None,
    ) -> None:
        """As the port says. Also right where the runtime's records are damaged, and where nobody
        knows what an interrupted create has left: what stands in its cgroup and what its monitor
        began is found, killed and removed."""
        run = self._run(config, epoch)
        runs = (run,) if epoch else (*run.others(), run)
        if epoch and run.foreign():
            return
        for each in runs:
            removal = self._removal(config, each)
            if not force and (living := removal.living(process)):
                name = config.name or run.container
                reason = f"{name} lives (process {living}): stop it, or force"
                raise PortError("refused", reason, dirty=False)
            removal.demolish(process, monitor)
        PodCgroup(self._cgroups, config).left()

    # ---- Monitor -------------------------------------------------------------------------

    def look(
        self, config: Config, epoch: int, process: Process | None, monitor: Process | None
    ) -> Exited | None:
        return self._told(config, exits.look(self._run(config, epoch), process, monitor))

    def await_exit(
        self,
        config: Config,
        epoch: int,
        process: Process | None,
        monitor: Process | None,
        timeout: float | None,
    ) -> Exited | None:
        """As the port says. Raises `PortError("missing")` when the run is removed meanwhile."""
        end = exits.await_exit(self._run(config, epoch), process, monitor, timeout)
        return self._told(config, end)

    def _told(self, config: Config, end: Exited | None) -> Exited | None:
        """The monitor may not have lived to hear of it, or been too late: the kernel has counted, as
        long as the run's cgroup is there."""
        if end is None or end.oom or not self._cgroups.killed_for_memory(cgroup(config)):
            return end
        return replace(end, oom=True)

    # ---- create, in steps ----------------------------------------------------------------

    def _created(
        self, config: Config, run: Run, command: RuntimeCommand, options: Sequence[str] = ()
    ) -> Created:
        deadline = time.monotonic() + (CHECKPOINT_PATIENCE if options else self._patience)
        run.make()
        line = command_line(run, config, self._conmon, command)
        line += [*options, *exit_command(self._at_exit(config, run.epoch))]
        self._grace.expect()
        with PodCgroup(self._cgroups, config).made():
            said = launch(run, config, line, command, self._cgroups, deadline)
            answer = None if said else heard(run, deadline)
        if answer is None or answer.data <= 1:
            why = failure(run, answer, said)
            raise PortError(kind_of(why), f"{self._command.name} cannot create it: {why}")
        process, monitor = identify(answer.data), run.monitor()
        if process is None:
            raise PortError("failed", f"process {answer.data} ended before it could be started")
        if monitor is None:  # nobody would ever report its exit (HOST §1)
            raise PortError("failed", "the monitor ended before the container could be started")
        return Created(process, monitor)

    def _forgotten(self, config: Config, run: Run) -> None:
        """What is left of runs that nobody remembers, because a disk has lost what it had synced, is
        removed. Raises `PortError("refused")`, cleanly, while one of them lives."""
        if not (run.exists() or self._command.knows(run.container)):
            return
        for each in (run, *run.others()):
            removal = self._removal(config, each)
            if living := removal.living(None):
                reason = f"the runtime knows a container {run.container} already (process {living})"
                raise PortError("refused", f"{reason}: delete it first", dirty=False)
            removal.demolish(None, None)

    def _adopted(self, run: Run, standing: Standing) -> Created | None:
        """What an earlier attempt has made or is still making, if that is whole."""
        if not run.exists():
            return None
        pid = run.pid()
        if not pid:  # the runtime is not done, or its word is lost
            try:
                answer = heard(run, time.monotonic() + self._patience, search=True)
            except TimeoutError:
                return None
            pid = answer.data if answer else 0
        if pid <= 1 or self._command.state(run.container) != State(standing, pid):
            return None
        process, monitor = identify(pid), run.monitor(search=True)
        return Created(process, monitor) if process and monitor else None

    def _undone(self, config: Config, run: Run, fault: Fault) -> PortError:
        """The fault of an attempt, after everything of it is removed; dirty if that failed."""
        try:
            self._removal(config, run).demolish(None, None)
            PodCgroup(self._cgroups, config).left()
        except (PortError, OSError):
            return PortError(fault.kind, fault.reason, dirty=True)
        return PortError(fault.kind, fault.reason, dirty=False)

    # ---- where things are ----------------------------------------------------------------

    def _run(self, config: Config, epoch: int) -> Run:
        return Run.of(self._root, config.id, epoch)

    def _present(self, config: Config, epoch: int) -> Run:
        run = self._run(config, epoch)
        if run.foreign():
            raise PortError("missing", f"run {epoch} of it is over: another began", dirty=False)
        return run

    def _removal(self, config: Config, run: Run) -> Removal:
        return Removal(run, cgroup(config), self._command, self._cgroups)
