"""The port `Sessions`: processes beside the first, each under a monitor of its own.

    <root>/run/<id>/<epoch>/exec/<session>/     as a run has it (see `run.py`), and besides
        session.json  process.json              what was wished for, and what the runtime is given

One rule: a session is told by its files, as a run is. So whoever began it may die, and it goes with the
run's directory, without anybody keeping books.
"""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Self

import msgspec

from lockgate.adapters.filesystem import read_bounded, write_atomic
from lockgate.adapters.inotify import readable
from lockgate.adapters.logs import read_log
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.oci import exits
from lockgate.adapters.oci.attach import Attachment
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.command import RuntimeCommand, complaint, kind_of
from lockgate.adapters.oci.launch import command_line, failure, heard, launch
from lockgate.adapters.oci.members import belonging
from lockgate.adapters.oci.process import identify, send
from lockgate.adapters.oci.run import PRIVATE, Run
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import LogLine, Mark
from lockgate.effects.sessions import Session, told

PATIENCE = 60.0
"""Seconds the runtime may take to begin one."""

GRACE = 5.0
"""Seconds the runtime may take to notice that it was killed."""

SIGKILL = 9
LIMIT = 1 << 20
KILLED = 128
"""And the signal's number: how a shell tells of such an end."""


class ConmonSessions:
    """Implements `Sessions` below the same root as `ConmonRuntime`; thread safe."""

    def __init__(
        self, root: Path, runtime: Path | str, conmon: Path | str, cgroups: Cgroups | None = None
    ) -> None:
        self._root, self._conmon = root, Path(conmon)
        self._command = RuntimeCommand(Path(runtime), root / "runtime")
        self._cgroups = Cgroups.here() if cgroups is None else cgroups

    def begin(self, config: Config, session: Session, process: bytes) -> None:
        run = self._made(session, process)
        line = command_line(run, _plain(config, session), self._conmon, self._command)
        line += ["--exec", "--exec-process-spec", str(run.directory / "process.json")]
        line[line.index("-u") + 1] = session.id
        deadline = time.monotonic() + PATIENCE
        said = launch(run, _plain(config, session), line, self._command, self._cgroups, deadline)
        answer = None if said else heard(run, deadline)
        if answer is None or answer.data <= 1:
            why = failure(run, answer, said)
            rmtree(run.directory, ignore_errors=True)
            raise PortError(kind_of(why), f"{self._command.name} cannot run it: {why}", dirty=False)

    def call(
        self, config: Config, session: Session, process: bytes, streams: tuple[int, int, int]
    ) -> int:
        """By the runtime itself, between the caller's descriptors and the container."""
        run = self._made(session, process)
        try:
            stdin, stdout, stderr = streams
            child = subprocess.Popen(
                self._words(run, config),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=self._command.environment,
            )
            code = _waited(child)
            if not run.pid():
                raise self._unbegun(run, code)
            return code if code >= 0 else KILLED - code
        finally:
            rmtree(run.directory, ignore_errors=True)

    def check(
        self, config: Config, session: Session, process: bytes, timeout: float, size: int
    ) -> tuple[int, bytes]:
        """As `call` does, into a pipe: whatever it writes, no more is kept than was asked for, and
        whoever keeps the other end open keeps nobody waiting."""
        run = self._made(session, process)
        try:
            child = subprocess.Popen(
                self._words(run, config),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._command.environment,
                start_new_session=True,
            )
            with child, Listener(child, size) as listener:
                ended = listener.until_the_end(timeout)
                if not ended:
                    with suppress(PortError):
                        self.signal(config, session.epoch, session.id, SIGKILL)
                    if not listener.until_the_end(GRACE):
                        child.kill()
            if not run.pid():
                raise self._unbegun(run, child.returncode)
            code = child.returncode if ended else -1
            return (code if code >= -1 else KILLED - code), listener.kept
        finally:
            rmtree(run.directory, ignore_errors=True)

    def attach(self, config: Config) -> Attachment:
        return Attachment(self._root, config)

    def look(self, container: str, epoch: int) -> tuple[Session, ...]:
        found = (self._told(run) for run in Run.of(self._root, container, epoch).sessions())
        return tuple(sorted(filter(None, found), key=lambda one: one.created_at))

    def await_exit(
        self, container: str, epoch: int, session: str, timeout: float | None
    ) -> Session | None:
        run = self._run(container, epoch, session)
        if self._told(run) is None:
            return None
        try:
            end = exits.await_exit(run, None, run.monitor(), timeout)
        except PortError:  # it went with its run
            return None
        return self._told(run) if end else None

    def output(
        self, container: str, epoch: int, session: str, after: Mark | None = None
    ) -> tuple[tuple[LogLine, ...], Mark]:
        return read_log(self._run(container, epoch, session).log, after)

    def signal(self, config: Config, epoch: int, session: str, signal: int) -> None:
        """By pidfd; the number in the runtime's file counts only while it is in the container."""
        pid = self._run(config.id, epoch, session).pid()
        process = identify(pid) if pid else None
        first = Run.of(self._root, config.id, epoch).pid()
        members = belonging(self._cgroups, config, first)
        if process is None or pid not in members:
            raise PortError("missing", f"session {session[:12]} has ended", dirty=False)
        send(process, signal)

    # ---- inside --------------------------------------------------------------------------

    def _words(self, run: Run, config: Config) -> list[str]:
        """The runtime's own command."""
        words = [str(self._command.path), "--root", str(self._command.root), "--log-format=json"]
        words += ["--log", str(run.runtime_log), "exec", "--pid-file", str(run.pidfile)]
        return [*words, "--process", str(run.directory / "process.json"), config.id]

    def _unbegun(self, run: Run, code: int) -> PortError:
        why = complaint(run.complaints()) or f"{self._command.name} exec ended with {code}"
        reason = f"{self._command.name} cannot run it: {why}"
        return PortError(kind_of(why), reason, dirty=False)

    def _run(self, container: str, epoch: int, session: str) -> Run:
        """Raises `PortError("refused")`, cleanly, for an id that no directory may have."""
        if not session.isalnum():
            raise PortError("refused", f"{session!r} is no session", dirty=False)
        return Run.of(self._root, container, epoch).session(session)

    def _made(self, session: Session, process: bytes) -> Run:
        run = self._run(session.container, session.epoch, session.id)
        try:
            run.directory.parent.mkdir(PRIVATE, exist_ok=True)
        except FileNotFoundError:
            reason = "the run it would join is over"
            raise PortError("missing", reason, dirty=False) from None
        run.make()
        write_atomic(run.directory, "process.json", process, 0o600, durable=False)
        write_atomic(
            run.directory, "session.json", msgspec.json.encode(session), 0o600, durable=False
        )
        return run

    def _told(self, run: Run) -> Session | None:
        try:
            found = read_bounded(run.directory / "session.json", LIMIT)
            session = msgspec.json.decode(found, type=Session)
        except (OSError, PortError, *NONSENSE):
            return None
        monitor = run.monitor()
        if monitor is None and run.answer() is None:
            return session
        return told(session, run.pid(), exits.look(run, None, monitor))


def _plain(config: Config, session: Session) -> Config:
    """For the monitor: it holds no ports, and has the session's terminal."""
    return msgspec.structs.replace(config, ports=(), terminal=session.wish.terminal, stdin=False)


def _waited(child: subprocess.Popen[bytes]) -> int:
    """A Ctrl-C is for the process in the container: the runtime passes it on."""
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


class Listener:
    """To the output of a program until it ends; `kept` is the beginning of it."""

    def __init__(self, child: subprocess.Popen[bytes], size: int) -> None:
        assert child.stdout is not None
        self._child, self._size, self._output = child, size, child.stdout.fileno()
        self.kept = b""

    def __enter__(self) -> Self:
        self._end = os.pidfd_open(self._child.pid)
        os.set_blocking(self._output, False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._end)

    def until_the_end(self, patience: float) -> bool:
        """False when it has not ended in so many seconds."""
        deadline = time.monotonic() + patience
        awaited = {self._end, self._output}
        while (left := deadline - time.monotonic()) > 0:
            ready = readable(tuple(awaited), left)
            if self._output in ready and not self._heard():
                awaited.discard(self._output)
            if self._end in ready:
                while self._output in awaited and self._heard() and len(self.kept) < self._size:
                    pass
                return True
        return False

    def _heard(self) -> bool:
        try:
            more = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return False
        self.kept += more[: self._size - len(self.kept)]
        return bool(more)
