"""Bridges of the host, by the two requests of ioctl(2) that make and remove them (netdevice(7))."""

import errno
import fcntl
import socket
import struct
from contextlib import suppress

SIOCSIFFLAGS = 0x8914
SIOCBRADDBR = 0x89A0
SIOCBRDELBR = 0x89A1
UP_RUNNING = 0x41


def exists(interface: str) -> bool:
    """In the namespace of the caller."""
    with suppress(OSError):
        return socket.if_nametoindex(interface) > 0
    return False


def set_up(interface: str, *, up: bool) -> None:
    _ask(SIOCSIFFLAGS, struct.pack("16sH14x", interface.encode(), UP_RUNNING if up else 0))


def add_bridge(name: str) -> None:
    """One that is there already will do."""
    with suppress(FileExistsError):
        _ask(SIOCBRADDBR, name.encode())


def delete_bridge(name: str) -> None:
    """Bring it down and delete it; one that is not there is deleted already."""
    try:
        set_up(name, up=False)
        _ask(SIOCBRDELBR, name.encode())
    except OSError as problem:
        if problem.errno not in (errno.ENXIO, errno.ENODEV):
            raise


def _ask(request: int, argument: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, request, argument)
