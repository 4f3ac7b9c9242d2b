"""Networks that are set up after create, in a namespace the runtime has made."""

from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.network.laboratory import HOST, Lab
from tests.network.test_connections import address, heard

from lockgate import Engine, IdMap, OperationFailed, Status
from lockgate.adapters.network.namespaces import pinned
from lockgate.effects.config import Security
from lockgate.effects.outcome import PortError
from lockgate.testing.deaths import Fuse, Killed

pytestmark = pytest.mark.real

Wishes: TypeAlias = dict[str, Any]
MAPS = [IdMap(container=0, host=200_000, size=65_536)]
WISHES: dict[str, Wishes] = {
    "its own users": {"uid_maps": MAPS},
    "asked for": {"deferred_network": True},
}


@pytest.fixture(autouse=True)
def passable(lab: Lab) -> None:
    """The way to the root filesystem of who has users of its own leads through these."""
    for above in lab.root.parents[:3]:
        above.chmod(above.stat().st_mode | 0o011)


@pytest.fixture(params=WISHES)
def wishes(request: pytest.FixtureRequest) -> Wishes:
    return WISHES[str(request.param)]


def test_it_is_reached_by_a_port_of_the_host(lab: Lab, wishes: Wishes) -> None:
    web = lab.server("web", "hello", ports=["8080:80"], **wishes)
    assert web.config.deferred_network
    assert heard(lab, 8080) == "hello"
    again = lab.engine.restart("web", timeout=0)
    assert heard(lab, 8080) == "hello"
    assert again.netns != web.netns
    lab.engine.kill("web")
    lab.engine.cleanup("web")
    with pytest.raises(ConnectionRefusedError):
        lab.ask(HOST, 8080)


def test_the_namespace_is_that_of_its_process_and_its_files_tell_of_it(
    lab: Lab, wishes: Wishes
) -> None:
    script = "cat /etc/hosts /etc/resolv.conf; ls /sys/class/net"
    lab.engine.create(
        name="web", image="busybox", command=["sh", "-c", script], network="web", **wishes
    )
    web = lab.engine.init("web")
    assert web.process is not None and pinned(web.netns)
    assert Path(web.netns).samefile(f"/proc/{web.process.pid}/ns/net")
    seen = [line.text for line in lab.engine.run_to_end("web")]
    assert f"{address(web)}\t{web.id[:12]} web" in seen
    assert "nameserver 192.0.2.53" in seen
    assert seen[-2:] == ["eth0", "lo"]


@pytest.mark.only("cni")
@pytest.mark.parametrize("deferred", [True, False])
def test_it_belongs_to_its_own_users(lab: Lab, deferred: bool) -> None:
    script = "ip link set lo down && echo mine"
    security = Security(cap_add=("CAP_NET_ADMIN",))
    wishes: Wishes = {"uid_maps": MAPS, "deferred_network": deferred, "security": security}
    command = ["sh", "-c", script]
    lab.engine.create(name="web", image="busybox", command=command, network="web", **wishes)
    said = [line.text for line in lab.engine.run_to_end("web")]
    assert (said == ["mine"]) == deferred, said


def test_one_that_cannot_be_set_up_leaves_nothing(lab: Lab, wishes: Wishes) -> None:
    lab.server("other", "hello", network="web:ip=10.89.0.77")
    before = lab.footprint()
    lab.sleeper("web", network="web:ip=10.89.0.77", ports=["8080:80"], **wishes)
    with pytest.raises(OperationFailed, match=r"10\.89\.0\.77"):
        lab.engine.start("web")
    assert lab.engine.inspect("web").status is Status.CONFIGURED
    assert lab.footprint() == before
    lab.engine.remove("other", force=True, timeout=0)
    assert address(lab.engine.start("web")) == "10.89.0.77"


@pytest.mark.only("cni")
@pytest.mark.parametrize("place", ["before ConnectNetwork", "after ConnectNetwork"])
def test_killed_over_it_the_next_command_goes_on(lab: Lab, place: str) -> None:
    lab.sleeper("web", ports=["8080:80"], uid_maps=MAPS)
    with Engine.open(lab.root, runtime="runc", probe=Fuse(place=place)) as dying:
        with pytest.raises(Killed):
            dying.start("web")
    web = lab.engine.sync("web")
    assert (web.status, len(web.links), web.pending) == (Status.RUNNING, 1, ())
    assert lab.engine.replay("web").unwrap() == web


@pytest.mark.only("cni")
def test_a_process_that_has_ended_is_told(lab: Lab) -> None:
    lab.sleeper("web", deferred_network=True)
    record = lab.engine.init("web")
    lab.engine.kill("web")
    assert record.process is not None
    with pytest.raises(PortError, match="whose network is to be set up, has ended"):
        lab.engine.host.ports.network.connect(record.config, 1, record.process)
