"""What joins a run: processes of its user, and its health checks."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from lockgate.effects.config import Config
from lockgate.effects.health import CheckResult
from lockgate.effects.model import Process
from lockgate.effects.outcome import Exited
from lockgate.effects.ports.logs import LogLine, Mark
from lockgate.effects.sessions import Seen, Session


class Checks(Protocol):
    """Health checks of a run: who sees to them, and what they found. All of it goes with the run:
    afterwards `alone` and `note` raise `PortError("missing")`."""

    def watch(self, config: Config, epoch: int) -> None:
        """Let somebody run the checks of this run when they are due; nothing where somebody does."""
        ...

    def alone(self, container: str, epoch: int, timeout: float) -> AbstractContextManager[bool]:
        """Nobody else runs a check of this run meanwhile; False where somebody still does after
        `timeout` seconds."""
        ...

    def note(self, container: str, epoch: int, result: CheckResult, keep: int) -> None:
        """Keep it, and `keep` of the newest in all."""
        ...

    def noted(self, container: str, epoch: int) -> tuple[CheckResult, ...]:
        """Oldest first. What cannot be read has not been noted."""
        ...


class Attached(Protocol):
    """Being connected to a container's first process."""

    def relay(
        self,
        stdin: int | None,
        stdout: int,
        stderr: int,
        detach: bytes,
        resized: Callable[[], None],
    ) -> bool:
        """Carry bytes both ways until the container closes its side; True when the sequence
        `detach` was typed before (empty: it cannot be). The end of `stdin` is passed on. `resized`
        is called every now and then."""
        ...

    def resize(self, rows: int, columns: int) -> None:
        """Tell the container's terminal how large it is now."""
        ...


class Sessions(Protocol):
    """Processes beside the first of a running container. They end with its run; what is known of
    them outlives whoever began them, and goes with the run."""

    def begin(self, config: Config, session: Session, process: bytes) -> Process | None:
        """Start it, to run by itself; `process` is the runtime spec's object. Its process, None if
        that has ended already. Raises `PortError` "missing" or "denied" when its command is not
        there or not executable; nothing is left then."""
        ...

    def call(
        self,
        config: Config,
        session: Session,
        process: bytes,
        streams: tuple[int, int, int],
        began: Callable[[Process | None], None],
    ) -> Exited:
        """Run it to its end with these descriptors, a terminal's where it wants one (128 + n is the
        exit code of signal n), and keep how it ended. `began` is called if it runs for longer than
        a moment. Raises `PortError` as `begin` does."""
        ...

    def keep(self, session: Session) -> None:
        """What is known of it now, for whoever looks. Of one that is gone nothing is kept."""
        ...

    def forget(self, session: Session) -> None:
        """It has ended, and whoever called it knows how."""
        ...

    def check(
        self, config: Config, session: Session, process: bytes, timeout: float, size: int
    ) -> tuple[int, bytes]:
        """Run it to its end, or to the end of `timeout` seconds: then its process is killed. Its
        exit code (-1 when it was killed so) and the first `size` bytes of what it wrote. Raises
        `PortError` as `begin` does."""
        ...

    def attach(self, config: Config) -> Attached:
        """Connect to the first process of what is created or runs; nothing is missed from here on.
        Raises `PortError("missing")` where nobody listens."""
        ...

    def look(self, container: str, epoch: int) -> tuple[Seen, ...]:
        """Those begun in this run, oldest first. Never blocks."""
        ...

    def seen(self, container: str, epoch: int, session: str) -> Seen | None:
        """One of them; None where there is none of this id. Never blocks."""
        ...

    def await_exit(
        self, container: str, epoch: int, session: str, timeout: float | None
    ) -> Exited | None:
        """How it ended; None after `timeout` seconds, or where there is no such session (any
        more)."""
        ...

    def output(
        self, container: str, epoch: int, session: str, after: Mark | None = None
    ) -> tuple[tuple[LogLine, ...], Mark]:
        """What it has written from `after` on, and where to go on."""
        ...

    def signal(self, config: Config, epoch: int, process: Process | None, signal: int) -> None:
        """Send a signal to this process of the run, and to no other. Raises `PortError("missing")`,
        cleanly, when it has ended."""
        ...
