"""Processes that join a running container: begun, called to their end, waited for, killed."""

import time
from collections.abc import Iterator, Mapping, Sequence
from secrets import token_hex

from lockgate import validation
from lockgate.effects.ports import Attached, LogLine, Mark
from lockgate.effects.sessions import Session, Standing, Wish
from lockgate.engine.core import Core, faults_raised
from lockgate.errors import InvalidArgument, NoSuchSession, NotRunning
from lockgate.statemachine.record import Record
from lockgate.statemachine.sessions import process, wishing
from lockgate.statemachine.status import Status

Streams = tuple[int, int, int]
"""Descriptors for standard input, output and error."""


class Joining(Core):
    """Sessions: they belong to a run, end with it, and are told by what is there."""

    def exec(
        self,
        reference: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | Sequence[str] = (),
        workdir: str = "",
        user: str = "",
        privileged: bool = False,
    ) -> Session:
        """Begin a process in a running container, and leave it to itself: it outlives this engine,
        its output is kept, and so is its exit code while the run is.

        What is left empty is as the container has it. Raises `NotRunning`, `InvalidArgument`, and
        `OperationFailed` when its command cannot be run; nothing is left of it then.
        """
        wish = _wish(command, env, workdir, user, False, privileged)
        record, session, given = self._prepared(reference, wish)
        with faults_raised("exec in", record.config.name, "container"):
            self.host.sessions.begin(record.config, session, given)
        return self._session(record, session.id)

    def call(
        self,
        reference: str,
        command: Sequence[str],
        streams: Streams,
        *,
        env: Mapping[str, str] | Sequence[str] = (),
        workdir: str = "",
        user: str = "",
        terminal: bool = False,
        privileged: bool = False,
    ) -> int:
        """Run a process in a running container to its end, between these descriptors and with
        nothing in between, and return its exit code: 128 + n for signal n.

        With `terminal` they are those of one, which it then has to itself. Raises as `exec` does.
        """
        wish = _wish(command, env, workdir, user, terminal, privileged)
        record, session, given = self._prepared(reference, wish)
        with faults_raised("exec in", record.config.name, "container"):
            return self.host.sessions.call(record.config, session, given, streams)

    def attach(self, reference: str) -> Attached:
        """Connect to its first process; nothing it writes from here on is missed. `Attached.relay`
        then carries bytes. Raises `NotRunning`, `OperationFailed`."""
        record = self.inspect(reference)
        if record.status not in (Status.CREATED, Status.RUNNING):
            raise NotRunning("attach to", record.config.name, record.status)
        with faults_raised("attach to", record.config.name, "container"):
            return self.host.sessions.attach(record.config)

    def sessions(self, reference: str) -> tuple[Session, ...]:
        """Those of the newest run, oldest first, and how they stand."""
        record = self.inspect(reference)
        return self.host.sessions.look(record.id, record.epoch)

    def session(self, reference: str, session: str) -> Session:
        """By its id or the beginning of it. Raises `NoSuchSession`."""
        return self._session(self.inspect(reference), session)

    def exec_wait(self, reference: str, session: str, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; -1 when nobody saw it. Raises `TimeoutError`, and
        `NoSuchSession` also when it goes with its run meanwhile."""
        record = self.inspect(reference)
        found = self._session(record, session)
        if found.standing is not Standing.STOPPED:
            port = self.host.sessions
            ended = port.await_exit(record.id, record.epoch, found.id, timeout)
            if ended is None and self._session(record, found.id).standing is not Standing.STOPPED:
                raise TimeoutError(f"session {found.id[:12]} has not ended in {timeout} seconds")
            found = ended or self._session(record, found.id)
        return -1 if found.exit_code is None else found.exit_code

    def exec_kill(self, reference: str, session: str, signal: int | str = "KILL") -> None:
        """Send its process a signal, and no other process. Raises `OperationFailed` when it has
        ended."""
        number = validation.signal_number(signal)
        record = self.inspect(reference)
        found = self._session(record, session)
        with faults_raised("signal", found.id[:12], "session"):
            self.host.sessions.signal(record.config, record.epoch, found.id, number)

    def exec_output(self, reference: str, session: str) -> Iterator[LogLine]:
        """What it has written so far."""
        record = self.inspect(reference)
        found = self._session(record, session)
        mark: Mark | None = None
        while True:
            lines, mark = self.host.sessions.output(record.id, record.epoch, found.id, mark)
            if not lines:
                return
            yield from lines

    # ---- inside --------------------------------------------------------------------------

    def _prepared(self, reference: str, wish: Wish) -> tuple[Record, Session, bytes]:
        record = self.inspect(reference)
        name = record.config.name
        if record.status is not Status.RUNNING:
            raise NotRunning("exec in", name, record.status)
        session = Session(
            id=token_hex(32),
            container=record.id,
            epoch=record.epoch,
            wish=wish,
            created_at=time.time_ns(),
        )
        with faults_raised("exec in", name, "container"):
            wished = wishing(record.config, wish)
            facts = self.host.ports.surroundings.facts(wished, record.mountpoint)
            return record, session, process(record, wish, facts)

    def _session(self, record: Record, reference: str) -> Session:
        there = self.host.sessions.look(record.id, record.epoch)
        found = [one for one in there if reference and one.id.startswith(reference)]
        if len(found) != 1:
            raise NoSuchSession(record.config.name, reference)
        return found[0]


def _wish(
    command: Sequence[str],
    env: Mapping[str, str] | Sequence[str],
    workdir: str,
    user: str,
    terminal: bool,
    privileged: bool,
) -> Wish:
    words = validation.words(command, "command")
    if not words:
        raise InvalidArgument("no command is given to run in it")
    return Wish(
        command=words,
        env=validation.environment(env),
        workdir=validation.workdir(workdir) if workdir else "",
        user=validation.user(user),
        terminal=terminal,
        privileged=privileged,
    )
