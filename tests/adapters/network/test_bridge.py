"""The driver bridge as far as it needs no host: whom it serves, and what things are called."""

from pathlib import Path

import pytest

from lockgate.adapters.locks import FileLocks
from lockgate.adapters.network import NetworkBook, book, bridge, firewall
from lockgate.adapters.network.bridge import Bridge, BridgeNote, hardware_address
from lockgate.adapters.network.leases import Leases
from lockgate.effects.config import Attachment, Config, PortMapping
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import NetworkInfo

WEB = Config(id="c0ffee", network="web", networks=(Attachment("web"),))


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NetworkBook:
    monkeypatch.setattr(book, "ROUTES", tmp_path / "no routes")
    made = NetworkBook(tmp_path)
    made.create("web", subnet="10.5.0.0/24")
    return made


@pytest.fixture
def driver(networks: NetworkBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bridge:
    monkeypatch.setattr(bridge, "PROGRAMS", {"sh": "dash"})
    locks = FileLocks(tmp_path / "locks")
    leases = Leases(networks.leases, locks)
    return Bridge(tmp_path, networks.find, leases, locks, wary=False)


def test_it_serves_what_is_made_here(driver: Bridge) -> None:
    assert driver.obstacle(WEB) == ""


def test_what_was_changed_by_hand_has_plugins_that_know_what_is_meant(
    driver: Bridge, tmp_path: Path
) -> None:
    file = tmp_path / "networks" / "web.conflist"
    file.write_text(file.read_text().replace('"hairpinMode": true', '"hairpinMode": false'))
    assert "web is none of those made here" in driver.obstacle(WEB)


def test_ipv6_is_for_others(driver: Bridge, networks: NetworkBook) -> None:
    networks.create("six", subnet="fd00:5::/64")
    six = Config(id="c0ffee", network="six", networks=(Attachment("six"),))
    assert "six is none of those made here for IPv4" in driver.obstacle(six)
    ports = (PortMapping(8080, 80, "::1"),)
    outside = Config(id="c0ffee", network="web", networks=WEB.networks, ports=ports)
    assert "port 8080" in driver.obstacle(outside)


def test_it_says_what_to_install(driver: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "PROGRAMS", {"sh": "dash", "no-nft": "nftables"})
    assert driver.obstacle(WEB) == "it needs nftables"


def test_it_steps_back_where_another_table_drops_what_it_does_not_know(
    driver: Bridge, networks: NetworkBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless whoever chose it has seen to that."""
    monkeypatch.setattr(firewall, "barred", lambda: "ip filter FORWARD")
    locks = FileLocks(tmp_path / "locks")
    wary = Bridge(tmp_path, networks.find, Leases(networks.leases, locks), locks, wary=True)
    assert "`ip filter FORWARD` would drop" in wary.obstacle(WEB)
    assert driver.obstacle(WEB) == ""


@pytest.mark.parametrize("ip", ["10.5.0.0", "10.5.0.255", "10.6.0.7"])
def test_addresses_nobody_can_have(driver: Bridge, ip: str) -> None:
    with pytest.raises(PortError, match=f"{ip} is no address for containers") as problem:
        driver.wish(0, Attachment("web", ip=ip), WEB, "/netns")
    assert not problem.value.fault.dirty


def test_an_address_has_one_hardware_address() -> None:
    assert hardware_address("10.5.0.2") == "02:42:0a:05:00:02"


def test_cables_of_two_runs_and_of_two_interfaces_are_two() -> None:
    info = NetworkInfo(name="web")
    cables = {
        BridgeNote(network="web", interface=interface, netns=netns, info=info).cable
        for interface in ("eth0", "eth1")
        for netns in ("/run/c-1", "/run/c-2")
    }
    assert len(cables) == 4
    assert all(len(cable) <= 15 for cable in cables)
