"""What other programs answer us, one reader each: runtimes, hooks, plugins, and whoever wrote into our
files last. As in `outside`, of which these are part: whatever the bytes, only what is promised.
"""

import json
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lockgate.adapters.checks import LocalChecks
from lockgate.adapters.commands import Finished
from lockgate.adapters.hooks import hook_files
from lockgate.adapters.hooks.run import refined
from lockgate.adapters.locks import MemoryLocks
from lockgate.adapters.network import bridges, conflist, netavark, plugins
from lockgate.adapters.network.cni import Cni, CniNote
from lockgate.adapters.network.leases import Leases
from lockgate.adapters.network.notes import Notes
from lockgate.adapters.network.results import believed
from lockgate.adapters.oci import fifo
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.command import complaint, stated
from lockgate.adapters.oci.sessions import ConmonSessions
from lockgate.adapters.store import sqlite
from lockgate.effects.health import CheckResult
from lockgate.effects.hooks import Hook
from lockgate.effects.model import Process
from lockgate.effects.outcome import Exited, PortError
from lockgate.effects.ports import Event, Executor, NetworkInfo
from lockgate.effects.sessions import Session, Wish

CONTAINER = "c"
NETWORK = conflist.Conflist("1.0.0", "web", ({"type": "bridge", "bridge": "web0"},))
NOTE = CniNote(network="web", interface="eth0", netns="/netns", conflist=NETWORK, capabilities={})
PLUGGED = netavark.NetavarkNote(
    network="web",
    interface="eth0",
    netns="/netns",
    info=NetworkInfo(name="web", subnets=("10.0.0.0/24",), gateways=("10.0.0.1",), bridge="web0"),
)
HOOK = Hook("/bin/true")
SESSION = Session(id="s", container=CONTAINER, epoch=1, wish=Wish(command=("sh",)), created_at=1)


def hook(data: bytes, folder: Path) -> None:
    """A file of a directory of hooks: used, or refused with its name."""
    place = folder / "hooks.d"
    place.mkdir(exist_ok=True)
    (place / "x.json").write_bytes(data)
    try:
        hook_files((place,))
    except PortError as refusal:
        assert "x.json" in refusal.fault.reason and not refusal.fault.dirty


def config(data: bytes, folder: Path) -> None:
    """The OCI spec that a hook has answered: a JSON object, or refused; and whether `start` has
    hooks to run is told of any bytes."""
    (folder / "config.json").write_bytes(data)
    assert fifo.hooked(folder) in (True, False)
    try:
        after = refined(HOOK, b"{}", data)
    except PortError as refusal:
        assert not refusal.fault.dirty
        return
    assert isinstance(json.loads(after), dict)


def result(data: bytes, folder: Path) -> None:
    """What a CNI plugin answers, and how it complains."""
    tool = Cni(lambda _: NETWORK, plugins.Plugins((folder,)))
    assert plugins.refusal("ADD", "bridge", Finished(1, data, b"")).fault.reason
    try:
        settings = plugins.answered("bridge", data)
        made = replace(NOTE, result=settings, addresses=believed(settings).addresses)
        tool.told(made)
    except PortError as damage:
        assert damage.fault.kind == "damaged"


def plugged(data: bytes, folder: Path) -> None:
    """What netavark answers."""
    locks = MemoryLocks()
    tool = netavark.Netavark(lambda _: NETWORK, Leases(folder, locks), locks, folder)
    netavark.complained(data)
    try:
        tool.told(replace(PLUGGED, result=netavark.answered(data)))
    except PortError as damage:
        assert damage.fault.kind == "damaged"


def network(data: bytes, folder: Path) -> None:
    """A network's configuration."""
    path = folder / "web.conflist"
    path.write_bytes(data)
    try:
        found = conflist.read(path)
    except PortError as damage:
        assert damage.fault.kind == "damaged"
        return
    assert bridges.info(found, ours=False).plugins == found.types


def note(data: bytes, folder: Path) -> None:
    """What was noted before a plugin was asked."""
    place = folder / "notes" / CONTAINER
    place.mkdir(parents=True, exist_ok=True)
    (place / "eth0").write_bytes(data)
    notes = Notes(folder / "notes", CniNote, 1.0)
    notes.seen(CONTAINER)
    try:
        with notes.hold(CONTAINER) as desk:
            desk.read("eth0")
    except PortError as damage:
        assert damage.fault.kind == "damaged"


def state(data: bytes, folder: Path) -> None:
    """What a runtime says of a container, and of what went wrong: one printable line."""
    stated(data)
    assert "\n" not in complaint(data)


def columns(data: bytes, folder: Path) -> None:
    """What stands in the columns of a database beside the record."""
    sqlite.decoded(sqlite.EXECUTOR, data)
    sqlite.decoded(sqlite.EXITED, data)
    sqlite.decoded(sqlite.EVENT, data)


def session(data: bytes, folder: Path) -> None:
    """What was noted of a process that joined a run: there, or left out."""
    place = folder / "run" / CONTAINER / "1" / "exec" / "s"
    place.mkdir(parents=True, exist_ok=True)
    (place / "session.json").write_bytes(data)
    port = ConmonSessions(folder, "/nowhere/runc", "/nowhere/conmon", Cgroups(()))
    assert len(port.look(CONTAINER, 1)) <= 1


def checks(data: bytes, folder: Path) -> None:
    """What health checks have found: all of it, or nothing."""
    place = folder / "run" / CONTAINER / "1"
    place.mkdir(parents=True, exist_ok=True)
    (place / "checks.json").write_bytes(data)
    LocalChecks(folder).noted(CONTAINER, 1)


NEIGHBOURS = (
    hook,
    config,
    result,
    plugged,
    network,
    note,
    state,
    columns,
    session,
    checks,
)


def seeds() -> dict[str, tuple[bytes, ...]]:
    """What each is meant to read: where mutation begins."""
    encoded = msgspec.json.encode
    addresses = {"ips": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1"}]}
    inside = {"interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/netns"}]}
    names = {"dns": {"nameservers": ["10.0.0.1"], "search": ["a.example"]}}
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}]]}
    bridge = {"type": "bridge", "bridge": "web0", "isGateway": True, "ipam": ipam, **names}
    return {
        "hook": (
            b'{"version": "1.0.0", "hook": {"path": "/bin/true", "args": ["x"], "timeout": 3},'
            b' "when": {"annotations": {"^a$": "b"}, "commands": ["sh$"]}, "stages": ["poststop"]}',
        ),
        "config": (b'{"ociVersion": "1.0.2", "hooks": {}, "process": {"args": ["sh"]}}', b" \n"),
        "result": (
            encoded({"cniVersion": "1.0.0", **addresses, **inside, **names}),
            b'{"ips": null, "interfaces": null, "dns": null}',
            b'{"code": 7, "msg": "no", "details": "such bridge"}',
        ),
        "plugged": (
            b'{"web": {"interfaces": {"eth0": {"mac_address": "02:00:00:00:00:01"}}}}',
            b'{"error": "no such bridge"}',
        ),
        "network": (encoded({"cniVersion": "1.0.0", "name": "web", "plugins": [bridge]}),),
        "note": (encoded(NOTE),),
        "state": (
            b'{"id": "c", "pid": 4711, "status": "running"}',
            b'{"level":"error","msg":"no such container"}\n',
        ),
        "columns": (
            encoded(Executor(Process(7, 1, "boot"))),
            encoded(Exited(137, 1, oom=True, reason="x")),
            encoded(Event(CONTAINER, "web", "died", 1, exit_code=1)),
        ),
        "session": (encoded(SESSION),),
        "checks": (encoded((CheckResult(began=1, ended=2, code=0, output="ok"),)),),
    }
