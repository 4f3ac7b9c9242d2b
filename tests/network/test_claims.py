"""Ports of the host: claimed before anything is made, and held while anything leads there (P19)."""

import socket

import pytest
from tests.network.laboratory import HOST, Lab, within

from lockgate import OperationFailed
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
