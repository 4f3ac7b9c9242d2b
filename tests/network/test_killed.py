"""SIGKILL in the middle of joining and leaving real networks: the next command recovers, and what
is left behind is looked for by the lab, after every test."""

import re
from pathlib import Path

import pytest
from tests.network.laboratory import NOTES, Lab, wrapped
from tests.network.test_connections import heard
from tests.soak import WHOLE, step
from tests.victims import Operation, Tool, Victim, killed_everywhere

from lockgate import Engine, OperationFailed, Record, Status
from lockgate.adapters.inotify import Inotify, Mask
from lockgate.adapters.network import choice
from lockgate.statemachine.record import RESOURCES
from lockgate.statemachine.status import Presence

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

NETWORK = "lockgate.adapters.network"
TOOLS: tuple[Tool, ...] = (
    (f"{NETWORK}.bridge", "ip"),
    (f"{NETWORK}.bridge", "ip_within"),
    (f"{NETWORK}.firewall", "nft"),
    (f"{NETWORK}.leases", "Leases.take"),
    (f"{NETWORK}.leases", "Leases.release"),
    (f"{NETWORK}.plugins", "Plugins.call"),
    (f"{NETWORK}.netavark", "Netavark._call"),
    (f"{NETWORK}.usermode", "Slirp.add"),
    (f"{NETWORK}.usermode", "Slirp.delete"),
)


def start(engine: Engine) -> None:
    engine.start("web")


def restart(engine: Engine) -> None:
    engine.restart("web", timeout=0)


def cleanup(engine: Engine) -> None:
    engine.cleanup("web")


def remove(engine: Engine) -> None:
    engine.remove("web")


def agrees(lab: Lab, record: Record) -> None:
    """What the record says of the network is so."""
    found = lab.footprint()
    there = record.network is Presence.PRESENT
    assert (found[NOTES[lab.tool]] == {record.id}) == there
    assert (len(found["ports"]), len(found["leases/web"]), len(found["netns"])) == (there,) * 3
    assert any(re.search(r"\b8080\b", rule) for rule in found["rules"]) == there
    assert all(getattr(record, name) is not Presence.UNCERTAIN for name in RESOURCES), record


@pytest.mark.sampled
@pytest.mark.parametrize("when", ["before create", "after create"] if WHOLE else ["before create"])
@pytest.mark.parametrize("operation", [start, restart, cleanup, remove])
def test_killed_anywhere_the_next_command_recovers(
    lab: Lab, operation: Operation, when: str
) -> None:
    engine, late = lab.engine, when == "after create"
    prepared(lab, operation, late)
    every = 1 if lab.tool == "bridge" else step(6)
    for _ in killed_everywhere(lab.root, "runc", operation, TOOLS, every=every):
        for record in engine.list():
            synced = engine.sync(record.id)
            assert synced.pending == ()
            if not synced.gone:
                agrees(lab, synced)
                assert engine.replay(synced.id).unwrap() == synced
        for record in engine.list():
            if record.status is not Status.RUNNING:
                engine.start(record.id)
            assert heard(lab, 8080) == "hello"
            engine.remove(record.id, force=True, timeout=0)
        prepared(lab, operation, late)


def prepared(lab: Lab, operation: Operation, late: bool) -> None:
    lab.server("web", "hello", ports=["8080:80"], deferred_network=late)
    lab.engine.kill("web")
    if operation is start:
        lab.engine.cleanup("web")


@pytest.mark.only("cni")
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_a_plugin_that_outlives_its_caller_is_waited_for(
    plugins: Path, lab: Lab, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what it is still making would be made after it was taken away."""
    wrapped(
        plugins,
        "bridge",
        f'[ "$CNI_COMMAND" = {verb} ] && : >{tmp_path}/begun && '
        f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done",
    )
    lab.sleeper("web", ports=["8080:80"])
    if verb == "DEL":
        lab.engine.start("web")
        lab.engine.kill("web")
    with Inotify() as news:
        news.watch(tmp_path, Mask.CREATE)
        dying = Victim(lab.root, "runc", start if verb == "ADD" else cleanup, 0)
        while not (tmp_path / "begun").exists():
            assert news.wait(60)
            news.read()
        dying.end()
    (plugins / "bridge").unlink()
    (plugins / "bridge").symlink_to(plugins / "bridge.real")
    monkeypatch.setattr(choice, "PATIENCE", 0.1)
    with Engine.open(lab.root, runtime="runc") as impatient:
        with pytest.raises(OperationFailed, match=r"running for .* without anybody waiting for it"):
            impatient.cleanup("web")
    (tmp_path / "go").touch()
    agrees(lab, lab.engine.cleanup("web"))
