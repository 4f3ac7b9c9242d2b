"""Leaving gives back everything, whatever part of it somebody else took away; joining again makes
anew what does not stand. What is left behind is looked for by the lab, after every test."""

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.network.laboratory import NOTES, Lab, command

from lockgate import OperationFailed, Record
from lockgate.adapters.syscalls import UnmountFlag, unmount
from lockgate.effects.config import Attachment, Config, PortMapping
from lockgate.effects.outcome import Joined
from lockgate.effects.ports import Network
from lockgate.statemachine.status import Presence

pytestmark = pytest.mark.real


def the_namespace(lab: Lab, record: Record) -> None:
    unmount(record.netns, UnmountFlag.DETACH)
    Path(record.netns).unlink()


def all_but_the_file_of_the_namespace(lab: Lab, record: Record) -> None:
    """As after a reboot."""
    unmount(record.netns, UnmountFlag.DETACH)


def the_interface(lab: Lab, record: Record) -> None:
    command("nsenter", f"--net={record.netns}", "ip", "link", "delete", "eth0")


def the_bridge(lab: Lab, record: Record) -> None:
    command("ip", "link", "delete", lab.engine.network("web").bridge)


def the_leases(lab: Lab, record: Record) -> None:
    shutil.rmtree(lab.root / "leases")


def the_claims(lab: Lab, record: Record) -> None:
    shutil.rmtree(lab.root / "ports")


def the_definition(lab: Lab, record: Record) -> None:
    (lab.root / "networks" / "web.conflist").rename(lab.root / "web.kept")


def half_of_its_note(lab: Lab, record: Record) -> None:
    note = lab.root / NOTES[lab.tool] / record.id / "eth0"
    note.write_bytes(note.read_bytes()[:20])


def the_rules(lab: Lab, record: Record) -> None:
    if lab.tool == "bridge":
        command("nft", "flush", "ruleset")
        return
    for table in ("filter", "nat"):
        command("iptables", "-t", table, "-F")
        command("iptables", "-t", table, "-X")


TAKEN: tuple[Callable[[Lab, Record], None], ...] = (
    the_namespace,
    all_but_the_file_of_the_namespace,
    the_interface,
    the_leases,
    the_claims,
    the_definition,
    half_of_its_note,
)


@pytest.mark.parametrize("taken", TAKEN, ids=lambda one: one.__name__)
def test_leaving_gives_back_the_rest(lab: Lab, taken: Callable[[Lab, Record], None]) -> None:
    lab.sleeper("web", ports=["8080:80"])
    record = lab.engine.start("web")
    lab.engine.kill("web")
    taken(lab, record)
    assert lab.engine.cleanup("web").network is Presence.ABSENT
    if taken is the_definition:
        (lab.root / "web.kept").rename(lab.root / "networks" / "web.conflist")
    assert lab.engine.start("web").network is Presence.PRESENT


def test_leaving_a_bridge_that_is_gone_and_joining_makes_it_anew(lab: Lab) -> None:
    lab.sleeper("web", ports=["8080:80"])
    lab.engine.start("web")
    the_bridge(lab, lab.engine.kill("web"))
    assert lab.engine.cleanup("web").network is Presence.ABSENT
    lab.engine.start("web")


def test_leaving_when_all_rules_are_gone(lab: Lab) -> None:
    lab.sleeper("web", ports=["8080:80"])
    lab.engine.start("web")
    the_rules(lab, lab.engine.kill("web"))
    assert lab.engine.cleanup("web").network is Presence.ABSENT
    lab.engine.start("web")


def test_after_a_reboot_addresses_and_ports_are_had_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files stay, namespaces, links and rules do not (MAP L-28)."""
    lab.sleeper("web", ports=["8080:80"])
    lab.sleeper("other", ports=["8081:80"])
    for name in ("web", "other"):
        lab.engine.start(name)
        lab.engine.kill(name)
    for record in lab.engine.list():
        unmount(record.netns, UnmountFlag.DETACH)
    the_bridge(lab, record)
    the_rules(lab, record)
    monkeypatch.setattr(lab.engine.host.ports.clock, "boot", lambda: "another", raising=False)
    assert lab.engine.refresh() == {}
    assert {one.network for one in lab.engine.list()} == {Presence.ABSENT}
    assert (lab.footprint()["leases/web"], lab.footprint()["ports"]) == (set(), set())
    lab.engine.start("web")


@pytest.mark.only("cni")
class TestWithoutAPlugin:
    def test_leaving_gives_back_the_rest_and_is_finished_later(
        self, plugins: Path, lab: Lab
    ) -> None:
        lab.sleeper("web", ports=["8080:80"])
        record = lab.engine.start("web")
        (plugins / "portmap").rename(plugins / "gone")
        lab.engine.kill("web")
        with pytest.raises(OperationFailed, match="no network plugin 'portmap'"):
            lab.engine.cleanup("web")
        assert not Path(record.netns).exists()
        assert lab.footprint()["ports"], "rules may still lead there"
        assert lab.footprint()["leases/web"] == set(), "the bridge plugin was asked all the same"
        assert lab.engine.inspect("web").network is Presence.UNCERTAIN
        (plugins / "gone").rename(plugins / "portmap")
        lab.engine.remove("web")

    def test_joining_is_refused_and_undone(self, plugins: Path, lab: Lab) -> None:
        (plugins / "firewall").rename(plugins / "gone")
        lab.sleeper("web", ports=["8080:80"])
        with pytest.raises(OperationFailed, match="no network plugin 'firewall'"):
            lab.engine.start("web")
        (plugins / "gone").rename(plugins / "firewall")
        lab.engine.start("web")


@pytest.mark.only("bridge", "cni")
class TestJoiningAgain:
    """The port itself, as the machine calls it after a crash; netavark has no CHECK, and makes
    everything anew."""

    @pytest.fixture
    def network(self, lab: Lab) -> Network:
        return lab.engine.host.ports.network

    @pytest.fixture
    def config(self) -> Config:
        return Config(
            id=secrets.token_hex(32),
            name="web",
            network="web",
            networks=(Attachment("web"), Attachment("back")),
        )

    def test_what_stands_is_found(self, network: Network, config: Config) -> None:
        first = network.join(config, 1)
        links = command("ip", "-o", "link")
        assert network.join(config, 1) == first
        assert command("ip", "-o", "link") == links
        network.leave(config, 1)
        network.leave(config, 1)

    def test_ports_are_claimed_once(self, lab: Lab, network: Network, config: Config) -> None:
        config = replace(config, ports=(PortMapping(8080, 80),))
        for _ in "twice":
            self.works(network.join(config, 1))
        assert len(lab.footprint()["ports"]) == 1
        network.leave(config, 1)

    def test_what_does_not_stand_is_made_anew(
        self, lab: Lab, network: Network, config: Config
    ) -> None:
        first = network.join(config, 1)
        command("nsenter", f"--net={first.netns}", "ip", "link", "delete", "eth0")
        second = network.join(config, 1)
        self.works(second)
        assert second.links[1] == first.links[1], "the other interface was left as it was"
        network.leave(config, 1)

    def test_in_a_namespace_that_is_gone_everything_is_made_anew(
        self, lab: Lab, network: Network, config: Config
    ) -> None:
        first = network.join(config, 1)
        unmount(first.netns, UnmountFlag.DETACH)
        self.works(network.join(config, 1))
        network.leave(config, 1)

    @pytest.mark.parametrize("left", [0, 20])
    def test_a_damaged_note_keeps_nothing_from_being_made_or_taken_away(
        self, left: int, lab: Lab, network: Network, config: Config
    ) -> None:
        """P05, P11: what it told of follows from what was wished for."""
        note = lab.root / NOTES[lab.tool] / config.id / "eth1"
        network.join(config, 1)
        note.write_bytes(note.read_bytes()[:left])
        self.works(network.join(config, 1))
        note.write_bytes(note.read_bytes()[:left])
        network.leave(config, 1)
        assert not note.parent.exists()

    @staticmethod
    def works(joined: Joined) -> None:
        shown = command("nsenter", f"--net={joined.netns}", "ip", "-br", "address")
        for link in joined.links:
            assert link.addresses[0] in shown
