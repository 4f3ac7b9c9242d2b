"""The files of a run: what the engine tells a container about its place in the world.

They lie in the bundle and are bind-mounted, so that nothing is ever written through a path the
container controls. Generated anew for each run (MAP §3.5 `makeBindMounts`, L-33, L-161).
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import TypeAlias

import msgspec

from lockgate.effects.config import Config
from lockgate.effects.model import WriteSpec
from lockgate.effects.network import Dns
from lockgate.effects.ports import Facts, File
from lockgate.statemachine.spec.users import stranger

Written: TypeAlias = Mapping[str, File]
"""Files by the place in the container where they are seen."""

PLACES = frozenset(
    {"/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/resolv.conf", "/run/.containerenv"}
)
"""Where such files may be seen. What they are mounted on is made by the runtime, not by the
container."""

LOCALHOST = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def generated(config: Config, effect: WriteSpec, facts: Facts, hostname: str) -> Written:
    """What is to be written. With the network `none` there is a resolv.conf only if the user
    says what is in it."""
    found = {
        "/etc/hostname": File("hostname", f"{hostname}\n".encode()),
        "/etc/hosts": File("hosts", _hosts(config, effect, facts, hostname)),
        "/run/.containerenv": File("containerenv", _containerenv(config)),
    }
    if config.network != "none" or config.dns != Dns():
        found["/etc/resolv.conf"] = File("resolv.conf", _resolv_conf(config, effect, facts))
    if line := stranger(config, facts.accounts):
        passwd = facts.accounts.passwd
        gap = b"" if passwd.endswith(b"\n") else b"\n"
        found["/etc/passwd"] = File("passwd", passwd + gap + line)
    return found


def _hosts(config: Config, effect: WriteSpec, facts: Facts, hostname: str) -> bytes:
    """A container that has addresses is known by them and by its names there; one that has none,
    by a loopback address. On the host's network the host's file stands."""
    added = "".join(f"{address}\t{name}\n" for name, address in config.hosts).encode()
    if config.network == "host":
        return added + facts.hosts  # the first line that names a host is the one that counts
    known = [name for name in (hostname, config.name) if name]
    own = [
        f"{address.partition('/')[0]}\t{' '.join(dict.fromkeys((*known, *link.aliases)))}\n"
        for link in effect.links
        for address in link.addresses
    ] or [f"127.0.0.1\t{' '.join(dict.fromkeys(known))}\n"]
    return added + LOCALHOST.encode() + "".join(own).encode()


def _containerenv(config: Config) -> bytes:
    known = {
        "engine": "lockgate",
        "name": config.name,
        "id": config.id,
        "image": config.image,
        "imageid": config.image_id,
    }
    lines = (f"{key}={msgspec.json.encode(value).decode()}\n" for key, value in known.items())
    return "".join(lines).encode()


def _resolv_conf(config: Config, effect: WriteSpec, facts: Facts) -> bytes:
    """Of each kind what the user gives, else what the networks say, else what the host has, but
    for servers on the host's own loopback when that is not the container's. None may be left: an
    address nobody chose is not made up."""
    host = dict(_directives(facts.resolv_conf))
    joined = effect.dns or Dns()
    servers = (
        config.dns.servers
        or joined.servers
        or tuple(
            one for one in host["nameserver"] if config.network == "host" or not _loopback(one)
        )
    )
    search = config.dns.search or joined.search or host.get("search", host.get("domain"))
    options = config.dns.options or joined.options or host.get("options")
    lines = [f"nameserver {one}" for one in servers]
    if search and search != (".",):
        lines.append(f"search {' '.join(search)}")
    if options:
        lines.append(f"options {' '.join(options)}")
    return "".join(f"{line}\n" for line in lines).encode()


def _directives(data: bytes) -> Iterator[tuple[str, tuple[str, ...]]]:
    """resolv.conf(5): all servers count, and the last of any other keyword."""
    servers: list[str] = []
    for line in data.decode(errors="replace").splitlines():
        match line.split():
            case ["nameserver", address, *_]:
                servers.append(address)
            case [("search" | "domain" | "options") as keyword, *values]:
                yield keyword, tuple(values)
    yield "nameserver", tuple(servers)


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return True  # no address at all: of no use to anybody
