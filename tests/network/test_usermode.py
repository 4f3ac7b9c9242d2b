"""The network `user`: a process of its own for every container, and nothing of it on the host."""

import shutil
import signal
import socket
from collections.abc import Iterator

import pytest
from tests.network.laboratory import HOST, OUTSIDE, Lab, command, within
from tests.network.test_connections import heard
from tests.network.test_killed import TOOLS, cleanup, start
from tests.victims import Operation, killed_everywhere

from lockgate import OperationFailed, Status
from lockgate.adapters.network import usermode
from lockgate.adapters.oci.process import send
from lockgate.effects.outcome import Dns
from lockgate.statemachine.status import Presence

pytestmark = [
    pytest.mark.real,
    pytest.mark.only("bridge"),
    pytest.mark.skipif(shutil.which("slirp4netns") is None, reason="there is no slirp4netns"),
]


@pytest.fixture(autouse=True)
def routed(lab: Lab) -> Iterator[None]:
    """slirp4netns wants to know by which way the host reaches the rest of the world."""
    command("ip", "route", "add", "default", "via", OUTSIDE)
    yield
    command("ip", "route", "delete", "default")


def test_its_addresses_are_always_the_same_and_nothing_is_on_the_host(lab: Lab) -> None:
    before = lab.footprint()
    lab.sleeper("web", network="user")
    web = lab.engine.start("web")
    (link,) = web.links
    assert (link.addresses, link.gateways) == (("10.0.2.100/24",), ("10.0.2.2",))
    assert web.dns == Dns(("10.0.2.3",))
    shown = command("nsenter", f"--net={web.netns}", "ip", "-br", "address", "show", "eth0")
    assert "10.0.2.100/24" in shown
    after = lab.footprint()
    assert [after[kind] for kind in ("links", "rules")] == [before["links"], before["rules"]]
    assert after["helpers"] == {"slirp4netns"}
    lab.engine.kill("web")
    lab.engine.cleanup("web")
    assert lab.footprint() == before


def test_it_reaches_what_is_outside(lab: Lab) -> None:
    lab.sleeper("web", network="user")
    web = lab.engine.start("web")
    listening = within(lab.client, lambda: socket.create_server((OUTSIDE, 7000)))
    with listening:
        calling = within(web.netns, lambda: socket.create_connection((OUTSIDE, 7000), 5))
        accepted, (seen, _) = listening.accept()
        accepted.close()
        calling.close()
    assert seen == HOST


def test_a_client_outside_reaches_it_by_a_port_of_the_host(lab: Lab) -> None:
    lab.server("web", "hello", network="user", ports=["8080:80"])
    assert heard(lab, 8080) == "hello"
    lab.sleeper("other", network="user", ports=["8080:80"])
    with pytest.raises(OperationFailed, match="8080/tcp of the host is in use by container web"):
        lab.engine.start("other")
    lab.engine.restart("web", timeout=0)
    assert heard(lab, 8080) == "hello"


def test_a_process_that_was_killed_is_no_hindrance(lab: Lab) -> None:
    lab.sleeper("web", network="user", ports=["8080:80"])
    web = lab.engine.start("web")
    for helper in usermode.serving(web.netns, usermode.PROGRAM):
        send(helper, signal.SIGKILL)
    lab.engine.kill("web")
    assert lab.engine.cleanup("web").network is Presence.ABSENT
    lab.engine.start("web")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("operation", [start, cleanup])
def test_killed_anywhere_the_next_command_recovers(lab: Lab, operation: Operation) -> None:
    prepared(lab, operation)
    for _ in killed_everywhere(lab.root, "runc", operation, TOOLS):
        record = lab.engine.sync("web")
        found = lab.footprint()
        there = record.network is Presence.PRESENT
        assert (found["attached-user"] == {record.id}) == there
        assert (found["helpers"] == {"slirp4netns"}) == there
        if record.status is not Status.RUNNING:
            lab.engine.start("web")
        lab.engine.remove("web", force=True, timeout=0)
        prepared(lab, operation)


def prepared(lab: Lab, operation: Operation) -> None:
    lab.sleeper("web", network="user", ports=["8080:80"])
    if operation is cleanup:
        lab.engine.start("web")
        lab.engine.kill("web")
