"""The tool netavark: one program that makes and removes bridge interfaces as a JSON document says.

It keeps no addresses, so we do; it knows bridges, so a network of other plugins is refused. Setting up
what is there fails, and so does taking away what is not: which of the two to ask for is known from
the notes. It gives up at the first rule that is gone, and leaves those after it: what was taken away by
half is made whole, of an interface in a namespace of its own, before it is taken away.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.commands import finished
from lockgate.adapters.network import bridges, links
from lockgate.adapters.network.conflist import Conflist, Settings, as_object
from lockgate.adapters.network.leases import Leases
from lockgate.adapters.network.namespaces import TOOLS, lent
from lockgate.adapters.network.notes import Desk
from lockgate.adapters.network.plugins import PATIENCE
from lockgate.adapters.network.plumbing import INTERFACE, RULES_GONE, Note, Subject
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.oci.command import printable
from lockgate.effects.config import Attachment, Config, PortMapping
from lockgate.effects.outcome import Dns, Link, PortError
from lockgate.effects.ports import Locks, NetworkInfo

PLACES = (Path("/usr/lib/podman"), Path("/usr/libexec/podman"), Path("/usr/lib/netavark"))
"""Where it lies when it is not in PATH."""

SCOPE = "netavark"
"""One at a time: it looks at bridges and rules, and then acts on what it saw."""

Verb: TypeAlias = Literal["setup", "teardown"]


class NetavarkNote(Note, frozen=True, kw_only=True, omit_defaults=True):
    """`info` is the network as it was when the interface was made."""

    info: NetworkInfo
    ip: str = ""
    mac: str = ""
    ports: tuple[PortMapping, ...] = ()


class Complaint(Struct, frozen=True):
    error: str = ""


class Netavark:
    """Implements `Tool`. `find` says what a network's name means now; `state` is the program's own
    folder."""

    needs_namespace = True

    def __init__(
        self,
        find: Callable[[str], Conflist],
        leases: Leases,
        locks: Locks,
        state: Path,
        program: Path | None = None,
    ) -> None:
        self._find, self._leases, self._locks = find, leases, locks
        self._state, self._program = state, program or located()

    def obstacle(self, config: Config) -> str:
        return "" if self._program else "there is no netavark"

    def wish(self, number: int, one: Attachment, config: Config, netns: str) -> NetavarkNote:
        info = bridges.info(self._find(one.network), ours=True)
        if not (info.bridge and info.subnets):
            reason = f"netavark cannot serve network {info.name}: it is no bridge with a subnet"
            raise PortError("refused", reason, dirty=False)
        return NetavarkNote(
            network=info.name,
            interface=INTERFACE.format(number),
            netns=netns,
            aliases=one.aliases,
            info=info,
            ip=one.ip,
            mac=one.mac,
            ports=config.ports if number == 0 else (),
        )

    def add(self, note: NetavarkNote, desk: Desk[NetavarkNote], subject: Subject) -> NetavarkNote:
        holder, subnet = (subject.container, note.interface), note.info.subnets[0]
        address = self._leases.take(note.network, subnet, note.info.gateways, holder, note.ip)
        note = replace(note, addresses=(address,))
        desk.write(note.interface, note)
        result = self._call("setup", note, subject)
        return replace(note, result=result)

    def stands(self, note: NetavarkNote, subject: Subject) -> bool:
        """It cannot be asked."""
        return False

    def delete(self, note: NetavarkNote, subject: Subject) -> None:
        if note.addresses:  # else it was never asked for
            links.add_bridge(note.info.bridge)  # without it, rules of the network would stay
            try:
                self._call("teardown", note, subject)
            except PortError as problem:
                if not RULES_GONE.search(problem.fault.reason):
                    raise
                self._made_whole(note, subject)
        self._leases.release(note.network, (subject.container, note.interface))

    def _made_whole(self, note: NetavarkNote, subject: Subject) -> None:
        with lent(Path(subject.netns).with_name(f"{subject.container}-whole"), "", ()) as netns:
            spare = replace(subject, netns=netns)
            self._call("setup", note, spare)
            self._call("teardown", note, spare)

    def told(self, note: NetavarkNote) -> tuple[Link, Dns | None]:
        made = as_object(as_object((note.result or {}).get(note.network)).get("interfaces"))
        link = Link(
            network=note.network,
            interface=note.interface,
            mac=str(as_object(made.get(note.interface)).get("mac_address", "")),
            addresses=note.addresses,
            gateways=tuple(filter(None, note.info.gateways)),
            aliases=note.aliases,
        )
        return link, Dns(note.info.dns)

    def _call(self, verb: Verb, note: NetavarkNote, subject: Subject) -> Settings:
        if self._program is None:
            raise PortError("missing", "there is no netavark; install it")
        line = [str(self._program), "--config", str(self._state), verb, subject.netns]
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with self._locks.hold(SCOPE, PATIENCE):
                ran = finished(
                    line,
                    environment=TOOLS,
                    patience=PATIENCE,
                    stdin=msgspec.json.encode(_request(note, subject.container)),
                    keeping=(subject.fd,),
                )
        except TimeoutError as problem:
            raise PortError("timeout", f"netavark {verb}: {problem}") from None
        if ran.code == 0:
            return answered(ran.output) if verb == "setup" else {}
        said = complained(ran.output) or ran.complaints.decode("utf-8", "replace")
        raise PortError("failed", f"netavark failed to {verb}: {printable(said)}")


def located() -> Path | None:
    """The program, if it is here."""
    if found := shutil.which("netavark"):
        return Path(found)
    return next((place / "netavark" for place in PLACES if (place / "netavark").exists()), None)


def _request(note: NetavarkNote, container: str) -> dict[str, Any]:
    """The document netavark wants; names of its own for what the config says."""
    info = note.info
    wishes: dict[str, Any] = {
        "interface_name": note.interface,
        "static_ips": [address.partition("/")[0] for address in note.addresses],
        "aliases": list(note.aliases),
    }
    if note.mac:
        wishes["static_mac"] = note.mac
    subnets = [
        {"subnet": subnet} | ({"gateway": gateway} if gateway else {})
        for subnet, gateway in zip(info.subnets, info.gateways)
    ]
    network = {
        "name": info.name,
        "id": info.bridge.ljust(64, "0"),
        "driver": "bridge",
        "network_interface": info.bridge,
        "subnets": subnets,
        "ipv6_enabled": any(":" in subnet for subnet in info.subnets),
        "internal": info.internal,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
        "options": {},
    }
    ports = [
        {
            "container_port": port.container_port,
            "host_port": port.host_port,
            "host_ip": port.host_ip,
            "protocol": port.protocol,
            "range": 1,
        }
        for port in note.ports
    ]
    return {
        "container_id": container,
        "container_name": container[:12],
        "port_mappings": ports,
        "networks": {info.name: wishes},
        "network_info": {info.name: network},
    }


def answered(output: bytes) -> Settings:
    """What it says it has made. Raises `PortError("damaged")`."""
    try:
        return msgspec.json.decode(output, type=Settings)
    except NONSENSE as problem:
        raise PortError("damaged", f"netavark answered with no result: {problem}") from None


def complained(output: bytes) -> str:
    """What it says went wrong, in whatever form."""
    try:
        return msgspec.json.decode(output, type=Complaint).error
    except NONSENSE:
        return output.decode("utf-8", "replace")
