"""Ports of the host, bound: to see whether they are free, and to keep others from them."""

import socket
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from lockgate.effects.config import PortMapping, Transport
from lockgate.effects.outcome import PortError

_KINDS: Mapping[Transport, tuple[socket.SocketKind, int]] = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}


UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def described(port: PortMapping) -> str:
    """`8080/tcp`, `127.0.0.1:8080/tcp`."""
    at = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    return f"{at and at + ':'}{port.host_port}/{port.protocol}"


def taken(port: PortMapping, holder: str) -> PortError:
    """The refusal that names who holds it; clean."""
    reason = f"the port {described(port)} of the host is in use by {holder}"
    return PortError("refused", reason, dirty=False)


def _hint(port: PortMapping) -> str:
    """Where low ports are root's alone (ip(7))."""
    try:
        first = int(UNPRIVILEGED.read_text())
    except (OSError, ValueError):
        return ""
    if port.host_port >= first:
        return ""
    setting = "net.ipv4.ip_unprivileged_port_start"
    return f"; below {first} they are root's: choose another, or sysctl {setting}={port.host_port}"


def bound(port: PortMapping) -> socket.socket:
    """A socket that nobody else can bind beside, nor connect to with any answer. Connections that
    linger (TIME_WAIT) do not count. Raises `PortError`, clean: "refused", "denied"."""
    v6 = bool(port.host_ip) and ip_address(port.host_ip).version == 6
    kind, number = _KINDS[port.protocol]
    holding = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, kind, number)
    try:
        if kind is socket.SOCK_STREAM:
            holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind((port.host_ip, port.host_port))
        if kind is socket.SOCK_STREAM:
            holding.listen(1)  # bound alone, another one with SO_REUSEADDR could be bound beside
    except OSError as problem:
        holding.close()
        if isinstance(problem, PermissionError):
            reason = f"may not use the port {described(port)}: {problem.strerror}{_hint(port)}"
            raise PortError("denied", reason, dirty=False) from None
        raise taken(port, f"another program ({problem.strerror})") from None
    return holding
