"""Interfaces of the caller's namespace, by the requests of ioctl(2) that need no program (netdevice(7))."""

import errno
import fcntl
import socket
import struct
from contextlib import suppress

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
SIOCGIFADDR = 0x8915
SIOCBRADDBR = 0x89A0
SIOCBRDELBR = 0x89A1
UP, UP_RUNNING = 0x1, 0x41
GONE = (errno.ENXIO, errno.ENODEV)


def exists(interface: str) -> bool:
    """In the namespace of the caller."""
    with suppress(OSError):
        return socket.if_nametoindex(interface) > 0
    return False


def is_up(interface: str) -> bool:
    """Is it there, and meant to carry anything?"""
    with suppress(OSError):
        (flags,) = struct.unpack_from("H", _ask(SIOCGIFFLAGS, _request(interface)), 16)
        return bool(flags & UP)
    return False


def address(interface: str) -> str:
    """Its first IPv4 address; empty where there is none, or no such interface."""
    with suppress(OSError):
        answer = _ask(SIOCGIFADDR, _request(interface))
        return socket.inet_ntoa(answer[20:24])
    return ""


def set_up(interface: str, *, up: bool) -> None:
    _ask(SIOCSIFFLAGS, struct.pack("16sH14x", interface.encode(), UP_RUNNING if up else 0))


def set_down(interface: str) -> None:
    """Nothing passes it any more; one that is not there is down already."""
    try:
        set_up(interface, up=False)
    except OSError as problem:
        if problem.errno not in GONE:
            raise


def add_bridge(name: str) -> None:
    """One that is there already will do."""
    with suppress(FileExistsError):
        _ask(SIOCBRADDBR, name.encode())


def delete_bridge(name: str) -> None:
    """Bring it down and delete it; one that is not there is deleted already."""
    set_down(name)
    try:
        _ask(SIOCBRDELBR, name.encode())
    except OSError as problem:
        if problem.errno not in GONE:
            raise


def _request(interface: str) -> bytes:
    """struct ifreq, with nothing but the name."""
    return struct.pack("16s24x", interface.encode())


def _ask(request: int, argument: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        return fcntl.ioctl(any_socket, request, argument)
