"""Real containers on real networks: who reaches whom."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_interface

import pytest
from tests.network.conftest import tools
from tests.network.laboratory import CGROUPS, HOST, OUTSIDE, Lab, command, says, within

from lockgate import Engine, OperationFailed, Record
from lockgate.adapters.network import bridge, netavark
from lockgate.adapters.network.firewall import Firewall
from lockgate.effects.outcome import Dns

pytestmark = pytest.mark.real


def address(record: Record, link: int = 0) -> str:
    return str(ip_interface(record.links[link].addresses[0]).ip)


def heard(lab: Lab, port: int, netns: str = "", at: str = HOST) -> str:
    """Servers take a moment to listen; the test's own time limit ends the wait."""
    while True:
        try:
            return within(netns or lab.client, lambda: says(at, port))
        except ConnectionError:
            continue


class TestPorts:
    def test_a_client_outside_reaches_the_container_by_a_port_of_the_host(self, lab: Lab) -> None:
        lab.server("web", "hello", ports=["8080:80"])
        assert heard(lab, 8080) == "hello"

    def test_the_host_reaches_it_by_its_own_address_and_by_loopback(self, lab: Lab) -> None:
        lab.server("web", "hello", ports=["8080:80"])
        assert heard(lab, 8080, str(lab.host)) == "hello"
        assert heard(lab, 8080, str(lab.host), "127.0.0.1") == "hello"

    def test_an_address_of_its_own_is_the_only_one_that_leads_there(self, lab: Lab) -> None:
        lab.server("web", "hello", ports=[f"{HOST}:8080:80", "127.0.0.1:8081:80"])
        assert heard(lab, 8080) == "hello"
        with pytest.raises(ConnectionRefusedError):
            lab.ask(HOST, 8081)

    def test_after_its_end_and_cleanup_nothing_leads_there(self, lab: Lab) -> None:
        lab.server("web", "hello", ports=["8080:80"])
        assert heard(lab, 8080) == "hello"
        lab.engine.kill("web")
        lab.engine.cleanup("web")
        with pytest.raises(ConnectionRefusedError):
            lab.ask(HOST, 8080)

    def test_another_run_is_reached_by_the_same_port(self, lab: Lab) -> None:
        first = lab.server("web", "hello", ports=["8080:80"])
        assert heard(lab, 8080) == "hello"
        second = lab.engine.restart("web", timeout=0)
        assert heard(lab, 8080) == "hello"
        assert second.netns != first.netns  # never used again (MAP L-25, L-27)


class TestBridge:
    def test_containers_reach_each_other(self, lab: Lab) -> None:
        web, other = lab.server("web", "hello"), lab.sleeper("other")
        netns = lab.engine.start(other.id).netns
        assert heard(lab, 80, netns, address(web)) == "hello"

    def test_a_container_reaches_what_is_outside_in_the_hosts_name(self, lab: Lab) -> None:
        web = lab.engine.start(lab.sleeper("web").id)
        listening = within(lab.client, lambda: socket.create_server((OUTSIDE, 7000)))
        with listening:
            calling = within(web.netns, lambda: socket.create_connection((OUTSIDE, 7000), 5))
            accepted, (seen, _) = listening.accept()
            accepted.close()
            calling.close()
        assert seen == HOST

    def test_internal_networks_lead_nowhere_else(self, lab: Lab) -> None:
        web = lab.server("web", "hello", network="back")
        other = lab.engine.start(lab.sleeper("other", network="back").id)
        assert heard(lab, 80, other.netns, address(web)) == "hello"
        with pytest.raises(OSError, match="unreachable"):
            within(other.netns, lambda: says(OUTSIDE, 7000))

    def test_several_networks_are_several_interfaces(self, lab: Lab) -> None:
        both = lab.engine.start(lab.sleeper("both", network=["back", "web"]).id)
        assert [(link.network, link.interface) for link in both.links] == [
            ("back", "eth0"),
            ("web", "eth1"),
        ]
        shown = command("nsenter", f"--net={both.netns}", "ip", "-br", "address")
        for link in both.links:
            assert f"{link.interface}@" in shown and link.addresses[0] in shown
        web = lab.server("web", "hello", network="web")
        back = lab.server("back", "hi", network="back")
        assert heard(lab, 80, both.netns, address(web)) == "hello"
        assert heard(lab, 80, both.netns, address(back)) == "hi"

    def test_wishes_for_addresses_are_granted_and_told(self, lab: Lab) -> None:
        subnet = lab.engine.network("web").subnets[0]
        wish = subnet.replace(".0/24", ".77")
        mac = "02:00:5e:10:00:01"
        lab.sleeper("web", network=f"web:ip={wish},mac={mac},alias=db,alias=cache")
        (link,) = lab.engine.start("web").links
        assert link.addresses == (f"{wish}/24",)
        assert (link.mac, link.aliases) == (mac, ("db", "cache"))
        assert link.gateways == (subnet.replace(".0/24", ".1"),)
        shown = command("nsenter", f"--net={lab.engine.inspect('web').netns}", "ip", "link")
        assert mac in shown

    def test_an_address_in_use_is_refused_and_nothing_is_left(self, lab: Lab) -> None:
        wish = lab.engine.network("web").subnets[0].replace(".0/24", ".77")
        for name in ("first", "second"):
            lab.sleeper(name, network=f"web:ip={wish}")
        lab.engine.start("first")
        before = lab.footprint()
        with pytest.raises(Exception, match=re.escape(wish)):
            lab.engine.start("second")
        assert lab.footprint() == before

    def test_name_servers_of_the_network_are_told(self, lab: Lab) -> None:
        web = lab.engine.start(lab.sleeper("web", network=["web", "back"]).id)
        assert web.dns == Dns(servers=("192.0.2.53",))
        ended = lab.engine.remove("web", force=True, timeout=0)
        assert (ended.links, ended.dns) == ((), None)


def test_many_are_plugged_in_and_out_at_once(lab: Lab) -> None:
    names = [f"c{number}" for number in range(6)]
    for number, name in enumerate(names):
        lab.sleeper(name, ports=[f"{9000 + number}:80"])
    with ThreadPoolExecutor(len(names)) as pool:
        started = list(pool.map(lab.engine.start, names))
    assert len({address(record) for record in started}) == len(names)
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: lab.engine.remove(name, force=True, timeout=0), names))


def test_who_plugged_in_takes_out(lab: Lab) -> None:
    """Even when another driver has been chosen meanwhile."""
    lab.sleeper("web", ports=["8080:80"])
    lab.engine.start("web")
    with Engine.open(lab.root, runtime="runc", network_driver=other_than(lab.tool)) as other:
        other.remove("web", force=True, timeout=0)


@pytest.mark.only("cni")
def test_drivers_serve_one_network_in_turns(lab: Lab) -> None:
    lab.server("one", "hello")
    with Engine.open(
        lab.root, runtime="runc", network_driver="bridge", cgroup_parent=CGROUPS
    ) as other:
        other.create(name="two", image="busybox", command=["sleep", "600"], network="web")
        two = other.start("two")
        assert heard(lab, 80, two.netns, address(lab.engine.inspect("one"))) == "hello"
        other.remove("two", force=True, timeout=0)
    command(
        "nft", "delete", "table", "inet", Firewall(lab.root).table
    )  # it would stay with the network


def other_than(driver: str) -> str:
    return next(one for one in tools() if one != driver)


@pytest.mark.only("bridge")
def test_without_any_driver_it_is_said_what_to_install(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "PROGRAMS", {"no-ip": "iproute2", "no-nft": "nftables"})
    monkeypatch.setenv("CNI_PATH", "/no/plugins")
    monkeypatch.setattr(netavark, "PLACES", ())
    lab.sleeper("web", ports=["8080:80"])
    before = lab.footprint()
    with Engine.open(lab.root, runtime="runc", network_driver="") as bare:
        with pytest.raises(OperationFailed) as failed:
            bare.start("web")
    for said in ("bridge: it needs iproute2 and nftables", "no CNI plugins", "no netavark"):
        assert said in str(failed.value)
    assert lab.footprint() == before


def test_a_guest_has_the_interfaces_and_the_loopback_of_its_host(lab: Lab) -> None:
    owner = lab.server("owner", "hello", ports=["8080:80"])
    guest = lab.engine.start(lab.sleeper("guest", network="container:owner").id)
    assert guest.links == owner.links
    assert guest.process is not None
    assert heard(lab, 80, f"/proc/{guest.process.pid}/ns/net", "127.0.0.1") == "hello"
    lab.engine.remove("guest", force=True, timeout=0)
    assert heard(lab, 8080) == "hello", "it took nothing of its host's with it"


def test_files_of_the_container_tell_of_its_networks(lab: Lab) -> None:
    lab.engine.create(
        name="web",
        image="busybox",
        command=["cat", "/etc/hosts", "/etc/resolv.conf"],
        network=["web:alias=db", "back"],
    )
    lines = [line.text for line in lab.engine.run_to_end("web")]
    links = lab.engine.inspect("web").links
    for link, names in zip(links, ("db", "")):
        (told,) = (
            line for line in lines if line.startswith(str(ip_interface(link.addresses[0]).ip))
        )
        assert {"web", *names.split()} <= set(told.split())
    assert "nameserver 192.0.2.53" in lines
