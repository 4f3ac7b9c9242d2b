"""What a container uses of its host, at a moment."""

from msgspec import Struct


class Usage(Struct, frozen=True, kw_only=True):
    """Totals since its run began, and what it holds now. Bytes, but for `cpu` (nanoseconds of all
    processors together) and `pids` (threads count, too). What the host does not count is None."""

    cpu: int | None = None
    memory: int | None = None
    memory_limit: int | None = None  # of the container; None: no limit
    pids: int | None = None
    read: int | None = None  # from block devices
    written: int | None = None


class Running(Struct, frozen=True, kw_only=True):
    """A process of a container, by its pid on this host. `cpu`: nanoseconds so far; `memory`: bytes
    resident; `age`: nanoseconds since it began; `inside`: its pid in its own namespace, 0 where that
    cannot be told; `tty`: has it a terminal?"""

    pid: int
    ppid: int
    uid: int
    state: str  # one letter, proc_pid_stat(5)
    cpu: int
    memory: int
    command: tuple[str, ...]
    age: int = 0
    inside: int = 0
    tty: bool = False
