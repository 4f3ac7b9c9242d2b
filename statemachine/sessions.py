"""The machine of one session: of the shape of the container's, and small.

`session_step` is pure and total: every standing answers every input. A session is a process, and a
process is begun once: there is nothing to undo and nothing to begin again, so a command asks for one
thing or for nothing. What is announced goes into the history of its container.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from lockgate.effects.model import Process
from lockgate.effects.outcome import Exited
from lockgate.effects.sessions import Seen, Session, Standing
from lockgate.statemachine.law import compiled

S = Standing

LIFECYCLE: tuple[Mapping[str, Any], ...] = (
    {"trigger": "exec", "source": [S.ABSENT], "dest": S.CREATED},
    {"trigger": "start", "source": [S.CREATED], "dest": S.RUNNING},
    {"trigger": "fail", "source": [S.CREATED], "dest": S.ABSENT},
    # whoever had it begun may not have lived to see it run
    {"trigger": "died", "source": [S.CREATED, S.RUNNING], "dest": S.STOPPED},
    {"trigger": "signal", "source": [S.RUNNING], "dest": "="},
)

EDGES = compiled(LIFECYCLE, Standing)


# ---- what it is told ---------------------------------------------------------------------


class Exec(Struct, frozen=True):
    """A command: have it begun by `by`, who waits for it if it is `attached`."""

    by: Process
    attached: bool = False
    verb: ClassVar[str] = "exec"


class Tell(Struct, frozen=True):
    """A command: send its process a signal."""

    signal: int
    verb: ClassVar[str] = "signal"


class Begun(Struct, frozen=True):
    """It runs; `process` is None where it had ended before anybody could look."""

    process: Process | None


class Unbegun(Struct, frozen=True):
    """It was not begun, and will not be; nothing is left of it."""


class Ended(Struct, frozen=True):
    """It has ended, and how."""

    exit: Exited


SessionInput: TypeAlias = Exec | Tell | Begun | Unbegun | Ended


# ---- what it answers ---------------------------------------------------------------------


class Join(Struct, frozen=True):
    """An order: begin its process in its run."""


class Deliver(Struct, frozen=True):
    """An order: send this signal to this process, and to no other."""

    process: Process | None
    signal: int


SessionOrder: TypeAlias = Join | Deliver


class SessionStep(Struct, frozen=True):
    """What is now true, what to do, what to announce: `exec` or `exec_died`, if anything."""

    session: Session
    orders: tuple[SessionOrder, ...] = ()
    notice: str = ""


class SessionRefused(Struct, frozen=True):
    """Nothing has changed."""

    verb: str
    standing: Standing


def session_step(session: Session, given: SessionInput) -> SessionStep | SessionRefused:
    """Fold one input into the session. News that say nothing new change nothing."""
    milestone, changes, orders, notice = _meant(session, given)
    if (status := EDGES.get((session.standing, milestone))) is not None:
        return SessionStep(replace(session, standing=status, **changes), orders, notice)
    if isinstance(given, Exec | Tell):
        return SessionRefused(given.verb, session.standing)
    return SessionStep(session)


def _meant(
    session: Session, given: SessionInput
) -> tuple[str, dict[str, Any], tuple[SessionOrder, ...], str]:
    """Which milestone, what is learned, what is to be done, and what is announced."""
    match given:
        case Exec(by, attached):
            return "exec", {"by": by, "attached": attached}, (Join(),), ""
        case Tell(signal):
            return "signal", {}, (Deliver(session.process, signal),), ""
        case Begun(process):
            return "start", {"process": process}, (), "exec"
        case Unbegun():
            return "fail", {"by": None}, (), ""
        case Ended(end):
            told = {"exit_code": end.code, "exit_reason": end.reason, "finished_at": end.at}
            return "died", {"process": None, **told}, (), "exec_died"
        case _:
            assert_never(given)


def standing(seen: Seen) -> Session:
    """How a session stands, by what is seen of it: its news, folded."""
    news: list[SessionInput] = [Unbegun()] if seen.never else []
    if seen.process is not None:
        news.append(Begun(seen.process))
    if seen.end is not None:
        news.append(Ended(seen.end))
    session = seen.session
    for given in news:
        answer = session_step(session, given)
        assert isinstance(answer, SessionStep)
        session = answer.session
    return session
