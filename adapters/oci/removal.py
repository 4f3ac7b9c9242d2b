"""Taking a run away, whatever is left of it: processes, the runtime's record, cgroups, monitor,
files; in that order, so that what is needed to find the rest goes last.

One rule: the runtime is asked first and believed never. Where its record is damaged or its
`delete` fails, the same things are found by their names and removed by hand (FAULTS rows k and m).
"""

import signal
from contextlib import suppress

from msgspec import Struct

from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.command import RuntimeCommand
from lockgate.adapters.oci.exits import reported
from lockgate.adapters.oci.process import (
    alive,
    descendants,
    end,
    go_on,
    identify,
    send,
    wait_gone,
)
from lockgate.adapters.oci.run import Run
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError

KILL_PATIENCE = 10.0
"""Seconds a process may take to go after SIGKILL."""

MONITOR_PATIENCE = 5.0
"""Seconds the monitor may take to drain the output and report, once the container is dead."""

REPORTED_PATIENCE = 0.1
"""Seconds it may take to go when it has. It may be waiting for the command it calls at the end, and
that one for the lock we hold."""


class Removal(Struct, frozen=True):
    """Of one run. All methods may be repeated: what is gone already is no error."""

    run: Run
    cgroup: str
    command: RuntimeCommand
    cgroups: Cgroups

    def living(self, process: Process | None) -> int:
        """The pid of a process of this container that lives; 0 when there is none."""
        if process is not None:
            return process.pid if alive(process) else 0
        state = self.command.state(self.run.container)
        if state.status in ("created", "running", "paused"):
            return state.pid
        return min(self.cgroups.members(self.cgroup), default=0)

    def demolish(self, process: Process | None, monitor: Process | None) -> None:
        """Kill everything of this run and remove everything it has left.

        Raises `PortError("timeout")` when something outlives SIGKILL, `OSError` when a directory
        cannot be removed; calling again continues.
        """
        if process is None:
            process = self._first()
        if process is None and monitor is None:
            self._stop_making()
        if process is not None and alive(process):
            self._kill(process)
        self._unregister()
        self.cgroups.remove(self.cgroup, KILL_PATIENCE)
        self._dismiss(monitor or self.run.monitor(), self.run)
        for session in self.run.sessions():  # else their monitors write where we remove
            self._dismiss(session.monitor(), session)
        self.run.clear_bundle()
        self.run.remove()

    def _first(self) -> Process | None:
        """The first process, where only the runtime knows it."""
        pid = self.command.state(self.run.container).pid
        return identify(pid) if pid > 1 else None

    def _stop_making(self) -> None:
        """End a create that is still under way: the runtime, what it has begun, and the monitor.
        One that has answered needs no looking for: it ends when its container does."""
        if not self.run.exists() or self.run.answer() is not None:
            return
        while monitor := self.run.monitor(search=True):
            with suppress(PortError):  # stopped, it begins nothing new, and inherits every orphan
                send(monitor, signal.SIGSTOP)
            while family := descendants(monitor):
                for each in family:
                    self._ended(each)
            self._ended(monitor)

    def _kill(self, process: Process) -> None:
        """SIGKILL, then thaw: the frozen die when they wake (HOST §2)."""
        if not end(process, 0.0):
            self.cgroups.thaw(self.cgroup)
            self._ended(process)

    def _unregister(self) -> None:
        """Make the runtime forget it. `--force` only as a second thought: runc's takes 107 ms. A
        runtime that hangs or is not there any more keeps nothing from being removed (FAULTS P05).
        """
        container = self.run.container
        for arguments in ((container,), ("--force", container)):
            if not self.command.knows(container):
                return
            try:
                if self.command.run("delete", *arguments).code == 0:
                    break
            except PortError:
                break
            self.cgroups.kill(self.cgroup, KILL_PATIENCE)
        self.command.forget(container)

    def _dismiss(self, monitor: Process | None, run: Run) -> None:
        """The monitor ends by itself when the container is dead; after its time, by us."""
        if monitor is None:
            return
        go_on(monitor)
        if wait_gone(monitor, REPORTED_PATIENCE):
            return
        if reported(run) is not None or not wait_gone(monitor, MONITOR_PATIENCE):
            self._ended(monitor)

    def _ended(self, process: Process) -> None:
        if not end(process, KILL_PATIENCE):
            reason = f"process {process.pid} outlived SIGKILL by {KILL_PATIENCE:.0f} seconds"
            raise PortError("timeout", reason)
