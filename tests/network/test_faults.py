"""Plugins that fail, before or after they have done their work; wishes that only one can have."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.network.laboratory import Lab, wrapped

from lockgate import Engine, OperationFailed, Status
from lockgate.statemachine.status import Presence

pytestmark = pytest.mark.real

ADDING = '[ "$CNI_COMMAND" = ADD ]'
WAYS = {
    "before its work": (f"{ADDING} && exit 3", ""),
    "after its work": (":", f'echo "$told"; {ADDING} && exit 3; exit 0'),
    "by a signal": (":", f'{ADDING} && kill -KILL $$; echo "$told"'),
    "by saying nonsense": (":", "echo nonsense"),
    "by saying nothing": (":", "exit 0"),
}


@pytest.mark.only("cni")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("plugin", ["bridge", "portmap", "firewall"])
def test_what_a_plugin_did_before_it_failed_is_undone(
    lab: Lab, plugins: Path, plugin: str, way: str
) -> None:
    lab.sleeper("web", ports=["8080:80"])
    before = lab.footprint()
    wrapped(plugins, plugin, *WAYS[way])
    with Engine.open(lab.root, runtime="runc") as unlucky:
        with pytest.raises(OperationFailed, match=f"the network plugin {plugin}"):
            unlucky.start("web")
    assert lab.footprint() == before
    assert lab.engine.inspect("web").network is Presence.ABSENT
    (plugins / f"{plugin}.real").rename(plugins / plugin)
    assert lab.engine.start("web").status is Status.RUNNING


def outcomes(lab: Lab, names: list[str]) -> list[bool]:
    def started(name: str) -> bool:
        try:
            lab.engine.start(name)
        except OperationFailed:
            return False
        return True

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(started, names))


def test_of_many_who_want_a_port_at_once_one_has_it(lab: Lab) -> None:
    names = [f"c{number}" for number in range(6)]
    for name in names:
        lab.sleeper(name, ports=["8080:80"])
    assert outcomes(lab, names).count(True) == 1
    assert len(lab.footprint()["ports"]) == 1


def test_of_many_who_want_an_address_at_once_one_has_it(lab: Lab) -> None:
    names = [f"c{number}" for number in range(4)]
    wish = lab.engine.network("web").subnets[0].replace(".0/24", ".77")
    for name in names:
        lab.sleeper(name, network=f"web:ip={wish}")
    assert outcomes(lab, names).count(True) == 1
    assert lab.footprint()["leases/web"] == {wish}


def test_networks_made_at_once_have_subnets_of_their_own(lab: Lab) -> None:
    names = [f"n{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        made = list(pool.map(lab.engine.create_network, names))
    assert len({info.subnets for info in made}) == len(names)
