"""A host of its own for every test of real networks, in a network namespace: what plugins do to
links and firewall rules is done to that one, and this machine's are never touched."""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.network.laboratory import (
    CGROUPS,
    CLONE_NEWNET,
    HOST,
    OUTSIDE,
    Lab,
    command,
    names,
)

from lockgate import Engine
from lockgate.adapters.network.bridge import missing
from lockgate.adapters.network.netavark import located
from lockgate.adapters.network.plugins import Plugins
from lockgate.adapters.syscalls import setns
from lockgate.testing import busybox

OURS = "/proc/thread-self/ns/net"


def why_no_networks() -> str:
    """Why no real network can be made here; empty where one can."""
    for program in ("ip", "iptables", "nsenter"):
        if shutil.which(program) is None:
            return f"there is no {program} (make system)"
    return (
        "" if tools() else "there are neither nftables, nor CNI plugins, nor netavark (make system)"
    )


def tools() -> list[str]:
    """What containers can be plugged in with here."""
    here = {"bridge": not missing(), "cni": Plugins().find("bridge"), "netavark": located()}
    return [name for name, program in here.items() if program]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Real networks are tested with every tool there is, but for tests of one of them."""
    if "tool" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only")
        names = [name for name in tools() if only is None or name in only.args]
        metafunc.parametrize("tool", names)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_no_networks()
    for item in items:
        if reason and "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def namespaces() -> Iterator[tuple[Path, Path]]:
    """A host and a client beside it, joined by a cable; we are in the host until the test ends."""
    mark = secrets.token_hex(4)
    host, client = (Path(f"/run/netns/lockgate-{kind}-{mark}") for kind in ("host", "client"))
    before = os.open(OURS, os.O_RDONLY)
    try:
        for one in (host, client):
            command("ip", "netns", "add", one.name)
        setns(host, CLONE_NEWNET)
        command("ip", "link", "set", "lo", "up")
        command("ip", "link", "add", "out", "type", "veth", "peer", "in", "netns", client.name)
        command("ip", "address", "add", f"{HOST}/24", "dev", "out")
        command("ip", "link", "set", "out", "up")
        inside = ("ip", "-n", client.name)
        command(*inside, "address", "add", f"{OUTSIDE}/24", "dev", "in")
        command(*inside, "link", "set", "in", "up")
        yield host, client
    finally:
        setns(f"/proc/self/fd/{before}", CLONE_NEWNET)
        os.close(before)
        for one in (host, client):
            with contextlib.suppress(subprocess.CalledProcessError):
                command("ip", "netns", "delete", one.name)


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of CNI plugins from which some can be taken, or replaced. Asked for before `lab`, it
    is where that one finds them, too."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    source = Plugins().find("bridge")
    assert source is not None
    for plugin in source.parent.iterdir():
        (folder / plugin.name).symlink_to(plugin)
    monkeypatch.setenv("CNI_PATH", str(folder))
    return folder


@pytest.fixture
def lab(tool: str, namespaces: tuple[Path, Path], tmp_path: Path) -> Iterator[Lab]:
    """The networks `web` and `back` (internal) have been used once, so that what plugins make once
    and for all is there; at the end everything else is gone."""
    host, client = namespaces
    root = tmp_path / "root"
    with Engine.open(root, runtime="runc", network_driver=tool, cgroup_parent=CGROUPS) as engine:
        made = Lab(host, client, root, tool, engine)
        engine.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        engine.create_network("web", dns=["192.0.2.53"])
        engine.create_network("back", internal=True)
        made.sleeper("first", network=["web", "back"], ports=["9:9"])
        engine.start("first")
        engine.remove("first", force=True, timeout=0)
        before = made.footprint()
        yield made
        for record in engine.list():
            engine.remove(record.id, force=True, timeout=0)
        after = made.footprint()
        left = {kind: after[kind] ^ before[kind] for kind in after if after[kind] != before[kind]}
        assert not left, f"left behind, or taken away: {left}"
        for network in engine.networks():
            engine.remove_network(network.name)
        after = made.footprint()
        assert after["links"] == {"lo", "out"}
        assert not any("lockgate" in rule for rule in after["rules"])
        assert not any(names(place) for place in (root / "leases").iterdir())
