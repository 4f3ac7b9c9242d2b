"""A process that asks before it makes certain system calls: by the kernel, so that nothing of ours or of a
library needs to know (seccomp_unotify(2)).

The process gives a filter to itself and its listener to us. From then on each of the watched calls waits
until we have said whether it is to be made, or what it is to have returned. A signal does not take the
question back: programs of Go signal themselves every ten milliseconds, and would ask again for ever where
we are slow. Processes it begins ask, too, and are always let: what a container or its monitor does is not
what is tried here.
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
from collections.abc import Callable, Collection
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.oci.grace import Grace

RECENT = tuple(map(int, platform.release().split("-")[0].split(".")[:2])) >= (5, 19)
WHY = "" if platform.machine() == "x86_64" else "system calls have their numbers of x86-64"
WHY = WHY or ("" if RECENT else "before Linux 5.19 any signal takes back a question")

NR_SECCOMP, SET_MODE_FILTER, NEW_LISTENER, WAIT_KILLABLE = 317, 1, 1 << 3, 1 << 5
PR_SET_NO_NEW_PRIVS = 38
AUDIT_ARCH_X86_64 = 0xC000003E
RET_ALLOW, RET_USER_NOTIF = 0x7FFF0000, 0x7FC00000
LOAD, EQUALS, RETURN = 0x20, 0x15, 0x06
RECEIVE, ANSWER = 0xC0502100, 0xC0182101
CONTINUE = 1
NOTICE, REPLY = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
SOON = 60.0

_libc = ctypes.CDLL(None, use_errno=True)


class Call(Struct, frozen=True):
    """A system call that somebody is about to make; `thread` is who, `arguments` are its registers."""

    thread: int
    number: int
    arguments: tuple[int, ...]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


class Asking:
    """Runs `act` in a process of its own; `answer` says what one of its `watched` calls returns (an
    error is below zero), `None` that it is to be made. The listener is kept until `close`: what it
    began may live on."""

    def __init__(
        self,
        act: Callable[[], object],
        watched: Collection[int],
        answer: Callable[[Call], int | None],
    ) -> None:
        self._decided = answer
        ours, theirs = socket.socketpair()
        context = multiprocessing.get_context("fork")
        self.process: BaseProcess = context.Process(target=_obey, args=(act, watched, theirs))
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
                id, thread, _, number, _, _, *arguments = NOTICE.unpack(notice)
                said = self._said(Call(thread, number, tuple(arguments)))
                made = REPLY.pack(id, 0, 0, CONTINUE)
                if said is not None:
                    made = REPLY.pack(id, max(said, 0), min(said, 0), 0)
                fcntl.ioctl(self._listener, ANSWER, bytearray(made))

    def _said(self, call: Call) -> int | None:
        if not Path(f"/proc/{self.process.pid}/task/{call.thread}").exists():
            return None
        return self._decided(call)


def _obey(act: Callable[[], object], watched: Collection[int], channel: socket.socket) -> None:
    """One call after another: who waits for no grace period would call in between, when he likes."""
    setattr(Grace, "expect", _nothing)  # noqa: B010 -- of this process alone
    listener = _watched(watched)
    socket.send_fds(channel, [b"!"], [listener])
    channel.recv(1)
    os.close(listener)
    act()


def _nothing(_: Grace) -> None: ...


def _watched(numbers: Collection[int]) -> int:
    """From now on somebody is asked about our system calls; the descriptor by which he is."""
    lines = [(LOAD, 0, 0, 4), (EQUALS, 1, 0, AUDIT_ARCH_X86_64), (RETURN, 0, 0, RET_ALLOW)]
    lines.append((LOAD, 0, 0, 0))
    for number in numbers:
        lines += [(EQUALS, 0, 1, number), (RETURN, 0, 0, RET_USER_NOTIF)]
    lines.append((RETURN, 0, 0, RET_ALLOW))
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    program = _Program(len(lines), code)
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = int(
        _libc.syscall(
            NR_SECCOMP, SET_MODE_FILTER, NEW_LISTENER | WAIT_KILLABLE, ctypes.byref(program)
        )
    )
    if listener < 0:
        raise OSError(ctypes.get_errno(), "no listener for system calls")
    return listener
