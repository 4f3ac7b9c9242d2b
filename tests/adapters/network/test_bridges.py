"""Bridge networks as configurations: what is written, and what is read from it. Pure."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from lockgate.adapters.network import bridges
from lockgate.adapters.network.conflist import Conflist
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import NetworkInfo

LEASES = Path("/root/leases")
WEB = NetworkInfo(
    name="web",
    subnets=("10.5.0.0/24",),
    gateways=("10.5.0.1",),
    bridge="lg-0123456789",
    dns=("10.5.0.53",),
)


@pytest.mark.parametrize("internal", [False, True])
def test_what_is_written_is_read_again(internal: bool) -> None:
    plugins = ("bridge",) if internal else ("bridge", "portmap", "firewall")
    wish = NetworkInfo(
        name="web",
        subnets=WEB.subnets,
        gateways=("",) if internal else WEB.gateways,
        bridge=WEB.bridge,
        internal=internal,
        dns=WEB.dns,
        plugins=plugins,
    )
    assert bridges.info(bridges.conflist(wish, LEASES), ours=True) == wish


def test_configurations_of_others_are_read_as_far_as_they_say_it() -> None:
    old = {
        "type": "ptp",
        "ipam": {"type": "host-local", "subnet": "10.1.0.9/16", "gateway": "10.1.0.1"},
    }
    found = bridges.info(Conflist("0.4.0", "old", (old,)), ours=False)
    assert (found.subnets, found.gateways) == (("10.1.0.0/16",), ("10.1.0.1",))
    assert (found.bridge, found.internal, found.ours) == ("", False, False)
    odd = {"type": "bridge", "ipam": {"ranges": [[{}, {"subnet": "nonsense"}, {"subnet": 7}]]}}
    assert bridges.info(Conflist("0.4.0", "odd", (odd,)), ours=False).subnets == ()


def test_the_first_subnet_nobody_uses() -> None:
    assert str(bridges.free_subnet([])) == "10.89.0.0/24"
    taken = [ip_network(one) for one in ("10.89.0.128/25", "10.89.1.0/24", "fd00::/8")]
    assert str(bridges.free_subnet(taken)) == "10.89.2.0/24"
    with pytest.raises(PortError) as scarce:
        bridges.free_subnet([ip_network("10.0.0.0/8")])
    assert (scarce.value.fault.kind, scarce.value.fault.dirty) == ("scarce", False)


def test_routes_of_the_host_but_for_the_default_one() -> None:
    table = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100A8C0	0003	0	0	0	00000000	0	0	0
eth0	0000A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
lg0	0000590A	00000000	0001	0	0	0	0000FFFF	0	0	0
"""
    assert list(map(str, bridges.routed(table))) == ["192.168.0.0/24", "10.89.0.0/16"]


def test_bridges_of_two_folders_are_two() -> None:
    names = {
        bridges.bridge_name(Path(root), network)
        for root in ("/a", "/b")
        for network in ("web", "other")
    }
    assert len(names) == 4
    assert all(len(name) < 16 for name in names)
