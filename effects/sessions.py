"""Processes that join a running container: what is wished for, what is known of one, what is seen."""

from enum import StrEnum

from msgspec import Struct

from lockgate.effects.model import Process
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
    """The life of a session."""

    __hash__ = str.__hash__

    ABSENT = "absent"  # not yet asked for, or never begun
    CREATED = "created"  # asked for; whether it runs cannot be told yet
    RUNNING = "running"
    STOPPED = "stopped"


class Session(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A process in a run of a container, beside its first one.

    `exit_code` is None until it has ended, and -1 where nobody saw how: then `exit_reason` says
    why. `process` is it on this host, `by` who has it begun, and, where it is `attached`, waits for
    it in a monitor's place. Times are nanoseconds since the Unix epoch.
    """

    id: str
    container: str
    epoch: int
    wish: Wish
    created_at: int
    standing: Standing = Standing.ABSENT
    process: Process | None = None
    by: Process | None = None
    attached: bool = False
    finished_at: int = 0
    exit_code: int | None = None
    exit_reason: str = ""


class Seen(Struct, frozen=True):
    """What a look from outside tells: the session as it was kept, its process if it lives, how it
    ended if it has; `never` where it was not begun and nobody is left to do it."""

    session: Session
    process: Process | None = None
    end: Exited | None = None
    never: bool = False
