"""System calls that fail where a test says, in a process of its own: by the kernel, so that nothing of ours
or of a library needs to know (seccomp_unotify(2)).

The process gives a filter to itself and its listener to us. From then on each of the `WATCHED` calls waits
until we have said whether it is to be made, or to fail with which error. Processes it begins are asked
about, too, and never refused: what a container or its monitor does is not what is tried here.
"""

import ctypes
import fcntl
import multiprocessing
import os
import platform
import select
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.soak import DONE

SYSCALLS = {
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
"""Their numbers on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl): those that change something, or need a
descriptor."""

FIT = platform.machine() == "x86_64"
WHY = "" if FIT else "the numbers of system calls are known for x86-64 only"

NR_SECCOMP, SET_MODE_FILTER, NEW_LISTENER = 317, 1, 8
PR_SET_NO_NEW_PRIVS = 38
AUDIT_ARCH_X86_64 = 0xC000003E
RET_ALLOW, RET_USER_NOTIF = 0x7FFF0000, 0x7FC00000
LOAD, EQUALS, RETURN = 0x20, 0x15, 0x06
RECEIVE, ANSWER = 0xC0502100, 0xC0182101
CONTINUE = 1
NOTICE, REPLY = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
SOON = 60.0

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


class Refusing:
    """Runs `act` in a process of its own; the `at`-th watched call it makes fails with `number`. `passed`:
    how many it has made, by name. The listener is kept until `close`: what it began may live on."""

    def __init__(self, act: Callable[[], object], at: int, number: int) -> None:
        self.passed: list[str] = []
        self._at, self._number = at, number
        self._names = {number: name for name, number in SYSCALLS.items()}
        ours, theirs = socket.socketpair()
        context = multiprocessing.get_context("fork")
        self.process: BaseProcess = context.Process(target=_obey, args=(act, theirs))
        self.process.start()
        theirs.close()
        with ours:
            _, (self._listener,), _, _ = socket.recv_fds(ours, 1, 1)
            self._over, self._end = os.pipe()
            self._thread = threading.Thread(target=self._answer)
            self._thread.start()
            ours.sendall(b"!")

    def ended(self) -> int | None:
        """Its exit code, once it is over."""
        self.process.join(SOON)
        return self.process.exitcode

    def close(self) -> None:
        os.close(self._end)
        self._thread.join()
        DONE["system calls refused"] += len(self.passed) >= self._at
        for fd in (self._over, self._listener):
            os.close(fd)
        self.process.kill()
        self.process.join()

    def _answer(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._over)
        while not (events := dict(poll.poll())).get(self._over):
            if not events[self._listener] & select.POLLIN:
                return  # nobody is left to ask
            notice = bytearray(NOTICE.size)
            with suppress(OSError):  # whoever asked was killed meanwhile
                fcntl.ioctl(self._listener, RECEIVE, notice)
                id, thread, _, call, *_ = NOTICE.unpack(notice)
                error = self._number if self._refused(thread, call) else 0
                reply = REPLY.pack(id, 0, -error, 0 if error else CONTINUE)
                fcntl.ioctl(self._listener, ANSWER, bytearray(reply))

    def _refused(self, thread: int, call: int) -> bool:
        if not Path(f"/proc/{self.process.pid}/task/{thread}").exists():
            return False
        self.passed.append(self._names[call])
        return len(self.passed) == self._at


def _obey(act: Callable[[], object], channel: socket.socket) -> None:
    listener = _watched()
    socket.send_fds(channel, [b"!"], [listener])
    channel.recv(1)
    os.close(listener)
    act()


def _watched() -> int:
    """From now on somebody is asked about our system calls; the descriptor by which he is."""
    lines = [(LOAD, 0, 0, 4), (EQUALS, 1, 0, AUDIT_ARCH_X86_64), (RETURN, 0, 0, RET_ALLOW)]
    lines.append((LOAD, 0, 0, 0))
    for number in SYSCALLS.values():
        lines += [(EQUALS, 0, 1, number), (RETURN, 0, 0, RET_USER_NOTIF)]
    lines.append((RETURN, 0, 0, RET_ALLOW))
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    program = _Program(len(lines), code)
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = int(_libc.syscall(NR_SECCOMP, SET_MODE_FILTER, NEW_LISTENER, ctypes.byref(program)))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "no listener for system calls")
    return listener
