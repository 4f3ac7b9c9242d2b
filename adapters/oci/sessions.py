"""The port `Sessions`: processes beside the first, each under a monitor of its own.

    <root>/run/<id>/<epoch>/exec/<session>/     as a run has it (see `run.py`), and besides
        session.json  process.json              what was wished for, and what the runtime is given

One rule: a session is told by its files, as a run is. So whoever began it may die, and it goes with the
run's directory, without anybody keeping books.
"""

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Self

import msgspec

from lockgate.adapters.filesystem import read_bounded, write_atomic
from lockgate.adapters.inotify import Inotify, Mask, readable
from lockgate.adapters.logs import read_log
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.oci import exits
from lockgate.adapters.oci.attach import Attachment
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.command import RuntimeCommand, complaint, kind_of
from lockgate.adapters.oci.grace import Grace
from lockgate.adapters.oci.launch import command_line, failure, heard, launch
from lockgate.adapters.oci.members import belonging
from lockgate.adapters.oci.process import alive, identify, send
from lockgate.adapters.oci.run import PRIVATE, Run
from lockgate.effects.config import Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import UNKNOWN_EXIT, Exited, PortError
from lockgate.effects.ports import LogLine, Mark
from lockgate.effects.sessions import Seen, Session

PATIENCE = 60.0
"""Seconds the runtime may take to begin one."""

GRACE = 5.0
"""Seconds the runtime may take to notice that it was killed."""

MOMENT = 0.05
"""Seconds: what is over by then is told of once, when it is."""

LOOK_AGAIN = 0.1
"""Seconds after which it is looked whether one has begun, though nobody said so."""

SIGKILL = 9
LIMIT = 1 << 20
DESERTED = "whoever called it did not live to see its end"

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
        self._grace = Grace(self._cgroups)

    def begin(self, config: Config, session: Session, process: bytes) -> Process | None:
        run = self._made(session, process)
        self.keep(session)
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
        return self._first(run)

    def call(
        self,
        config: Config,
        session: Session,
        process: bytes,
        streams: tuple[int, int, int],
        began: Callable[[Process | None], None],
    ) -> Exited:
        """By the runtime itself, between the caller's descriptors and the container."""
        run = self._made(session, process)
        self.keep(session)
        stdin, stdout, stderr = streams
        with Beginning(run) as beginning:
            child = subprocess.Popen(
                self._words(run, config),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=self._command.environment,
            )
            if beginning.awaited(child, MOMENT):
                with suppress(KeyboardInterrupt):
                    began(self._first(run))
        code = _waited(child)
        if not run.pid():
            problem = self._unbegun(run, code)
            rmtree(run.directory, ignore_errors=True)
            raise problem
        code = code if code >= 0 else KILLED - code
        exits.write_down(run, code)
        return Exited(code, time.time_ns())

    def check(
        self, config: Config, session: Session, process: bytes, timeout: float, size: int
    ) -> tuple[int, bytes]:
        """As `call` does, into a pipe: whatever it writes, no more is kept than was asked for, and
        whoever keeps the other end open keeps nobody waiting. It is nobody's session."""
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
                        self.signal(config, session.epoch, self._first(run), SIGKILL)
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

    def keep(self, session: Session) -> None:
        place = self._run(session.container, session.epoch, session.id).directory
        with suppress(FileNotFoundError):  # it went with its run
            write_atomic(place, "session.json", msgspec.json.encode(session), 0o600, durable=False)

    def forget(self, session: Session) -> None:
        run = self._run(session.container, session.epoch, session.id)
        rmtree(run.directory, ignore_errors=True)

    def look(self, container: str, epoch: int) -> tuple[Seen, ...]:
        found = (self._told(run) for run in Run.of(self._root, container, epoch).sessions())
        return tuple(sorted(filter(None, found), key=lambda one: one.session.created_at))

    def seen(self, container: str, epoch: int, session: str) -> Seen | None:
        return self._told(self._run(container, epoch, session))

    def await_exit(
        self, container: str, epoch: int, session: str, timeout: float | None
    ) -> Exited | None:
        run = self._run(container, epoch, session)
        found = self._told(run)
        if found is None or found.end is not None:
            return found.end if found else None
        watcher = found.session.by if found.session.attached else run.monitor()
        try:
            return exits.await_exit(run, found.process, watcher, timeout)
        except PortError:  # it went with its run, or with its caller
            return None

    def output(
        self, container: str, epoch: int, session: str, after: Mark | None = None
    ) -> tuple[tuple[LogLine, ...], Mark]:
        return read_log(self._run(container, epoch, session).log, after)

    def signal(self, config: Config, epoch: int, process: Process | None, signal: int) -> None:
        """By pidfd, with its start time; and only while it is in the container."""
        first = Run.of(self._root, config.id, epoch).pid()
        if process is None or process.pid not in belonging(self._cgroups, config, first):
            raise PortError("missing", "it has ended", dirty=False)
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
        self._grace.expect()
        run = self._run(session.container, session.epoch, session.id)
        try:
            run.directory.parent.mkdir(PRIVATE, exist_ok=True)
        except FileNotFoundError:
            reason = "the run it would join is over"
            raise PortError("missing", reason, dirty=False) from None
        run.make()
        write_atomic(run.directory, "process.json", process, 0o600, durable=False)
        return run

    @staticmethod
    def _first(run: Run) -> Process | None:
        """Its process, while whoever begins it has not yet let go of its number."""
        pid = run.pid()
        found = identify(pid) if pid else None
        return found if found and alive(found) else None

    def _told(self, run: Run) -> Seen | None:
        try:
            found = read_bounded(run.directory / "session.json", LIMIT)
            session = msgspec.json.decode(found, type=Session)
        except (OSError, PortError, *NONSENSE):
            return None
        monitor = None if session.attached else run.monitor()
        watcher = session.by if session.attached else monitor
        if not run.pid() and not monitor and run.answer() is None:
            return Seen(session, never=session.by is None or not alive(session.by))
        kept = session.process
        if kept is None and watcher is not None and alive(watcher):
            kept = self._first(run)  # nobody has reaped it: its number is its own
        end = exits.look(run, kept, watcher)
        if end and end.code == UNKNOWN_EXIT and session.attached:
            end = msgspec.structs.replace(end, reason=DESERTED)
        return Seen(session, kept if kept and alive(kept) else None, end)


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


class Beginning:
    """Waits until a process that the runtime has begun has run for a moment, or has ended."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._news: Inotify | None = None
        with suppress(OSError):  # no queue is left to its user: then it is looked at again
            self._news = self._stack.enter_context(Inotify())
            self._news.watch(self._run.directory, Mask.MOVED_TO | Mask.CLOSE_WRITE)
        return self

    def __exit__(self, *reason: object) -> None:
        self._stack.close()

    def awaited(self, child: subprocess.Popen[bytes], moment: float) -> bool:
        """Does it run still, after so many seconds? A Ctrl-C is for that process."""
        end = os.pidfd_open(child.pid)
        try:
            while True:
                if self._run.pid():
                    return not readable((end,), moment)
                if readable((end,), 0):
                    return False
                with suppress(KeyboardInterrupt):
                    if self._news is None:
                        readable((end,), LOOK_AGAIN)
                    else:
                        readable((end, self._news.fileno()), LOOK_AGAIN)
                        self._news.read()
        finally:
            os.close(end)


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
