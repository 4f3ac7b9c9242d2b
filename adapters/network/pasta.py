"""The tool pasta: as slirp4netns, one process that is the container's network, but with the host's own
sockets in between instead of a stack of its own.

Two rules. Everything it would do unasked is turned off: it passes no port on but those published, in
neither direction, and leads to nothing of the host's loopback. And it is for an ordinary user's
namespaces alone: begun by the host's root it becomes somebody who may not enter ours.
"""

import shutil
from pathlib import Path

from msgspec.structs import replace

from lockgate.adapters.commands import finished
from lockgate.adapters.network.namespaces import TOOLS, holds
from lockgate.adapters.network.notes import Desk
from lockgate.adapters.network.plumbing import Subject
from lockgate.adapters.network.usermode import (
    ADDRESS,
    GATEWAY,
    PATIENCE,
    SERVER,
    UserNote,
    described,
    ended,
    serving,
    wished,
)
from lockgate.adapters.oci.command import printable
from lockgate.adapters.userns import confined
from lockgate.effects.config import Attachment, Config, PortMapping
from lockgate.effects.outcome import Dns, Link, PortError

PROGRAM = "pasta"
NETMASK = "255.255.255.0"
OPTIONS = {"tcp": "--tcp-ports", "udp": "--udp-ports"}

_NOISE = b"to syslog"  # it says so where there is no syslog, of each line


class Pasta:
    """Implements `Tool` for the networks `user` and `pasta`."""

    needs_namespace = False

    def obstacle(self, config: Config) -> str:
        if not confined():
            return f"{PROGRAM} is for an ordinary user's namespaces"
        return "" if shutil.which(PROGRAM) else f"there is no {PROGRAM}"

    def wish(self, number: int, one: Attachment, config: Config, netns: str) -> UserNote:
        return wished(number, one, config, netns)

    def add(self, note: UserNote, desk: Desk[UserNote], subject: Subject) -> UserNote:
        """It goes behind when it is ready, so the end of its first process is the word."""
        words = [
            *(PROGRAM, "--quiet", "--config-net", "--ipv4-only", "--no-map-gw"),
            *("--ns-ifname", note.interface, "--address", ADDRESS, "--netmask", NETMASK),
            *("--gateway", GATEWAY, "--dns-forward", SERVER),
            *_published(note.ports),
            *("--tcp-ns", "none", "--udp-ns", "none", "--netns", note.netns),
        ]
        try:
            ran = finished(words, environment=TOOLS, patience=PATIENCE, folder=Path("/"))
        except TimeoutError as problem:
            raise PortError("timeout", f"{PROGRAM} was not ready: {problem}") from None
        if ran.code:
            said = b" ".join(line for line in ran.complaints.splitlines() if _NOISE not in line)
            why = printable(said.decode("utf-8", "replace")) or f"it ended with {ran.code}"
            raise PortError("failed", f"{PROGRAM}: {why}")
        return replace(note, addresses=(f"{ADDRESS}/24",))

    def stands(self, note: UserNote, subject: Subject) -> bool:
        return any(serving(note.netns, PROGRAM)) and holds(note.netns, note.interface)

    def delete(self, note: UserNote, subject: Subject) -> None:
        ended(note.netns, PROGRAM)

    def told(self, note: UserNote) -> tuple[Link, Dns | None]:
        return described(note)


def _published(ports: tuple[PortMapping, ...]) -> list[str]:
    """What it is told to listen on; nothing, in so many words, where nothing is published."""
    words: list[str] = []
    for protocol, option in OPTIONS.items():
        ours = [port for port in ports if port.protocol == protocol]
        for port in ours:
            at = f"{port.host_ip}/" if port.host_ip else ""
            words += [option, f"{at}{port.host_port}:{port.container_port}"]
        if not ours:
            words += [option, "none"]
    if other := next((port for port in ports if port.protocol not in OPTIONS), None):
        raise PortError("refused", f"{PROGRAM} passes on no {other.protocol}", dirty=False)
    return words
