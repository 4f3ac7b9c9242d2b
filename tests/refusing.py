"""System calls that fail where a test says, in a process of its own."""

from collections.abc import Callable
from types import MappingProxyType

from tests.asking import Asking, Call
from tests.soak import DONE

SYSCALLS = MappingProxyType(
    {
        "write": 1,
        "pwrite64": 18,
        "socket": 41,
        "fsync": 74,
        "fdatasync": 75,
        "ftruncate": 77,
        "rename": 82,
        "mkdir": 83,
        "rmdir": 84,
        "link": 86,
        "unlink": 87,
        "symlink": 88,
        "mount": 165,
        "umount2": 166,
        "openat": 257,
        "mkdirat": 258,
        "unlinkat": 263,
        "renameat": 264,
        "pipe2": 293,
        "memfd_create": 319,
        "pidfd_open": 434,
        "openat2": 437,
    }
)
"""Their numbers on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl): those that change something, or need a
descriptor."""


class Refusing(Asking):
    """The `at`-th watched call that `act` makes fails with `number`. `passed`: how many it has made, by
    name."""

    def __init__(self, act: Callable[[], object], at: int, number: int) -> None:
        self.passed: list[str] = []
        self._at, self._number = at, number
        self._names = {number: name for name, number in SYSCALLS.items()}
        super().__init__(act, SYSCALLS.values(), self._refused)

    def close(self) -> None:
        super().close()
        DONE["system calls refused"] += len(self.passed) >= self._at

    def _refused(self, call: Call) -> int | None:
        self.passed.append(self._names[call.number])
        return -self._number if len(self.passed) == self._at else None
