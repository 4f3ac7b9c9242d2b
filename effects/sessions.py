"""Processes that join a running container: what is wished for, and what can be told of one."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from lockgate.effects.outcome import Exited


class Wish(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to run. What is left empty is as the container's own process has it."""

    command: tuple[str, ...]
    env: tuple[str, ...] = ()  # besides the container's; these win
    workdir: str = ""
    user: str = ""
    terminal: bool = False
    privileged: bool = False  # with every capability, and no seccomp profile


class Standing(StrEnum):
    """The life of a session: begun, running, ended."""

    CREATED = "created"  # asked for; whether it runs cannot be told yet
    RUNNING = "running"
    STOPPED = "stopped"


class Session(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A process in a run of a container, beside its first one.

    `exit_code` is None until it has ended, and -1 where nobody saw how: then `exit_reason` says
    why. `pid` is that of this host, 0 when there is none. Times are nanoseconds since the Unix
    epoch.
    """

    id: str
    container: str
    epoch: int
    wish: Wish
    created_at: int
    standing: Standing = Standing.CREATED
    pid: int = 0
    finished_at: int = 0
    exit_code: int | None = None
    exit_reason: str = ""


def told(session: Session, pid: int, end: Exited | None) -> Session:
    """How a session stands: ended, running, or not to be told yet."""
    if end is not None:
        return replace(
            session,
            standing=Standing.STOPPED,
            exit_code=end.code,
            exit_reason=end.reason,
            finished_at=end.at,
        )
    return replace(session, standing=Standing.RUNNING, pid=pid) if pid else session
