"""What runs containers: the OCI runtime, its monitor, and what is asked of a run while it lasts."""

from typing import Protocol

from lockgate.effects.config import Config, Limits
from lockgate.effects.model import CheckpointRuntime, Process, RestoreRuntime
from lockgate.effects.outcome import Created, Exited
from lockgate.effects.usage import Running, Usage


class Runtime(Protocol):
    """An OCI runtime command under a monitor (OCI runtime spec, "Operations")."""

    def expect(self) -> None:
        """A create or a restore is about to be asked for: what takes its time and answers nothing may
        begin. If none comes, nothing has happened. *Lock free*, does not wait."""
        ...

    def create(self, config: Config, epoch: int, *, again: bool) -> Created:
        """Create from the bundle and leave the first process waiting.

        With `again`, an earlier attempt of the same epoch may have succeeded: a container that is
        created and still watched is adopted; anything else of this name is deleted first.
        """
        ...

    def start(self, config: Config, epoch: int, *, again: bool) -> None:
        """Let the first process run. With `again`, one that runs or has ended counts as started."""
        ...

    def signal(self, config: Config, epoch: int, process: Process, signal: int) -> None:
        """Signal the first process by identity. *Lock free.* A process that is gone raises
        `PortError("missing")`; a pid that now belongs to another is never touched. SIGKILL ends, even
        then, what lives on of this run because it has no pid namespace of its own."""
        ...

    def freeze(self, config: Config, epoch: int) -> None: ...

    def thaw(self, config: Config, epoch: int) -> None:
        """*Lock free.* Thawing what is not frozen, or not there, succeeds."""
        ...

    def obstacle(self) -> str:
        """Why no checkpoint can be taken or restored here, and what to do about it; empty where it
        can. *Lock free*, looked at once."""
        ...

    def checkpoint(self, config: Config, effect: CheckpointRuntime) -> None:
        """Write all its processes down, and end them unless they are to be left running.

        One with this number that is whole already is success. Where the host cannot, or the run has
        ended, `PortError` is raised, clean; whatever goes wrong, older checkpoints stay and nothing
        is left of this one.
        """
        ...

    def restore(self, config: Config, effect: RestoreRuntime, *, again: bool) -> Created:
        """Create from the bundle and the newest checkpoint; the processes run on.

        With `again`, what an earlier attempt of the same epoch has restored is adopted as long as it
        lives and is watched; one that has ended since was a run, and is `PortError("refused")`: it
        is not run twice without anybody's saying so.
        """
        ...

    def update(self, config: Config, epoch: int, memory: int, limits: Limits) -> None:
        """Give the run these limits instead of those in `config`. Raises `PortError`, clean when the
        run has those of `config` as before."""
        ...

    def delete(
        self,
        config: Config,
        epoch: int,
        *,
        force: bool,
        process: Process | None,
        monitor: Process | None,
    ) -> None:
        """Remove the runtime's object, the monitor, and the run directory of this epoch.

        With `force` every process of the container is killed first; without it a live one is a
        fault, and nothing has changed. Epoch 0 means every run there may be: whoever asks does
        not know which there were.
        """
        ...


class Monitor(Protocol):
    """Who watches a run, and how its end becomes known."""

    def look(
        self, config: Config, epoch: int, process: Process | None, monitor: Process | None
    ) -> Exited | None:
        """Has the run ended? Never blocks, total over damaged files: `None` while it lives.

        A run whose monitor and first process are both gone without a readable exit file has
        ended with code -1 and a reason.
        """
        ...

    def await_exit(
        self,
        config: Config,
        epoch: int,
        process: Process | None,
        monitor: Process | None,
        timeout: float | None,
    ) -> Exited | None:
        """`look`, but wait up to `timeout` seconds (`None`: for ever). *Lock free.*"""
        ...


class Checkpoints(Protocol):
    """Checkpoints as files, below the container's own, and gone with these. The newest whole one
    is the checkpoint."""

    def export(self, config: Config, target: str) -> None:
        """As an archive (`target`: an absolute path, mode 0600), whole or not at all. Raises
        `PortError("missing")` where there is none."""
        ...

    def take(self, config: Config, number: int, source: str) -> None:
        """From such an archive, which is not believed: all or nothing. One with this number that is
        there already is success. `PortError("damaged")` or "refused", clean."""
        ...

    def wished(self, source: str) -> Config:
        """Of which container such an archive is. It is not believed: a config that can be read, and no
        more. `PortError("damaged")`, "refused" or "missing", clean."""
        ...

    def drop(self, config: Config) -> None: ...


class Settlers(Protocol):
    """Whoever does what is owed after a run, when its monitor did not live to call him."""

    def begin(self, config: Config, epoch: int, monitor: Process) -> None:
        """Let somebody do what is owed after this run, unless its monitor lives or somebody is at
        it, or was and came to an end. Does not wait for him. *Lock free.*"""
        ...


class Meters(Protocol):
    """What containers use. *Lock free.* Nothing fails because it cannot be counted."""

    def measure(self, config: Config) -> Usage: ...

    def processes(self, config: Config) -> tuple[Running, ...]:
        """Those of its run, by pid."""
        ...
