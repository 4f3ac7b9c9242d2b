"""Being told by the kernel that files have come, changed or gone: inotify(7), and nothing more.

One rule keeps users of it correct: watch first, then look, then wait (MAP L-02). An event only ever
means "look again"; what it says is a hint, and many may have become one.

Queues that are done with are kept for the next user: to close one that has had watches takes the
kernel an SRCU grace period, some 12 ms on a host that starts containers.
"""

import ctypes
import os
import select
import struct
import time
from contextlib import suppress
from ctypes import c_char_p, c_int, c_uint32
from enum import IntFlag
from pathlib import Path
from typing import Final, Self

from msgspec import Struct

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.inotify_init1.argtypes = (c_int,)
_LIBC.inotify_add_watch.argtypes = (c_int, c_char_p, c_uint32)
_LIBC.inotify_rm_watch.argtypes = (c_int, c_int)

_HEADER: Final = struct.Struct("=iIII")  # watch, mask, cookie, length of the name
_BUFFER: Final = 64 * 1024
_KEPT: Final = 8  # of fs.inotify.max_user_instances, by default 128
_LONGEST: Final = 86_400.0  # seconds handed to poll(2) at a time: it counts in int milliseconds


class Mask(IntFlag):
    """What to be told of, and what happened (inotify(7))."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    UNMOUNT = 0x2000
    OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x1000000
    DONT_FOLLOW = 0x2000000


class Event(Struct, frozen=True):
    """`name` is the entry of a watched directory; empty when the watched thing itself is meant.

    After `Mask.OVERFLOW` (then `watch` is -1) anything may have happened.
    """

    watch: int
    mask: Mask
    name: str


_idle: Final[list[int]] = []  # queues without watches, with nothing in them


def _not_ours() -> None:
    while _idle:
        os.close(_idle.pop())


os.register_at_fork(after_in_child=_not_ours)


class Inotify:
    """One queue of events; a context manager. Raises `OSError`: EMFILE when the user has too many
    queues (fs.inotify.max_user_instances), ENOSPC too many watches."""

    def __init__(self) -> None:
        self._watches: list[int] = []
        try:
            self._fd = _idle.pop()
        except IndexError:
            self._fd = _checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the queue back; closing twice is once. An event on its way just now may yet reach
        its next user, who will look once more than needed."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        if len(_idle) >= _KEPT:
            os.close(fd)
            return
        for watch in self._watches:
            _LIBC.inotify_rm_watch(fd, watch)  # EINVAL: what it watched is gone, and it with it
        with suppress(BlockingIOError):
            while os.read(fd, _BUFFER):
                pass
        _idle.append(fd)

    def fileno(self) -> int:
        return self._fd

    def watch(self, path: Path | str, mask: Mask) -> int:
        """Begin to be told of `mask` at `path`; returns the number its events will carry.

        Raises `FileNotFoundError` when there is nothing there.
        """
        number = _checked(_LIBC.inotify_add_watch(self._fd, os.fsencode(path), mask), path)
        self._watches.append(number)
        return number

    def wait(self, timeout: float | None = None) -> bool:
        """Until there is an event, at most `timeout` seconds (`None`: for ever); is there one?"""
        return bool(readable((self._fd,), timeout))

    def read(self) -> tuple[Event, ...]:
        """What there is to be told now, oldest first. Never blocks."""
        try:
            data = os.read(self._fd, _BUFFER)
        except BlockingIOError:
            return ()
        events: list[Event] = []
        at = 0
        while at < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            name = data[at : at + length].rstrip(b"\0")
            at += length
            events.append(Event(watch, Mask(mask), os.fsdecode(name)))
        return tuple(events)


def readable(fds: tuple[int, ...], timeout: float | None) -> frozenset[int]:
    """Which of these descriptors have something to say: poll(2), at most `timeout` seconds.

    Empty after `timeout` (`None`: for ever), in which no time passes while the host is suspended.
    For a pidfd "something to say" is the end of its process.
    """
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _LONGEST if deadline is None else max(0.0, deadline - time.monotonic())
        limit = min(left, _LONGEST)
        # a millisecond more rather than one less: waking too early would spin
        ready = poll.poll(int(limit * 1000) + (limit > 0))
        if ready or (deadline is not None and left == limit):
            return frozenset(fd for fd, _ in ready)


def _checked(result: int, about: Path | str) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fspath(about))
    return result
