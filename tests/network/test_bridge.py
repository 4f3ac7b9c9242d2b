"""What is peculiar to the driver bridge: who chooses it, what it shares, and what goes by itself."""

import shutil
import socket
import struct
from collections.abc import Iterator

import pytest
from tests.network.laboratory import HOST, Lab, command, within
from tests.network.test_connections import address, heard

from lockgate import Engine, InvalidArgument
from lockgate.adapters.network import bridge, firewall, links
from lockgate.adapters.network.bridge import hardware_address

pytestmark = [pytest.mark.real, pytest.mark.only("bridge")]


def attached(lab: Lab, driver: str) -> set[str]:
    return lab.footprint()[driver]


class TestChoice:
    def test_it_is_the_first_and_said_once_for_a_folder(self, lab: Lab) -> None:
        record = lab.engine.create(
            name="web", image="busybox", command=["sleep", "600"], network="web"
        )
        with Engine.open(lab.root, runtime="runc", network_driver="") as anew:
            anew.start("web")
        assert attached(lab, "attached-bridge") == {record.id}

    def test_what_there_is_not_is_refused(self, lab: Lab) -> None:
        with pytest.raises(InvalidArgument, match="there are: bridge, cni, netavark"):
            Engine.open(lab.root, runtime="runc", network_driver="macvlan")


class TestOtherFirewalls:
    @pytest.fixture(autouse=True)
    def policy(self, lab: Lab) -> Iterator[None]:
        command("nft", "add table ip other")
        command(
            "nft", "add chain ip other way { type filter hook forward priority 0; policy drop; }"
        )
        yield
        command("nft", "delete table ip other")

    def test_a_chain_that_drops_what_it_does_not_know_is_told(self, lab: Lab) -> None:
        assert firewall.barred() == "ip other way"

    def test_whoever_chose_the_driver_has_seen_to_it(self, lab: Lab) -> None:
        for way in ("iifname", "oifname"):
            command("nft", f"insert rule ip other way {way} lg-* accept")
        lab.server("web", "hello", ports=["8080:80"])
        assert heard(lab, 8080) == "hello"


class TestFirewall:
    def test_flushed_by_somebody_it_is_made_anew_with_the_next_container(self, lab: Lab) -> None:
        command("nft", "flush", "ruleset")
        lab.server("web", "hello", ports=["8080:80"])
        assert heard(lab, 8080) == "hello"

    def test_a_container_reaches_a_port_it_has_published_itself(self, lab: Lab) -> None:
        web = lab.server("web", "hello", ports=["8080:80"])
        assert heard(lab, 8080, web.netns) == "hello"

    def test_a_container_of_another_network_reaches_it_too(self, lab: Lab) -> None:
        lab.engine.create_network("other")
        lab.server("web", "hello", ports=["8080:80"])
        other = lab.engine.start(lab.sleeper("other", network="other").id)
        assert heard(lab, 8080, other.netns) == "hello"
        lab.engine.remove("other", force=True, timeout=0)
        lab.engine.remove_network("other")
        assert "other" not in {one.name for one in lab.engine.networks()}

    def test_the_loopback_of_the_host_is_its_own(self, lab: Lab) -> None:
        """Though bridges are allowed to carry its addresses. The second frame comes after the first."""
        web = lab.engine.start(lab.sleeper("web").id)
        gateway = web.links[0].gateways[0]
        with within(lab.host, lambda: listening("127.0.0.1")) as own:
            with within(lab.host, lambda: listening(gateway)) as known:
                for to in ("127.0.0.1", gateway):
                    frame = datagram(address(web), to, hardware_address(gateway))
                    within(web.netns, lambda: cast(frame))  # noqa: B023
                assert known.recv(10) == b"hello"
                own.setblocking(False)
                with pytest.raises(BlockingIOError):
                    own.recv(10)

    @pytest.mark.skipif(shutil.which("conntrack") is None, reason="there is no conntrack")
    def test_a_flow_that_began_before_finds_its_way(self, lab: Lab) -> None:
        asking = within(lab.client, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        asking.settimeout(5)
        asking.connect((HOST, 8053))
        with pytest.raises(ConnectionRefusedError):
            asking.send(b"who?")
            asking.recv(10)
        lab.sleeper("web", ports=["8053:53/udp"])
        web = lab.engine.start("web")
        answering = within(web.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        answering.settimeout(5)
        answering.bind((address(web), 53))
        asking.send(b"who?")
        said, client = answering.recvfrom(10)
        answering.sendto(b"web", client)
        assert (said, asking.recv(10)) == (b"who?", b"web")
        answering.close()
        asking.close()


def listening(at: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5)
    made.bind((at, 7000))
    return made


def datagram(source: str, target: str, gateway: str) -> bytes:
    """A frame to the gateway with a datagram (RFC 768) for port 7000, as only a raw socket sends it."""
    said = b"hello"
    udp = struct.pack("!4H", 7000, 7000, 8 + len(said), 0) + said
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0)
    total = sum(struct.unpack("!10H", header + ends))
    checksum = ~(total + (total >> 16)) & 0xFFFF
    ip = header[:10] + struct.pack("!H", checksum) + ends
    to, by = (bytes.fromhex(mac.replace(":", "")) for mac in (gateway, hardware_address(source)))
    return to + by + b"\x08\x00" + ip + udp


def cast(frame: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        raw.send(frame)


class TestLinks:
    def test_the_gateway_does_not_change_with_those_who_come_and_go(self, lab: Lab) -> None:
        name = lab.engine.network("web").bridge
        before = command("ip", "-br", "link", "show", name).split()[2]
        lab.engine.start(lab.sleeper("web").id)
        assert command("ip", "-br", "link", "show", name).split()[2] == before

    def test_a_guest_who_outlives_his_host_is_cut_off(self, lab: Lab) -> None:
        owner = lab.server("owner", "hello")
        guest = lab.engine.start(lab.sleeper("guest", network="container:owner").id)
        assert guest.process is not None
        held = f"/proc/{guest.process.pid}/ns/net"
        note = bridge.BridgeNote(
            network="web", interface="eth0", netns=owner.netns, info=lab.engine.network("web")
        )
        assert links.is_up(note.cable)
        lab.engine.host.ports.network.leave(owner.config, owner.epoch)
        assert links.exists(note.cable) and not links.is_up(note.cable)
        assert "NO-CARRIER" in command("nsenter", f"--net={held}", "ip", "link", "show", "eth0")
        lab.engine.remove("guest", force=True, timeout=0)
        lab.engine.remove("owner", force=True, timeout=0)

    def test_whoever_joins_again_in_one_namespace_has_one_cable(self, lab: Lab) -> None:
        web = lab.engine.start(lab.sleeper("web").id)
        assert web.process is not None
        network = lab.engine.host.ports.network
        before = lab.footprint()["links"]
        links.set_down(next(one for one in before if one.startswith("veth")))
        joined = network.join(web.config, web.epoch)
        assert (joined.netns, lab.footprint()["links"]) == (web.netns, before)
