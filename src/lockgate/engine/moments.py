"""A run written down to be gone on with, and its limits while it lasts."""

from pathlib import Path

from lockgate import isolation, validation
from lockgate.effects.outcome import Fault
from lockgate.engine.graph import Graph
from lockgate.errors import InvalidArgument, OperationFailed
from lockgate.statemachine.inputs import Checkpoint, Restore, Update
from lockgate.statemachine.law import PLANS
from lockgate.statemachine.limits import updated
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Verb


class Moments(Graph):
    """Checkpoints, and limits of what is there already."""

    def checkpoint(
        self,
        reference: str,
        *,
        leave_running: bool = False,
        tcp_established: bool = False,
        keep: bool = False,
        export: str | Path | None = None,
    ) -> Record:
        """Write all its processes down, to be gone on with by `restore`: legal while it is running.

        Then they end, and its run is cleaned up; or they are left running. Connections that are open
        are an error unless `tcp_established`. `keep`: criu's log and statistics, too. `export`: an
        archive that is made of it besides (replaced, mode 0600), for `restore` on another host.

        Raises `OperationFailed`, before anything is touched, where this host cannot do it, and
        `InvalidArgument` for a container that is to go with its run, and its checkpoint with it,
        unless it is exported; `StillNeeded` while others live in its namespaces and it is not to run
        on. Whatever fails, older checkpoints stay.
        """
        record = self.inspect(reference)
        if record.config.auto_remove and not leave_running and export is None:
            raise InvalidArgument(
                f"container {record.config.name} was made to be removed when its run is over, and "
                "so would be its checkpoint: export it, or leave it running"
            )
        target = "" if export is None else str(Path(export).absolute())
        command = Checkpoint(leave_running, tcp_established, keep, target, links=True)
        self._able(command.verb, record)
        if not leave_running:
            self._free_of_guests("checkpoint", record.id)
        return self._command(record.id, command)

    def restore(
        self,
        reference: str,
        *,
        tcp_established: bool = False,
        keep: bool = False,
        source: str | Path | None = None,
        ignore_static_ip: bool = False,
        ignore_static_mac: bool = False,
    ) -> Record:
        """Go on where its checkpoint was taken, as a new run: legal from configured, stopped and exited.

        What it needs is started before, as for a start, and its layer, limits, mounts and hooks are
        its own as they are now. It is given the addresses again that it had, which may be somebody
        else's by now; with `ignore_static_ip` and `ignore_static_mac` any, even if it was made with
        some. `keep`: the checkpoint can be gone on from again. `source`: an archive to take the
        checkpoint from. One that fails gives back what it took.

        Raises `OperationFailed`, before anything is touched, where this host cannot do it. Whoever
        wrote an archive decides what the container's processes do; restore none you would not run.
        """
        archive = "" if source is None else str(Path(source).absolute())
        command = Restore(
            tcp_established,
            keep,
            archive,
            ip="any" if ignore_static_ip else "same",
            mac="any" if ignore_static_mac else "same",
        )
        record = self.inspect(reference)
        self._able(Verb.RESTORE, record)
        return self._over(
            record.id, Verb.RESTORE, lambda container: self._command(container, command)
        )

    def update(
        self,
        reference: str,
        *,
        memory: int | None = None,
        memory_swap: int | None = None,
        memory_reservation: int | None = None,
        cpu_quota: int | None = None,
        cpu_period: int | None = None,
        cpu_shares: int | None = None,
        cpuset_cpus: str | None = None,
        cpuset_mems: str | None = None,
        pids: int | None = None,
    ) -> Record:
        """Change what it may use, now and in runs to come; what is left out stays as it is. Units and
        meanings are those of `create`.

        Legal wherever it is not on its way somewhere. Raises `InvalidArgument` for limits that make
        no sense together, `OperationFailed` when the host refuses: then all of them are as before.
        """
        command = Update(
            memory,
            memory_swap,
            memory_reservation,
            cpu_quota,
            cpu_period,
            cpu_shares,
            cpuset_cpus,
            cpuset_mems,
            pids,
        )
        if command == Update():
            raise InvalidArgument("there is nothing to update: name a limit")
        record = self.inspect(reference)
        wanted = updated(record.config, command)
        isolation.limits(wanted.limits, validation.memory(wanted.memory))
        return self._command(record.id, command)

    def _able(self, verb: Verb, record: Record) -> None:
        """Who may not ask is told so by the law."""
        if (verb, record.status) not in PLANS:
            return
        if why := self.host.ports.runtime.obstacle():
            raise OperationFailed(str(verb), record.config.name, Fault("missing", why, dirty=False))
