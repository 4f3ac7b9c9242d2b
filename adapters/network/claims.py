"""Ports of the host, claimed before anything is set up and held until it has been taken down (P19).

A claim is a file whose name says it all: port, protocol, address, container; its content is the
container's name, for messages. Two rules: claims are compared and made under one lock; and a port
nobody of ours has must also be free to bind, or another program's traffic would be carried off.

What the kernel cannot be told is that the port stays ours: nobody lives as long as the run who could
keep a socket. A program that binds it later gets nothing from outside, since the rules come first.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.filesystem import ensure_directory
from lockgate.effects.config import Config, PortMapping, Transport
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Locks

SCOPE = "ports"
PATIENCE = 30.0
"""Seconds to wait for others who are claiming."""
ANYWHERE = {"", "0.0.0.0", "::"}


class Claim(Struct, frozen=True):
    port: int
    protocol: str
    address: str  # empty: all
    container: str

    @property
    def file(self) -> str:
        return f"{self.port}-{self.protocol}-{self.address}-{self.container}"

    def meets(self, other: "Claim") -> bool:
        """Do both mean one port? An address of its own meets all of them, and itself."""
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        return self.address == other.address or bool({self.address, other.address} & ANYWHERE)


def claims(config: Config) -> tuple[Claim, ...]:
    return tuple(
        Claim(port.host_port, port.protocol, port.host_ip, config.id) for port in config.ports
    )


def described(claim: Claim) -> str:
    """`8080/tcp`, `127.0.0.1:8080/tcp`."""
    return f"{claim.address and claim.address + ':'}{claim.port}/{claim.protocol}"


def taken(claim: Claim, holder: str) -> PortError:
    """The refusal that names who holds it."""
    reason = f"the port {described(claim)} of the host is in use by {holder}"
    return PortError("refused", reason, dirty=False)


class Claims:
    """Files in `directory`, under a lock that all engines of this folder share."""

    def __init__(self, directory: Path, locks: Locks) -> None:
        self._directory, self._locks = directory, locks

    def take(self, config: Config) -> None:
        """All the config's ports, or none. Claiming again is claiming once.

        Raises `PortError("refused")`, clean, that says who has it.
        """
        wishes = claims(config)
        if not wishes:
            return
        ensure_directory(self._directory, 0o700)
        with self._locks.hold(SCOPE, PATIENCE):
            held = set(self._all())
            new = [wish for wish in wishes if wish not in held]
            for wish, port in zip(wishes, config.ports):
                for other in held:
                    if other.container != config.id and wish.meets(other):
                        raise taken(wish, self._who(other))
                if wish in new:
                    _probe(port, wish)
            for wish in new:
                (self._directory / wish.file).write_text(config.name)

    def release(self, container: str) -> None:
        """Whatever the container holds; nothing is fine."""
        for claim in self._all():
            if claim.container == container:
                with suppress(FileNotFoundError):
                    (self._directory / claim.file).unlink()

    def _all(self) -> Iterator[Claim]:
        with suppress(FileNotFoundError):
            for path in list(self._directory.iterdir()):
                parts = path.name.split("-", 3)
                if len(parts) == 4 and parts[0].isdecimal():
                    yield Claim(int(parts[0]), *parts[1:])

    def _who(self, claim: Claim) -> str:
        with suppress(OSError, UnicodeDecodeError):
            if name := (self._directory / claim.file).read_text():
                return f"container {name} ({claim.container[:12]})"
        return f"container {claim.container[:12]}"


_KINDS: dict[Transport, tuple[socket.SocketKind, int]] = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}


def _probe(port: PortMapping, claim: Claim) -> None:
    """Could it be bound now? Connections that linger (TIME_WAIT) do not count."""
    family = socket.AF_INET
    if port.host_ip and ip_address(port.host_ip).version == 6:
        family = socket.AF_INET6
    kind, number = _KINDS[port.protocol]
    try:
        probe = socket.socket(family, kind, number)
    except OSError:
        return  # this host does not speak that protocol: the plugin will say so
    with probe:
        try:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((port.host_ip, port.host_port))
            if kind is socket.SOCK_STREAM:
                probe.listen(1)
        except PermissionError as problem:
            reason = f"may not use the port {described(claim)}: {problem.strerror}"
            raise PortError("denied", reason, dirty=False) from None
        except OSError as problem:
            raise taken(claim, f"another program ({problem.strerror})") from None
