"""Ports of the host: claimed before anything is made, and held while anything leads there (P19)."""

import socket
from pathlib import Path

import pytest
from tests.network.laboratory import HOST, Lab, within

from lockgate import OperationFailed
from lockgate.effects.config import Config
from lockgate.effects.outcome import Joined
from lockgate.statemachine.status import Presence

pytestmark = pytest.mark.real


def test_of_two_with_one_port_the_second_is_refused_and_nothing_of_it_is_left(lab: Lab) -> None:
    lab.sleeper("first", ports=["8080:80"])
    lab.engine.start("first")
    second = lab.sleeper("second", ports=["8081:80", "8080:80"])
    before = lab.footprint()
    with pytest.raises(OperationFailed, match=r"8080/tcp of the host is in use by container first"):
        lab.engine.start("second")
    assert lab.footprint() == before
    assert lab.engine.inspect(second.id).network is Presence.ABSENT
    lab.engine.remove("first", force=True, timeout=0)
    lab.engine.start("second")


def test_what_another_program_has_bound_is_refused(lab: Lab) -> None:
    lab.sleeper("web", ports=["8080:80"])
    before = lab.footprint()
    with within(lab.host, lambda: socket.create_server((HOST, 8080))):
        with pytest.raises(OperationFailed, match=r"8080/tcp of the host is in use by another"):
            lab.engine.start("web")
        assert lab.footprint() == before
    lab.engine.start("web")


def test_udp_is_another_port_than_tcp(lab: Lab) -> None:
    for name, port in (("tcp", "8080:80"), ("udp", "8080:80/udp")):
        lab.sleeper(name, ports=[port])
        lab.engine.start(name)
    lab.sleeper("again", ports=["8080:80/udp"])
    with pytest.raises(OperationFailed, match="8080/udp of the host is in use by container udp"):
        lab.engine.start("again")


def test_all_addresses_are_each_of_them(lab: Lab) -> None:
    lab.sleeper("one", ports=["127.0.0.1:8080:80"])
    lab.engine.start("one")
    lab.sleeper("other", ports=[f"{HOST}:8080:80"])
    lab.engine.start("other")
    lab.sleeper("all", ports=["8080:80"])
    with pytest.raises(OperationFailed, match=r"8080/tcp of the host is in use by container"):
        lab.engine.start("all")


def test_a_run_that_has_ended_holds_its_port_until_cleanup(lab: Lab) -> None:
    lab.sleeper("first", ports=["8080:80"])
    lab.engine.start("first")
    lab.engine.kill("first")
    lab.sleeper("second", ports=["8080:80"])
    with pytest.raises(OperationFailed, match="in use by container first"):
        lab.engine.start("second")
    lab.engine.cleanup("first")
    lab.engine.start("second")


def test_while_it_runs_no_other_program_can_have_the_port(lab: Lab) -> None:
    lab.sleeper("web", ports=["8080:80", "8080:80/udp"])
    record = lab.engine.start("web")
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with within(lab.host, lambda: socket.socket(socket.AF_INET, kind)) as other:  # noqa: B023
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind((HOST, 8080))
                other.listen(1)
    assert record.process is not None
    inside = Path(f"/proc/{record.process.pid}/fd").iterdir()
    assert not any("socket" in str(one.readlink()) for one in inside), (
        "the container has none of it"
    )
    lab.engine.kill("web")
    lab.engine.cleanup("web")
    within(lab.host, lambda: socket.create_server((HOST, 8080))).close()


def test_a_port_that_is_bound_after_the_claim_ends_the_start(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.sleeper("web", ports=["8080:80"])
    before = lab.footprint()
    network = lab.engine.host.ports.network
    join = network.join
    stolen: list[socket.socket] = []

    def late(config: Config, epoch: int) -> Joined:
        joined = join(config, epoch)
        stolen.append(within(lab.host, lambda: socket.create_server((HOST, 8080))))
        return joined

    monkeypatch.setattr(network, "join", late)
    with pytest.raises(OperationFailed, match="8080/tcp of the host is in use by another program"):
        lab.engine.start("web")
    stolen[0].close()
    assert lab.footprint() == before
    assert not list((lab.root / "run").rglob("sync*")), "nor of the run that was to be"
