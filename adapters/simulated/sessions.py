"""Processes beside the first, in memory: each runs until somebody says how it ends."""

from collections.abc import Callable
from threading import Condition

from msgspec.structs import replace

from lockgate.effects.config import Config
from lockgate.effects.outcome import Exited, PortError
from lockgate.effects.ports import Attached, LogLine, Mark
from lockgate.effects.sessions import Session, Standing, told

FIRST = 1000
"""The pid of the first one; the next has the next."""


class SimulatedSessions:
    """Implements `Sessions`. `alive` says whether a run goes on; a session ends with it.

    `answer` is the exit code a command has when it is called to its end; None: there is no such
    program.
    """

    def __init__(self, alive: Callable[[str, int], bool], now: Callable[[], int]) -> None:
        self._alive, self._now = alive, now
        self._changed = Condition()
        self._sessions: dict[tuple[str, int], dict[str, Session]] = {}
        self._signals: list[tuple[str, int]] = []
        self.answer: Callable[[Session], int | None] = lambda session: 0

    def begin(self, config: Config, session: Session, process: bytes) -> None:
        self._admitted(session)
        with self._changed:
            there = self._sessions.setdefault((session.container, session.epoch), {})
            there[session.id] = told(session, FIRST + len(there), None)

    def call(
        self, config: Config, session: Session, process: bytes, streams: tuple[int, int, int]
    ) -> int:
        return self._admitted(session)

    def check(
        self, config: Config, session: Session, process: bytes, timeout: float, size: int
    ) -> tuple[int, bytes]:
        return self._admitted(session), b""

    def _admitted(self, session: Session) -> int:
        if not self._alive(session.container, session.epoch):
            raise PortError("missing", "the run it would join is over", dirty=False)
        code = self.answer(session)
        if code is None:
            program = session.wish.command[0]
            raise PortError("missing", f"{program}: executable file not found", dirty=False)
        return code

    def end(self, session: str, code: int) -> None:
        """It ends by itself."""
        with self._changed:
            for there in self._sessions.values():
                if session in there and there[session].standing is Standing.RUNNING:
                    there[session] = told(there[session], 0, Exited(code, self._now()))
            self._changed.notify_all()

    def attach(self, config: Config) -> Attached:
        raise PortError("missing", "nothing is written on a simulated host", dirty=False)

    def look(self, container: str, epoch: int) -> tuple[Session, ...]:
        with self._changed:
            there = self._sessions.get((container, epoch), {})
            if not self._alive(container, epoch):
                for one in there.values():
                    if one.standing is Standing.RUNNING:
                        end = Exited(137, self._now())
                        there[one.id] = told(one, 0, end)
            return tuple(there.values())

    def await_exit(
        self, container: str, epoch: int, session: str, timeout: float | None
    ) -> Session | None:
        def ended() -> Session | None:
            found = {one.id: one for one in self.look(container, epoch)}.get(session)
            return found if found and found.standing is Standing.STOPPED else None

        with self._changed:
            while (found := ended()) is None:
                if not self._changed.wait(0.02 if timeout is None else timeout) and timeout:
                    return ended()
            return replace(found)

    def output(
        self, container: str, epoch: int, session: str, after: Mark | None = None
    ) -> tuple[tuple[LogLine, ...], Mark]:
        return (), after or Mark()

    def signal(self, config: Config, epoch: int, session: str, signal: int) -> None:
        there = {one.id: one for one in self.look(config.id, epoch)}
        if session not in there or there[session].standing is Standing.STOPPED:
            raise PortError("missing", f"session {session[:12]} has ended", dirty=False)
        if signal in (9, 15):
            self.end(session, 128 + signal)
