"""Running a program of the host to its end, and no further.

Two rules: its output goes to memory, not to a pipe, so that a child which keeps it open cannot hold
us up (HOST §0, pitfall 3); and a Ctrl-C meant for us does not strike it half way (MAP L-30).
`subprocess` and not `sh`: what is run here stands on the path of a start (HOST §5).
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.inotify import readable
from lockgate.adapters.whole import pread_all, pwrite_all

OUTPUT_LIMIT = 1 << 20
"""Bytes of output, and of complaints, that are kept: the first of them."""

_MESSAGE_LIMIT = 1000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Finished(Struct, frozen=True):
    """How a program ended; `code` is negative for a signal."""

    code: int
    output: bytes
    complaints: bytes


def finished(
    line: Sequence[str],
    *,
    environment: Mapping[str, str],
    patience: float,
    stdin: bytes = b"",
    keeping: Sequence[int] = (),
    program: str | None = None,
    folder: Path | None = None,
) -> Finished:
    """Run a program and wait for its end, not for that of its children.

    Descriptors in `keeping` stay open in it and in its children; `program` is the file to execute
    where that is not the first word of the line; `folder` is where it finds itself. Raises `FileNotFoundError` or
    `PermissionError` when it cannot be run, `TimeoutError` after `patience` seconds (it is then
    killed, and may have had any effect).
    """
    with ExitStack() as stack:
        given, output, complaints = (_memory(stack, name) for name in ("in", "out", "err"))
        pwrite_all(given, stdin, 0)
        child = subprocess.Popen(
            line,
            stdin=given,
            stdout=output,
            stderr=complaints,
            env=environment,
            executable=program,
            cwd=folder,
            pass_fds=keeping,
            start_new_session=True,
        )
        code = _waited(child, patience)
        return Finished(code, _kept(output), _kept(complaints))


def _waited(child: subprocess.Popen[bytes], patience: float) -> int:
    fd = os.pidfd_open(child.pid)  # Popen.wait with a time limit would sleep and look
    try:
        if readable((fd,), patience):
            return child.wait()
    finally:
        os.close(fd)
        if child.returncode is None:
            child.kill()
            child.wait()
    raise TimeoutError(f"{child.args!r} did not end in {patience:.0f} seconds")


def _memory(stack: ExitStack, name: str) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    stack.callback(os.close, fd)
    return fd


def _kept(fd: int) -> bytes:
    return pread_all(fd, OUTPUT_LIMIT, 0)


def printable(text: str) -> str:
    """Without what could command a terminal; a container can have its part in any message."""
    return _UNPRINTABLE.sub(" ", text).strip()[:_MESSAGE_LIMIT]
