"""What being plugged into networks means to a container: addresses, names, servers to ask."""

from msgspec import Struct


class Link(Struct, frozen=True, gc=False, omit_defaults=True):
    """One interface of the container, as the network made it.

    `addresses` are in CIDR notation; `gateways` are those of its networks that have one; `aliases`
    are the names it wanted to have there.
    """

    network: str
    interface: str
    mac: str = ""
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class Dns(Struct, frozen=True, gc=False, omit_defaults=True):
    """What shall be in resolv.conf. Of several networks: in the order of the interfaces."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
