"""Which driver plugs in: the one that was chosen for the folder, or the first that can."""

from pathlib import Path
from typing import Any

import pytest

from lockgate.adapters.locks import FileLocks
from lockgate.adapters.network import DRIVERS, NetworkBook, choose_driver, network
from lockgate.adapters.network.bridge import Bridge
from lockgate.adapters.network.cni import Cni
from lockgate.adapters.network.namespaces import Namespaces
from lockgate.adapters.network.netavark import Netavark
from lockgate.adapters.network.plumbing import Plugged, Plumber
from lockgate.effects.config import Attachment, Config
from lockgate.effects.outcome import Joined, Link, PortError

TOOLS = dict(zip(DRIVERS, (Bridge, Cni, Netavark)))
WEB = Config(id="c0ffee", network="web", networks=(Attachment("web"),))


@pytest.fixture
def obstacles(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Of drivers that do nothing but tell their names, in a namespace nobody has made."""
    told = dict.fromkeys(DRIVERS, "")
    for name, tool in TOOLS.items():
        monkeypatch.setattr(tool, "obstacle", lambda _, config, name=name: told[name])

    def plug(self: Plumber[Any], config: Config, netns: str) -> Plugged:
        name = next(name for name, tool in TOOLS.items() if isinstance(self._tool, tool))
        return (Link(name, "eth0"),), None

    monkeypatch.setattr(Plumber, "plug", plug)
    monkeypatch.setattr(Namespaces, "join", lambda self, config, epoch: Joined("/netns"))
    return told


def plugged_by(root: Path) -> str:
    joining = network(root, NetworkBook(root), FileLocks(root / "locks"), lambda _: None)
    return joining.join(WEB, 1).links[0].network


def test_the_first_that_can(tmp_path: Path, obstacles: dict[str, str]) -> None:
    assert plugged_by(tmp_path) == "bridge"
    obstacles["bridge"] = "it needs nftables"
    assert plugged_by(tmp_path) == "cni"


def test_the_one_that_was_chosen_and_no_other(tmp_path: Path, obstacles: dict[str, str]) -> None:
    choose_driver(tmp_path, "netavark")
    assert plugged_by(tmp_path) == "netavark"
    obstacles["netavark"] = "there is no netavark"
    with pytest.raises(PortError, match=r"\(driver netavark: there is no netavark\)"):
        plugged_by(tmp_path)
    choose_driver(tmp_path, "")
    assert plugged_by(tmp_path) == "bridge"


def test_what_there_is_not_cannot_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="no network driver 'macvlan'; there are: bridge"):
        choose_driver(tmp_path, "macvlan")
    (tmp_path / "network-driver").write_text("nonsense")
    with pytest.raises(PortError, match="names no network driver"):
        plugged_by(tmp_path)
