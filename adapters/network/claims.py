"""Ports of the host, claimed before anything is set up and held until it has been taken down (P19).

A claim is a file whose name says it all: port, protocol, address, container; its content is the
container's name, for messages. Two rules: claims are compared and made under one lock; and a port
nobody of ours has must also be free to bind, or another program's traffic would be carried off.

While the run lives its monitor keeps the ports bound (MAP L-32); before and after, the claim alone
keeps others of ours from them.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.filesystem import ensure_directory
from lockgate.adapters.sockets import bound, taken
from lockgate.effects.config import Config
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
                        raise taken(port, self._who(other))
                if wish in new:
                    bound(port).close()
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
