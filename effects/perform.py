"""How one order is carried out: one match, and the only door where exceptions become values.

Adapters raise `PortError` or `OSError`; `returns.safe` with that named pair turns either into a
failure, everything else is a bug and flies on. Nothing here knows what a record is.
"""

import errno
from typing import assert_never

from msgspec.structs import replace
from returns.pipeline import is_successful
from returns.result import safe

from lockgate.effects import model as e
from lockgate.effects.config import Attachment, Config
from lockgate.effects.outcome import (
    Connected,
    Done,
    Dumped,
    Exited,
    Fact,
    Failed,
    Fault,
    FaultKind,
    Launched,
    Outcome,
    PortError,
    Restored,
    Saved,
    Settled,
)
from lockgate.effects.ports import Ports

SIGKILL = 9
KILL_GRACE = 60.0
"""Seconds a process may take to go after SIGKILL before we say it will not (BEHAVIOUR §3)."""

NOT_MET = 1.0
"""Seconds in which the end of a process is told that a signal did not meet; then it is sent again."""


def perform(order: e.Order, config: Config, ports: Ports) -> Outcome:
    """Carry out one order; what the world answered, as a value. Never raises for the world."""
    result = _carried_out(order, config, ports)
    if is_successful(result):
        return Done(order.ticket, result.unwrap())
    return Failed(order.ticket, fault_of(result.failure()))


@safe(exceptions=(PortError, OSError))
def _carried_out(order: e.Order, config: Config, ports: Ports) -> Fact | None:
    effect = order.effect
    match effect:
        case e.CreateLayer():
            ports.storage.create(config)
            ports.filesystem.keep_secrets(config)
        case e.DeleteLayer():
            ports.storage.delete(config)
        case e.Mount():
            return ports.storage.mount(config)
        case e.Unmount():
            ports.storage.unmount(config)
        case e.JoinNetwork(_, epoch, _, networks):
            return ports.network.join(_plugged(config, networks), epoch)
        case e.LeaveNetwork(_, epoch):
            ports.network.leave(config, epoch)
        case e.ConnectNetwork():
            return _connected(effect, config, ports)
        case e.WriteSpec():
            ports.runtime.expect()
            facts = ports.surroundings.facts(config, effect.mountpoint)
            specified = ports.specify(config, effect, facts)
            spec = ports.hooks.refine(config, specified.spec, specified.precreate)
            ports.filesystem.write_files(config, specified.files)
            return Saved(ports.filesystem.write_spec(config, spec), specified.poststop)
        case e.CreateRuntime(_, epoch):
            return ports.runtime.create(config, epoch, again=order.again)
        case e.StartRuntime(_, epoch):
            ports.runtime.start(config, epoch, again=order.again)
            return Launched(ports.clock.now())
        case e.DeleteRuntime(_, epoch, force, process, monitor):
            ports.runtime.delete(config, epoch, force=force, process=process, monitor=monitor)
        case e.RunPoststop(_, epoch, hooks):
            ports.hooks.poststop(config, epoch, hooks)
            return Settled()
        case e.Watch(_, epoch):
            ports.checks.watch(config, epoch)
        case e.CheckpointRuntime():
            ports.runtime.checkpoint(config, effect)
            return Dumped(ports.clock.now())
        case e.RestoreRuntime():
            made = ports.runtime.restore(config, effect, again=order.again)
            return Restored(made.process, made.monitor, ports.clock.now())
        case e.ExportCheckpoint(_, target):
            ports.checkpoints.export(config, target)
        case e.ImportCheckpoint(_, number, source):
            ports.checkpoints.take(config, number, source)
        case e.DropCheckpoint():
            ports.checkpoints.drop(config)
        case e.AdjustLimits(_, epoch, memory, limits):
            ports.runtime.update(config, epoch, memory, limits)
        case e.Halt():
            return _halted(effect, config, ports)
        case e.Signal(_, epoch, process, signal):
            if process is None:
                raise PortError("missing", "no process is known for this run", dirty=False)
            ports.runtime.signal(config, epoch, process, signal)
        case e.Freeze(_, epoch):
            ports.runtime.freeze(config, epoch)
        case e.Thaw(_, epoch):
            ports.runtime.thaw(config, epoch)
        case _:
            assert_never(effect)
    return None


NAMING = frozenset({"hosts", "resolv.conf"})
"""Files that tell of what was plugged in."""


def _plugged(config: Config, networks: tuple[Attachment, ...]) -> Config:
    """With these addresses, if any are asked for."""
    return replace(config, networks=networks) if networks else config


def _connected(effect: e.ConnectNetwork, config: Config, ports: Ports) -> Connected:
    """As `WriteSpec` after `JoinNetwork`, but that it has been created since: of its files those are
    written once more that tell of its network, and its spec stands."""
    if effect.process is None:
        raise PortError("missing", "no process is known for this run", dirty=False)
    made = ports.network.connect(_plugged(config, effect.networks), effect.epoch, effect.process)
    facts = ports.surroundings.facts(config, effect.mountpoint)
    run = (effect.container, effect.epoch, effect.mountpoint)
    known = e.WriteSpec(*run, made.netns, made.links, made.dns, effect.lodging)
    files = ports.specify(config, known, facts).files
    ports.filesystem.rewrite_files(config, [one for one in files if one.name in NAMING])
    return made


def _halted(halt: e.Halt, config: Config, ports: Ports) -> Exited:
    """Its first process, and then what that has begun: without a pid namespace of its own, nothing
    else ends those (L-85)."""
    end = _first_halted(halt, config, ports)
    if config.namespaces.pid != "private" and halt.process is not None:
        _sent(halt.process, SIGKILL, halt, config, ports)
    return end


def _first_halted(halt: e.Halt, config: Config, ports: Ports) -> Exited:
    """Signal, wait, SIGKILL, wait (BEHAVIOUR §3 "Stop"). A process that went meanwhile is success: its
    end is still to come, and where none comes it was not gone, but missed once. A signal that failed on a
    living one is the fault, not what a later probe says (D-04)."""
    run = (config, halt.epoch, halt.process, halt.monitor)
    escalation = ((halt.signal, float(halt.timeout)), (SIGKILL, KILL_GRACE))
    for signal, patience in escalation if halt.timeout else escalation[1:]:
        if ended := ports.monitor.look(*run):
            return ended
        for moment in (NOT_MET, patience):
            met = halt.process is None or _sent(halt.process, signal, halt, config, ports)
            if halt.frozen and signal == SIGKILL:
                ports.runtime.thaw(config, halt.epoch)  # the frozen cannot die
            if ended := ports.monitor.await_exit(*run, timeout=patience if met else moment):
                return ended
            if met:
                break
    raise PortError("timeout", f"it outlived SIGKILL by {KILL_GRACE:.0f} seconds")


def _sent(process: e.Process, signal: int, halt: e.Halt, config: Config, ports: Ports) -> bool:
    """Did it meet anybody?"""
    try:
        ports.runtime.signal(config, halt.epoch, process, signal)
    except PortError as problem:
        if problem.fault.kind != "missing":
            raise
        return False
    return True


SCARCE = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
DENIED = {errno.EPERM, errno.EACCES, errno.EROFS}


def fault_of(problem: Exception) -> Fault:
    """The fault behind what an adapter raised."""
    if isinstance(problem, PortError):
        return problem.fault
    number = problem.errno if isinstance(problem, OSError) else None
    kind: FaultKind = "failed"
    if number in SCARCE:
        kind = "scarce"
    elif number in DENIED:
        kind = "denied"
    elif number == errno.ENOENT:
        kind = "missing"
    elif isinstance(problem, TimeoutError):
        kind = "timeout"
    return Fault(kind, str(problem))
