"""The tool slirp4netns: a process that is the container's network, and asks nothing of the host but
sockets: no bridge, no address, no firewall rule.

Two rules. It is not given its own sandbox: as root, that unmounts the host's named namespaces wherever
/run/netns is shared, as it is by default. And the process is found by the namespace it was given, never by a number somebody wrote down, so
that one whose start nobody lived to note is ended with the others.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.commands import finished
from lockgate.adapters.inotify import readable
from lockgate.adapters.network.namespaces import TOOLS, holds
from lockgate.adapters.network.notes import Desk
from lockgate.adapters.network.plumbing import INTERFACE, Note, Subject
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.oci.command import printable
from lockgate.adapters.oci.process import end, identify, pids
from lockgate.effects.config import Attachment, Config, PortMapping
from lockgate.effects.model import Process
from lockgate.effects.outcome import Dns, Link, PortError

PROGRAM = "slirp4netns"
ADDRESS, GATEWAY, SERVER = "10.0.2.100", "10.0.2.2", "10.0.2.3"
"""The same in every such network: slirp4netns(1)."""

PATIENCE = 10.0
"""Seconds it may take to be ready, to answer, or to go."""

ANSWER_LIMIT = 4096

DETACHED = '"$@" </dev/null >/dev/null 2>"/proc/self/fd/$COMPLAINTS" &'
"""It outlives whoever starts it, and is not their child."""


class UserNote(Note, frozen=True, kw_only=True, omit_defaults=True):
    ports: tuple[PortMapping, ...] = ()


class Answer(Struct, frozen=True):
    error: dict[str, str] = {}


class Slirp:
    """Implements `Tool` for the networks `user` and `slirp4netns`. `sockets` is the folder of control sockets."""

    needs_namespace = False

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets

    def obstacle(self, config: Config) -> str:
        return "" if shutil.which(PROGRAM) else f"there is no {PROGRAM}"

    def wish(self, number: int, one: Attachment, config: Config, netns: str) -> UserNote:
        return wished(number, one, config, netns)

    def add(self, note: UserNote, desk: Desk[UserNote], subject: Subject) -> UserNote:
        control = self._control(subject)
        self._sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        control.unlink(missing_ok=True)
        _begun(note, control)
        for port in note.ports:
            published(port, control)
        return replace(note, addresses=(f"{ADDRESS}/24",))

    def stands(self, note: UserNote, subject: Subject) -> bool:
        return any(serving(note.netns, PROGRAM)) and holds(note.netns, note.interface)

    def delete(self, note: UserNote, subject: Subject) -> None:
        ended(note.netns, PROGRAM)
        self._control(subject).unlink(missing_ok=True)

    def told(self, note: UserNote) -> tuple[Link, Dns | None]:
        return described(note)

    def _control(self, subject: Subject) -> Path:
        return self._sockets / subject.container[:24]  # a socket's name is at most 107 bytes


def _begun(note: UserNote, control: Path) -> None:
    """Start it, and wait until it says that it is ready."""
    with ExitStack() as stack:
        heard, ready = os.pipe()
        stack.callback(os.close, heard)
        complaints = os.memfd_create(PROGRAM, os.MFD_CLOEXEC)
        stack.callback(os.close, complaints)
        words = (
            *(PROGRAM, "--configure", "--mtu=65520", "--disable-host-loopback"),
            *("--enable-seccomp", f"--ready-fd={ready}"),
            *(f"--api-socket={control}", "--netns-type=path", note.netns, note.interface),
        )
        try:
            finished(
                ["sh", "-c", DETACHED, "sh", *words],
                environment=TOOLS | {"COMPLAINTS": str(complaints)},
                patience=PATIENCE,
                keeping=(ready, complaints),
            )
        finally:
            os.close(ready)
        if not readable((heard,), PATIENCE):
            raise PortError("timeout", f"{PROGRAM} was not ready in {PATIENCE:.0f} seconds")
        if not os.read(heard, 1):
            said = os.pread(complaints, 4096, 0).decode("utf-8", "replace")
            raise PortError("failed", f"{PROGRAM} ended: {printable(said) or 'it said nothing'}")


def published(port: PortMapping, control: Path) -> None:
    """Ask it to listen on a port of the host (slirp4netns(1), "API socket")."""
    request = {
        "execute": "add_hostfwd",
        "arguments": {
            "proto": port.protocol,
            "host_addr": port.host_ip or "0.0.0.0",
            "host_port": port.host_port,
            "guest_addr": ADDRESS,
            "guest_port": port.container_port,
        },
    }
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(PATIENCE)
            asking.connect(str(control))
            asking.sendall(msgspec.json.encode(request))
            asking.shutdown(socket.SHUT_WR)
            with asking.makefile("rb") as answering:  # to its end, in however many pieces
                answer = msgspec.json.decode(answering.read(ANSWER_LIMIT), type=Answer)
    except (OSError, *NONSENSE) as problem:
        reason = f"{PROGRAM} does not answer to a port being published: {problem}"
        raise PortError("failed", reason) from None
    if answer.error:
        said = printable(str(answer.error.get("desc", answer.error)))
        raise PortError("refused", f"{PROGRAM} cannot publish port {port.host_port}: {said}")


def wished(number: int, one: Attachment, config: Config, netns: str) -> UserNote:
    return UserNote(
        network=one.network,
        interface=INTERFACE.format(number),
        netns=netns,
        aliases=one.aliases,
        ports=config.ports,
    )


def described(note: UserNote) -> tuple[Link, Dns | None]:
    link = Link(note.network, note.interface, "", note.addresses, (GATEWAY,), note.aliases)
    return link, Dns((SERVER,))


def serving(netns: str, program: str) -> Iterator[Process]:
    """Those that were given this namespace."""
    for pid in pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = os.fsencode(netns) in words and words[0].rpartition(b"/")[2] == program.encode()
        if ours and (process := identify(pid)):
            yield process


def ended(netns: str, program: str) -> None:
    """Nobody serves this namespace any more. Raises `PortError("timeout")`."""
    for process in serving(netns, program):
        if not end(process, PATIENCE):
            raise PortError("timeout", f"{program} (process {process.pid}) outlived SIGKILL")
