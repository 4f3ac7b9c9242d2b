"""What plugins answer to ADD, in the form that is relied on (CNI 1.0 section 5, "ADD Success").

One rule: a result is checked when it comes, and handed on to the next plugin as it came. What is not of this
form was no answer, and its plugin may have done anything.
"""

from ipaddress import ip_interface

import msgspec
from msgspec import Struct

from lockgate.adapters.network.conflist import Settings
from lockgate.effects.outcome import Dns, PortError


class Ip(Struct, frozen=True):
    address: str
    gateway: str | None = None


class Interface(Struct, frozen=True):
    mac: str | None = None
    sandbox: str | None = None


class Names(Struct, frozen=True):
    nameservers: tuple[str, ...] | None = None
    search: tuple[str, ...] | None = None
    options: tuple[str, ...] | None = None


class Result(Struct, frozen=True):
    """Everything may be left out, or be null."""

    ips: tuple[Ip, ...] | None = None
    interfaces: tuple[Interface, ...] | None = None
    dns: Names | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """In CIDR notation."""
        return tuple(one.address for one in self.ips or ())

    @property
    def gateways(self) -> tuple[str, ...]:
        return tuple(one.gateway for one in self.ips or () if one.gateway)

    @property
    def mac(self) -> str:
        """Of the first interface in the container."""
        inside = (one.mac or "" for one in self.interfaces or () if one.sandbox)
        return next(inside, "")

    @property
    def names(self) -> Dns:
        dns = self.dns or Names()
        return Dns(dns.nameservers or (), dns.search or (), dns.options or ())


def believed(answer: Settings) -> Result:
    """Raises `PortError("damaged")` for what is no result."""
    try:
        result = msgspec.convert(answer, Result)
        for address in result.addresses:
            ip_interface(address)
    except (ValueError, RecursionError) as problem:
        raise PortError("damaged", f"a network plugin answered with no result: {problem}") from None
    return result
