"""What a container was asked to be.

Fixed when the container is created and handed to every port beside the effect: an effect says
what is to be done, the config says to what. Nothing here changes during a run.
"""

from typing import Literal

from msgspec import Struct

NETWORK_MODES = ("none", "host", "private")
"""Words that name no network. `none`: a fresh namespace made by the runtime; `host`: the host's;
`private`: one of our making, with nothing but a loopback interface."""

Transport = Literal["tcp", "udp", "sctp"]


class Attachment(Struct, frozen=True, omit_defaults=True, cache_hash=True):
    """One network a container is plugged into, and who it wants to be there.

    `ip` and `mac` left empty are chosen by the network. `aliases` are further names of the
    container on this network.
    """

    network: str
    ip: str = ""
    mac: str = ""
    aliases: tuple[str, ...] = ()


class PortMapping(Struct, frozen=True, omit_defaults=True, cache_hash=True):
    """A port of the host that leads to one of the container; no `host_ip`: on all its addresses."""

    host_port: int
    container_port: int
    host_ip: str = ""
    protocol: Transport = "tcp"


RestartPolicy = Literal["no", "on-failure", "always", "unless-stopped"]
"""Whether a run that ended by itself is followed by another; `always` and `unless-stopped` differ
after a reboot: the first starts again also what its user had stopped."""


class Config(Struct, frozen=True, kw_only=True, omit_defaults=True, cache_hash=True):
    """One container as its creator described it.

    Times are nanoseconds since the Unix epoch, timeouts seconds, sizes bytes. Exactly one of
    `image` and `rootfs` names where the root filesystem comes from; `image_id` pins what the
    name meant at creation. Labels and annotations are sorted pairs, so that equal wishes are
    equal values.

    `network` is a mode, or the name of the first of `networks`; the container's interfaces eth0,
    eth1, … are plugged into these in order. `ports` need a network.
    """

    id: str
    name: str = ""
    image: str = ""
    image_id: str = ""
    rootfs: str = ""
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    hostname: str = ""
    network: str = "none"
    networks: tuple[Attachment, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    memory: int = 0  # bytes; 0: no limit
    terminal: bool = False
    stdin: bool = False
    stop_signal: int = 15
    stop_timeout: int = 10  # seconds between the stop signal and SIGKILL; 0: SIGKILL at once
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    auto_remove: bool = False
    restart: RestartPolicy = "no"
    restart_retries: int = 0  # for on-failure: how often at most; 0: without end
    cgroup_parent: str = "/lockgate"
    created_at: int = 0
