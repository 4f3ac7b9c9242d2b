"""How an effect is filled in from the record: the only place where both are known."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from lockgate.effects import model as e
from lockgate.statemachine.inputs import SIGKILL, Kill, Remove, Restart, Stop
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Presence, Status


def _write_spec(r: Record) -> e.WriteSpec:
    return e.WriteSpec(r.config.id, r.epoch, r.mountpoint, r.netns, r.links, r.dns, r.lodging)


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
        case Kill():
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


def signalled(r: Record, signal: int) -> e.Signal:
    """A signal of its own, or sent while another operation waits."""
    return e.Signal(r.config.id, r.epoch, r.process, signal)


def _asked_signal(r: Record) -> e.Signal:
    return signalled(
        r, r.operation.signal if isinstance(r.operation, Kill) else r.config.stop_signal
    )


FILLED: Mapping[type[e.AnyEffect], Callable[[Record], e.AnyEffect]] = MappingProxyType(
    {
        e.CreateLayer: lambda r: e.CreateLayer(r.config.id),
        e.DeleteLayer: lambda r: e.DeleteLayer(r.config.id),
        e.Mount: lambda r: e.Mount(r.config.id),
        e.Unmount: lambda r: e.Unmount(r.config.id),
        e.JoinNetwork: lambda r: e.JoinNetwork(r.config.id, r.epoch),
        e.LeaveNetwork: lambda r: e.LeaveNetwork(r.config.id, r.epoch),
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
    }
)
