"""Being attached to a container's first process, through its monitor's socket (HOST §1, attach).

Packets come from the monitor, each one byte that names the stream and up to 8 KiB of it; what is sent is
plain input. One rule: what comes is always read. A client that does not read would block the container,
its log and everybody else who is attached.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from select import POLLERR, POLLHUP, POLLIN, poll

from lockgate.adapters.filesystem import bundle
from lockgate.adapters.whole import write_all
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError

PACKET = 16 << 10
"""Bytes: more than the monitor ever sends at once."""

STDOUT, STDERR = 2, 3


class Attachment:
    """Made before it is used, so that nothing of what follows is missed. Closed by `relay`."""

    def __init__(self, root: Path, config: Config) -> None:
        """Raises `PortError("missing")` where there is no monitor to attach to."""
        self._bundle = bundle(root, config.id)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            folder = os.open(self._bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:  # by descriptor: its path may be longer than a socket's may be
                self._socket.connect(f"/proc/self/fd/{folder}/attach")
            finally:
                os.close(folder)
        except OSError as problem:
            self._socket.close()
            reason = f"nothing to attach to: {problem.strerror}; is it initialised?"
            raise PortError("missing", reason, dirty=False) from None

    def relay(
        self,
        stdin: int | None,
        stdout: int,
        stderr: int,
        detach: bytes,
        resized: Callable[[], None],
    ) -> bool:
        """Carry bytes both ways until the container closes its side; whether `detach` was typed
        before. `resized` is called now and then, when nothing is under way.

        The end of `stdin` is passed on; output goes on until there is no more.
        """
        with self._socket:
            watch, keys = poll(), Keys(detach)
            watch.register(self._socket, POLLIN)
            if stdin is not None:
                watch.register(stdin, POLLIN)
            while True:
                for fd, event in watch.poll(100):
                    if fd == self._socket.fileno():
                        packet = self._socket.recv(PACKET)
                        if not packet:
                            return False
                        write_all(stderr if packet[0] == STDERR else stdout, packet[1:])
                    elif stdin is not None and event & (POLLIN | POLLHUP | POLLERR):
                        data = os.read(stdin, PACKET // 2)
                        typed = keys.passed(data)
                        with suppress(BrokenPipeError, ConnectionResetError):
                            if typed:
                                self._socket.send(typed)
                            if not data:
                                watch.unregister(stdin)
                                self._socket.shutdown(socket.SHUT_WR)
                        if keys.complete:
                            return True
                resized()

    def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal how large ours is; that there is none any more is no error."""
        with suppress(OSError):  # nobody reads there any more
            fd = os.open(self._bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                os.write(fd, f"1 {rows} {columns}\n".encode())
            finally:
                os.close(fd)


class Keys:
    """Looks for a sequence in what is typed, however it is cut into reads."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence, self._held = sequence, b""
        self.complete = False

    def passed(self, data: bytes) -> bytes:
        """What is no part of the sequence; its beginning is held back until that is known."""
        passed = bytearray()
        for byte in data:
            self._held += bytes((byte,))
            while self._held and not self._sequence.startswith(self._held):
                passed.append(self._held[0])
                self._held = self._held[1:]
            if self._held and self._held == self._sequence:
                self.complete = True
                break
        if not data:
            passed += self._held
            self._held = b""
        return bytes(passed)
