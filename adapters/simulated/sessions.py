"""Processes beside the first, in memory: each runs until somebody says how it ends."""

from collections.abc import Callable
from threading import Condition

from msgspec.structs import replace

from lockgate.effects.config import Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import Exited, PortError
from lockgate.effects.ports import Attached, LogLine, Mark
from lockgate.effects.sessions import Seen, Session

FIRST = 1000
"""The pid of the first one; the next has the next."""

BOOT = "boot 1"
KILLED = 137


class SimulatedSessions:
    """Implements `Sessions`. `alive` says whether a run goes on; a session ends with it.

    `answer` is the exit code a command has when it is called to its end; None: there is no such
    program. `lasting`: it takes longer than a moment.
    """

    def __init__(self, alive: Callable[[str, int], bool], now: Callable[[], int]) -> None:
        self._alive, self._now = alive, now
        self._changed = Condition()
        self._sessions: dict[tuple[str, int], dict[str, Seen]] = {}
        self.answer: Callable[[Session], int | None] = lambda session: 0
        self.lasting = False

    def begin(self, config: Config, session: Session, process: bytes) -> Process | None:
        self._admitted(session)
        with self._changed:
            there = self._sessions.setdefault((session.container, session.epoch), {})
            begun = Process(FIRST + len(there), 1, BOOT)
            there[session.id] = Seen(session, begun)
            return begun

    def call(
        self,
        config: Config,
        session: Session,
        process: bytes,
        streams: tuple[int, int, int],
        began: Callable[[Process | None], None],
    ) -> Exited:
        code = self._admitted(session)
        begun = self.begin(config, session, process)
        if self.lasting:
            began(begun)
        self.end(session.id, code)
        return Exited(code, self._now())

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
                if session in there and there[session].end is None:
                    there[session] = self._ended(there[session], code)
            self._changed.notify_all()

    def _ended(self, seen: Seen, code: int) -> Seen:
        return Seen(seen.session, None, Exited(code, self._now()))

    def attach(self, config: Config) -> Attached:
        raise PortError("missing", "nothing is written on a simulated host", dirty=False)

    def keep(self, session: Session) -> None:
        with self._changed:
            there = self._sessions.get((session.container, session.epoch), {})
            if session.id in there:
                there[session.id] = replace(there[session.id], session=session)

    def forget(self, session: Session) -> None:
        with self._changed:
            self._sessions.get((session.container, session.epoch), {}).pop(session.id, None)

    def look(self, container: str, epoch: int) -> tuple[Seen, ...]:
        with self._changed:
            there = self._sessions.get((container, epoch), {})
            if not self._alive(container, epoch):
                for one, seen in there.items():
                    if seen.end is None:
                        there[one] = self._ended(seen, KILLED)
            return tuple(there.values())

    def seen(self, container: str, epoch: int, session: str) -> Seen | None:
        return {one.session.id: one for one in self.look(container, epoch)}.get(session)

    def await_exit(
        self, container: str, epoch: int, session: str, timeout: float | None
    ) -> Exited | None:
        def ended() -> Exited | None:
            found = self.seen(container, epoch, session)
            return found.end if found else None

        with self._changed:
            while (found := ended()) is None:
                if not self._changed.wait(0.02 if timeout is None else timeout) and timeout:
                    return ended()
            return found

    def output(
        self, container: str, epoch: int, session: str, after: Mark | None = None
    ) -> tuple[tuple[LogLine, ...], Mark]:
        return (), after or Mark()

    def signal(self, config: Config, epoch: int, process: Process | None, signal: int) -> None:
        there = self.look(config.id, epoch)
        found = [one for one in there if one.end is None and one.process == process]
        if process is None or not found:
            raise PortError("missing", "it has ended", dirty=False)
        if signal in (9, 15):
            self.end(found[0].session.id, 128 + signal)
