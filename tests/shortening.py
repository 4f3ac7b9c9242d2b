"""System calls that do half of what they were asked for, in a process of its own: each read gives half of
what there is, each write takes half of what it is given, and says so (read(2), write(2)).

What is to be half is done here, on a copy of the descriptor and in the memory of whoever asked. Never cut
is what the kernel gives and takes as a whole: its own files (/proc, /sys), and messages (datagrams, the
events of a queue); nor libraries, of which the loader wants the head at once.
"""

import ctypes
import fcntl
import os
import socket
import stat
import struct
import termios
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from select import POLLOUT, poll
from types import MappingProxyType

from tests.asking import Asking, Call

from lockgate.adapters.whole import write_all

READ, WRITE, PREAD, PWRITE = 0, 1, 17, 18
NAMES = MappingProxyType({READ: "read", WRITE: "write", PREAD: "pread", PWRITE: "pwrite"})
"""By their numbers on x86-64."""

NR_PIDFD_GETFD = 438
PIECE = 4096
"""Bytes at most that go into a pipe or a socket at once: where there is room at all there is room for them."""

_libc = ctypes.CDLL(None, use_errno=True)


class Shortening(Asking):
    """`cut`: how many calls of `act` did half of what they were asked for, by name."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.cut: Counter[str] = Counter()
        super().__init__(act, NAMES, self._halved)

    def _halved(self, call: Call) -> int | None:
        try:
            with ExitStack() as stack:
                done = self._done(call, stack)
        except OSError as problem:
            return -(problem.errno or 0)
        if done is not None:
            self.cut[NAMES[call.number]] += 1
        return done

    def _done(self, call: Call, stack: ExitStack) -> int | None:
        fd, where, size, offset = call.arguments[:4]
        copy = self._copy(fd, stack)
        if not _divisible(copy):
            return None
        if call.number in (WRITE, PWRITE):
            if size < 2 or not _ready(copy, POLLOUT):
                return None
            half = size - size // 2
            seekable = stat.S_ISREG(os.fstat(copy).st_mode)
            data = self._memory(where, half if seekable else min(half, PIECE), stack)
            return os.pwrite(copy, data, offset) if call.number == PWRITE else os.write(copy, data)
        there = _there(copy, size, offset if call.number == PREAD else None)
        if there < 2:
            return None
        half = there - there // 2
        data = os.pread(copy, half, offset) if call.number == PREAD else os.read(copy, half)
        memory = self._opened_memory(stack)
        return os.pwrite(memory, data, where)

    def _copy(self, fd: int, stack: ExitStack) -> int:
        assert self.process.pid is not None
        process = os.pidfd_open(self.process.pid)
        stack.callback(os.close, process)
        copy = int(_libc.syscall(NR_PIDFD_GETFD, process, fd & 0xFFFFFFFF, 0))
        if copy < 0:
            raise OSError(ctypes.get_errno(), "no such descriptor")
        stack.callback(os.close, copy)
        return copy

    def _memory(self, where: int, size: int, stack: ExitStack) -> bytes:
        return os.pread(self._opened_memory(stack), size, where)

    def _opened_memory(self, stack: ExitStack) -> int:
        memory = os.open(f"/proc/{self.process.pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, memory)
        return memory


def by_halves(act: Callable[[], object]) -> set[str]:
    """Which calls of `act` were cut. Raises `AssertionError` when it did not succeed."""

    def carried_out() -> None:
        try:
            act()
        except BaseException:
            write_all(2, traceback.format_exc().encode())
            os._exit(1)
        os._exit(0)

    shortening = Shortening(carried_out)
    code = shortening.ended()
    shortening.close()
    assert code == 0, "see above"
    return set(shortening.cut)


def _divisible(fd: int) -> bool:
    """May what goes through it be cut anywhere?"""
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        path = str(Path(f"/proc/self/fd/{fd}").readlink())
        return not path.startswith(("/proc/", "/sys/")) and ".so" not in path
    if stat.S_ISSOCK(mode):
        with socket.socket(fileno=os.dup(fd)) as one:
            return one.type == socket.SOCK_STREAM
    return stat.S_ISFIFO(mode)


def _there(fd: int, size: int, offset: int | None) -> int:
    """Bytes that a read of `size` would give now."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        waiting = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
        return min(size, int(struct.unpack("i", waiting)[0]))
    at = os.lseek(fd, 0, os.SEEK_CUR) if offset is None else offset
    return min(size, max(0, os.fstat(fd).st_size - at))


def _ready(fd: int, event: int) -> bool:
    looked = poll()
    looked.register(fd, event)
    return any(found & event for _, found in looked.poll(0))
