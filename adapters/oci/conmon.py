"""Ports `Runtime` and `Monitor`: an OCI runtime under conmon, one monitor a run.

One rule keeps it simple: the world is asked, never remembered. Nothing is kept between two calls
but where things are; so any process may make the next call, after any crash.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import SIGKILL
from typing import TypeAlias

from lockgate.adapters.oci import exits
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.command import RuntimeCommand, State, kind_of
from lockgate.adapters.oci.fifo import let_go
from lockgate.adapters.oci.launch import command_line, exit_command, failure, heard, launch
from lockgate.adapters.oci.process import identify, send
from lockgate.adapters.oci.removal import Removal
from lockgate.adapters.oci.run import Run
from lockgate.effects.config import Config, cgroup
from lockgate.effects.model import Process
from lockgate.effects.outcome import Created, Exited, Fault, PortError
from lockgate.effects.perform import fault_of

AtExit: TypeAlias = Callable[[Config, int], Sequence[str]]

CREATE_PATIENCE = 240.0
"""Seconds the monitor may take to answer (MAP §3.3.5)."""


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
        self._at_exit = at_exit

    # ---- Runtime -------------------------------------------------------------------------

    def create(self, config: Config, epoch: int, *, again: bool) -> Created:
        """As the port says. A failed attempt removes what it made; its fault is then clean, and
        of kind "missing" or "denied" when the container's command is not there or not executable.
        """
        run = self._run(config, epoch)
        self._cgroups.directories(cgroup(config))  # refuses a path that could lead elsewhere
        if again:
            if adopted := self._adopted(run):
                return adopted
            for each in (run, *run.others()):
                self._removal(config, each).demolish(None, None)
        elif run.exists() or self._command.knows(run.container):
            reason = f"the runtime knows a container {run.container} already: delete it first"
            raise PortError("refused", reason, dirty=False)
        try:
            return self._created(config, run)
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
        froze them: what is killed is thawed."""
        send(process, signal)
        if signal == SIGKILL:
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

    # ---- Monitor -------------------------------------------------------------------------

    def look(
        self, config: Config, epoch: int, process: Process | None, monitor: Process | None
    ) -> Exited | None:
        return exits.look(self._run(config, epoch), process, monitor)

    def await_exit(
        self,
        config: Config,
        epoch: int,
        process: Process | None,
        monitor: Process | None,
        timeout: float | None,
    ) -> Exited | None:
        """As the port says. Raises `PortError("missing")` when the run is removed meanwhile."""
        return exits.await_exit(self._run(config, epoch), process, monitor, timeout)

    # ---- create, in steps ----------------------------------------------------------------

    def _created(self, config: Config, run: Run) -> Created:
        deadline = time.monotonic() + self._patience
        run.make()
        line = command_line(run, config, self._conmon, self._command)
        line += exit_command(self._at_exit(config, run.epoch))
        said = launch(run, config, line, self._command, self._cgroups, deadline)
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

    def _adopted(self, run: Run) -> Created | None:
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
        if pid <= 1 or self._command.state(run.container) != State("created", pid):
            return None
        process, monitor = identify(pid), run.monitor(search=True)
        return Created(process, monitor) if process and monitor else None

    def _undone(self, config: Config, run: Run, fault: Fault) -> PortError:
        """The fault of an attempt, after everything of it is removed; dirty if that failed."""
        try:
            self._removal(config, run).demolish(None, None)
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
