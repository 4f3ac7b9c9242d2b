"""How an effect is filled in from the record: the only place where both are known."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from msgspec.structs import replace

from lockgate.effects import model as e
from lockgate.effects.config import Attachment
from lockgate.statemachine.inputs import (
    SIGKILL,
    Checkpoint,
    Kill,
    Remove,
    Restart,
    Restore,
    Stop,
    Update,
)
from lockgate.statemachine.limits import updated
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Presence, Status


def _connect_network(r: Record) -> e.ConnectNetwork:
    run = (r.config.id, r.epoch, r.process, r.mountpoint, r.lodging)
    return e.ConnectNetwork(*run, _networks(r))


def _write_spec(r: Record) -> e.WriteSpec:
    return e.WriteSpec(r.config.id, r.epoch, r.mountpoint, r.netns, r.links, r.dns, r.lodging)


def _networks(r: Record) -> tuple[Attachment, ...]:
    """Where its config has it plugged in, with the addresses a restore asks for; nothing where those are
    the config's. One address of each interface can be asked for: its first."""
    asked = r.operation
    if not isinstance(asked, Restore):
        return ()
    before = {link.interface: link for link in r.checkpoint_links}
    wished: list[Attachment] = []
    for number, one in enumerate(r.config.networks):
        link = before.get(f"eth{number}")
        had = link.addresses[0].partition("/")[0] if link and link.addresses else ""
        ip = {"": one.ip, "same": had or one.ip, "any": ""}[asked.ip]
        mac = {"": one.mac, "same": (link.mac if link else "") or one.mac, "any": ""}[asked.mac]
        wished.append(replace(one, ip=ip, mac=mac))
    return () if tuple(wished) == r.config.networks else tuple(wished)


def _create_runtime(r: Record) -> e.CreateRuntime:
    return e.CreateRuntime(r.config.id, r.epoch)


def _delete_runtime(r: Record) -> e.DeleteRuntime:
    # plain where its end is on record, so that a wrong belief cannot kill (D-30)
    force = r.status is not Status.STOPPED
    return e.DeleteRuntime(r.config.id, r.epoch, force, r.process, r.monitor)


def _halt(r: Record) -> e.Halt:
    """Signal and patience of whoever asked; the paused and the killed get none of either."""
    signal, timeout = r.config.stop_signal, r.config.stop_timeout
    match r.operation:
        case Stop(int(asked)) | Restart(int(asked)) | Remove(_, int(asked)):
            timeout = asked
        case Kill() | Restore():
            timeout = 0
    frozen = r.freezer is not Presence.ABSENT
    # an init that was never started cannot handle the signal: do not wait for it
    if frozen or r.process is None or not r.started_at:
        timeout = 0
    return e.Halt(
        r.config.id,
        r.epoch,
        r.process,
        r.monitor,
        SIGKILL if timeout == 0 else signal,
        timeout,
        frozen,
    )


def _checkpoint(r: Record) -> e.CheckpointRuntime:
    asked = r.operation if isinstance(r.operation, Checkpoint) else Checkpoint()
    return e.CheckpointRuntime(
        r.config.id,
        r.epoch,
        r.checkpoints,
        asked.leave_running,
        asked.tcp_established,
        asked.keep,
    )


def _restore(r: Record) -> e.RestoreRuntime:
    tcp = isinstance(r.operation, Restore) and r.operation.tcp_established
    return e.RestoreRuntime(r.config.id, r.epoch, tcp)


def _export(r: Record) -> e.ExportCheckpoint:
    return e.ExportCheckpoint(
        r.config.id, r.operation.export if isinstance(r.operation, Checkpoint) else ""
    )


def _import(r: Record) -> e.ImportCheckpoint:
    source = r.operation.source if isinstance(r.operation, Restore) else ""
    return e.ImportCheckpoint(r.config.id, r.checkpoints, source)


def _adjust(r: Record) -> e.AdjustLimits:
    wanted = updated(r.config, r.operation) if isinstance(r.operation, Update) else r.config
    return e.AdjustLimits(r.config.id, r.epoch, wanted.memory, wanted.limits)


def signalled(r: Record, signal: int) -> e.Signal:
    """A signal of its own, or sent while another operation waits."""
    return e.Signal(r.config.id, r.epoch, r.process, signal)


def _asked_signal(r: Record) -> e.Signal:
    return signalled(
        r, r.operation.signal if isinstance(r.operation, Kill) else r.config.stop_signal
    )


Filling: TypeAlias = Callable[[Record], e.AnyEffect]

FILLED: Mapping[type[e.AnyEffect], Filling] = MappingProxyType(
    {
        e.CreateLayer: lambda r: e.CreateLayer(r.config.id),
        e.DeleteLayer: lambda r: e.DeleteLayer(r.config.id),
        e.Mount: lambda r: e.Mount(r.config.id),
        e.Unmount: lambda r: e.Unmount(r.config.id),
        e.JoinNetwork: lambda r: e.JoinNetwork(
            r.config.id, r.epoch, r.config.deferred_network, _networks(r)
        ),
        e.LeaveNetwork: lambda r: e.LeaveNetwork(r.config.id, r.epoch),
        e.ConnectNetwork: _connect_network,
        e.WriteSpec: _write_spec,
        e.CreateRuntime: _create_runtime,
        e.DeleteRuntime: _delete_runtime,
        e.RunPoststop: lambda r: e.RunPoststop(r.config.id, r.epoch, r.poststop),
        e.StartRuntime: lambda r: e.StartRuntime(r.config.id, r.epoch),
        e.Halt: _halt,
        e.Signal: _asked_signal,
        e.Freeze: lambda r: e.Freeze(r.config.id, r.epoch),
        e.Watch: lambda r: e.Watch(r.config.id, r.epoch),
        e.Thaw: lambda r: e.Thaw(r.config.id, r.epoch),
        e.CheckpointRuntime: _checkpoint,
        e.RestoreRuntime: _restore,
        e.ExportCheckpoint: _export,
        e.ImportCheckpoint: _import,
        e.DropCheckpoint: lambda r: e.DropCheckpoint(r.config.id),
        e.AdjustLimits: _adjust,
    }
)
