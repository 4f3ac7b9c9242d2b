"""Processes that join a running container: begun, called to their end, waited for, killed."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex

from lockgate import validation
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Attached, LogLine, Mark, StoreError
from lockgate.effects.sessions import Session, Standing, Wish
from lockgate.engine.core import Core, faults_raised
from lockgate.errors import InvalidArgument, LockgateError, NoSuchSession, NotRunning
from lockgate.statemachine.history import decode_entry
from lockgate.statemachine.inputs import SessionBegan, SessionEnded
from lockgate.statemachine.law import ATTACHABLE, JOINABLE
from lockgate.statemachine.record import Record
from lockgate.statemachine.sessions import (
    Begun,
    Deliver,
    Exec,
    SessionInput,
    SessionRefused,
    SessionStep,
    Tell,
    session_step,
    standing,
)
from lockgate.statemachine.spec.joining import process, wishing

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
            process = self.host.sessions.begin(record.config, session, given)
        self._joined(session, process)
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
        record, session, given = self._prepared(reference, wish, attached=True)
        told = False

        def began(process: Process | None) -> None:
            nonlocal told
            told = True
            self._joined(session, process)

        try:
            with faults_raised("exec in", record.config.name, "container"):
                end = self.host.sessions.call(record.config, session, given, streams, began)
            self._tell(session, SessionEnded(session.epoch, session.id, end, not told))
        finally:
            self.host.sessions.forget(session)
        return end.code

    def attach(self, reference: str) -> Attached:
        """Connect to its first process; nothing it writes from here on is missed. `Attached.relay`
        then carries bytes. Raises `NotRunning`, `OperationFailed`."""
        record = self.inspect(reference)
        if record.status not in ATTACHABLE:
            raise NotRunning("attach to", record.config.name, record.status)
        with faults_raised("attach to", record.config.name, "container"):
            return self.host.sessions.attach(record.config)

    def sessions(self, reference: str) -> tuple[Session, ...]:
        """Those of the newest run, oldest first, and how they stand."""
        record = self.inspect(reference)
        there = map(standing, self.host.sessions.look(record.id, record.epoch))
        return tuple(one for one in there if one.standing is not Standing.ABSENT)

    def session(self, reference: str, session: str) -> Session:
        """By its id or the beginning of it. Raises `NoSuchSession`."""
        return self._session(self.inspect(reference), session)

    def exec_wait(self, reference: str, session: str, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; -1 when nobody saw it. Raises `TimeoutError`, and
        `NoSuchSession` also when it goes with its run meanwhile."""
        record = self.inspect(reference)
        try:
            return self._awaited(record, session, timeout)
        except NoSuchSession:
            # whoever called it has its end, and has put it away
            if (code := self._told(record, session)) is None:
                raise
            return code

    def _awaited(self, record: Record, session: str, timeout: float | None) -> int:
        found = self._session(record, session)
        if found.exit_code is not None:
            return found.exit_code
        end = self.host.sessions.await_exit(record.id, record.epoch, found.id, timeout)
        if end is None:
            code = self._session(record, found.id).exit_code
            if code is None:
                raise TimeoutError(f"session {found.id[:12]} has not ended in {timeout} seconds")
            return code
        self._tell(found, SessionEnded(found.epoch, found.id, end))
        return end.code

    def exec_kill(self, reference: str, session: str, signal: int | str = "KILL") -> None:
        """Send its process a signal, and no other process. Raises `OperationFailed` when it has
        ended."""
        number = validation.signal_number(signal)
        record = self.inspect(reference)
        found = self._session(record, session)
        answer = session_step(found, Tell(number))
        with faults_raised("signal", found.id[:12], "session"):
            if isinstance(answer, SessionRefused):
                raise PortError("missing", f"it is {answer.standing}: it has ended", dirty=False)
            for order in answer.orders:
                assert isinstance(order, Deliver)
                self.host.sessions.signal(record.config, record.epoch, order.process, order.signal)

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

    def _prepared(
        self, reference: str, wish: Wish, *, attached: bool = False
    ) -> tuple[Record, Session, bytes]:
        """The container, the session as it is asked for, and what the runtime is to be given."""
        record = self.inspect(reference)
        name = record.config.name
        if record.status not in JOINABLE:
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
            return (
                record,
                _after(session, Exec(self.host.me.process, attached)),
                process(record, wish, facts),
            )

    def _joined(self, session: Session, process: Process | None) -> None:
        """It runs: kept with its files, and told to its container."""
        self.host.sessions.keep(_after(session, Begun(process)))
        self._tell(session, SessionBegan(session.epoch, session.id))

    def _tell(self, session: Session, news: SessionBegan | SessionEnded) -> None:
        """It is what it is, whether that can be written down or not."""
        with suppress(StoreError, LockgateError):
            self._interpreter.submit(session.container, news)

    def _told(self, record: Record, session: str) -> int | None:
        """The end of this one session of the newest run as the container's history has it."""
        entries = map(decode_entry, self.host.store.history(record.id))
        news = (entry.given for entry in entries)
        ends = [
            one
            for one in news
            if isinstance(one, SessionEnded)
            and one.epoch == record.epoch
            and session
            and one.session.startswith(session)
        ]
        return ends[0].exit.code if len(ends) == 1 else None

    def _session(self, record: Record, reference: str) -> Session:
        there = self.host.sessions.look(record.id, record.epoch)
        meant = (one for one in there if reference and one.session.id.startswith(reference))
        found = [one for one in map(standing, meant) if one.standing is not Standing.ABSENT]
        if len(found) != 1:
            raise NoSuchSession(record.config.name, reference)
        return found[0]


def _after(session: Session, given: SessionInput) -> Session:
    """What this makes of it; only of what it cannot refuse."""
    answer = session_step(session, given)
    assert isinstance(answer, SessionStep)
    return answer.session


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
