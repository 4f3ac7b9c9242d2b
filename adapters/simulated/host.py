"""Every port over worlds in memory: what an engine does without root, runtime or disk.

A container here runs nothing; it ends when it is told to, or by `end`. Time stands still but for
one nanosecond a reading, so the same program gives the same history, byte for byte.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, RLock
from typing import assert_never

from msgspec.structs import replace

from lockgate.adapters.network.lodgings import unlent
from lockgate.adapters.network.plugged import unshared
from lockgate.adapters.simulated.artifacts import SimulatedArtifacts
from lockgate.adapters.simulated.checkpoints import SimulatedCheckpoints
from lockgate.adapters.simulated.checks import SimulatedChecks
from lockgate.adapters.simulated.contents import SimulatedContents
from lockgate.adapters.simulated.faults import FaultPlan, halves, reverted
from lockgate.adapters.simulated.images import SimulatedImages
from lockgate.adapters.simulated.meters import SimulatedMeters
from lockgate.adapters.simulated.networks import SimulatedNetworks
from lockgate.adapters.simulated.sessions import SimulatedSessions
from lockgate.adapters.simulated.settlers import SimulatedSettlers
from lockgate.adapters.simulated.volumes import SimulatedVolumes
from lockgate.adapters.simulated.world import (
    Left,
    World,
    carried_out,
    died,
    lends_memory,
    rebooted,
    seen,
)
from lockgate.adapters.simulated.world import process as first_process
from lockgate.effects import model as e
from lockgate.effects.capabilities import CAPABILITIES
from lockgate.effects.config import (
    UNPLUGGED,
    Config,
    Limits,
    borrowed,
    owners,
    shares,
    volume_mounts,
    volume_parts,
)
from lockgate.effects.hooks import Hook, HookFile
from lockgate.effects.outcome import (
    Connected,
    Created,
    Exited,
    Fact,
    Home,
    Joined,
    Mounted,
    PortError,
    Restored,
)
from lockgate.effects.ports import Accounts, Facts, File, Image, LogLine, Mark, Node, Volume

SIGKILL = 9
LETHAL = frozenset({1, 2, 3, 6, 9, 14, 15})
"""Signals that end a process which has no handler for them."""

LOOK_AGAIN = 0.01
"""Seconds after which whoever waits looks for himself, whether he was told or not."""

EPOCH_BEGIN = 1_700_000_000_000_000_000
"""Where the virtual clock begins, in nanoseconds since the Unix epoch."""


class SimulatedHost:
    """Implements `Storage`, `Network`, `Filesystem`, `Hooks`, `Surroundings`, `Logs`, `Clock`; its `runtime`
    implements `Runtime` and `Monitor`.

    `before` is called with each effect before it happens and may raise `PortError`; `plan` says how
    each turns out. `deaf`: nobody is told when a container ends, they must look for themselves.
    """

    def __init__(
        self,
        before: Callable[[e.AnyEffect], None] | None = None,
        plan: FaultPlan | None = None,
    ) -> None:
        self._worlds: dict[str, World] = {}
        self.networks = SimulatedNetworks()
        self._time = EPOCH_BEGIN
        self._boots = 1
        self._changed = Condition(RLock())
        self.before = before or (lambda effect: None)
        self.plan = plan or FaultPlan()
        self.deaf = False
        self.hooks: tuple[HookFile, ...] = ()  # as an engine's directory would have them
        self._late: dict[str, list[tuple[e.AnyEffect, Config]]] = {}
        self.runtime = SimulatedRuntime(self)
        self.images = SimulatedImages(self.now)
        self.contents = SimulatedContents(self.world)
        self.artifacts = SimulatedArtifacts(self.world)
        self.volumes = SimulatedVolumes(self.now, self.worlds, self.drift)
        self.checks = SimulatedChecks(self.do, lambda container: self.world(container).epoch)
        self.checkpoints = SimulatedCheckpoints(self.do)
        self.settlers = SimulatedSettlers()
        self.meters = SimulatedMeters(self.world)
        self.sessions = SimulatedSessions(self._runs, self.now)

    def _runs(self, container: str, epoch: int) -> bool:
        world = self.world(container)
        return world.alive and world.epoch == epoch

    # ---- for tests and demonstrations ----------------------------------------------------

    def world(self, container: str) -> World:
        """What really is, whatever any record says."""
        with self._changed:
            for effect, config in self._late.pop(container, ()):
                with suppress(PortError):  # overtaken by events
                    self._happens(effect, config, self._time)
            return self._worlds.get(container, World())

    def worlds(self) -> dict[str, World]:
        """All that really is, by container."""
        with self._changed:
            return {container: self.world(container) for container in (*self._worlds, *self._late)}

    def snapshot(self) -> "Snapshot":
        """Everything there is, to come back to."""
        with self._changed:
            namespaces = self.networks.namespaces()
            return Snapshot(
                dict(self._worlds),
                self.images.list(),
                self._time,
                namespaces,
                self.volumes.named(),
            )

    def restore(self, snapshot: "Snapshot") -> None:
        with self._changed:
            self._worlds = dict(snapshot.worlds)
            self.images.restore(snapshot.images)
            self._time, self._late = snapshot.time, {}
            self.networks.restore(snapshot.namespaces)
            self.volumes.restore(snapshot.volumes)
            self._changed.notify_all()

    def advance(self, seconds: float) -> None:
        """The wall clock is set, forwards or back."""
        with self._changed:
            self._time += round(seconds * 1_000_000_000)

    def end(self, container: str, code: int = 0) -> None:
        """The container's first process ends by itself."""
        with self._changed:
            world = self.world(container)
            if world.alive:
                self._put(container, died(world, code))

    def drift(self, container: str, change: Callable[[World], World]) -> None:
        """Somebody else changes the world under us; see `faults.DRIFTS`."""
        with self._changed:
            self._put(container, change(self.world(container)))

    # ---- Clock ---------------------------------------------------------------------------

    def now(self) -> int:
        with self._changed:
            self._time += 1
            return self._time

    def boot(self) -> str:
        return f"boot {self._boots}"

    def sleep(self, nanoseconds: int) -> None:
        with self._changed:
            self._time += max(0, nanoseconds)

    def reboot(self, left: Left = "all") -> None:
        """The host is restarted; what is on disk stays."""
        with self._changed:
            self._boots += 1
            for container, world in self.worlds().items():
                self._put(container, rebooted(world, left))

    # ---- Storage -------------------------------------------------------------------------

    def create(self, config: Config) -> None:
        if config.image:
            self.images.lookup(config.image)
        self.do(e.CreateLayer(config.id), config)

    def mount(self, config: Config) -> Mounted:
        fact = self.do(e.Mount(config.id))
        assert isinstance(fact, Mounted)
        return fact

    def unmount(self, config: Config) -> None:
        self.do(e.Unmount(config.id))

    def delete(self, config: Config) -> None:
        self.do(e.DeleteLayer(config.id))
        self.artifacts.release(config.id)

    # ---- Network -------------------------------------------------------------------------

    def join(self, config: Config, epoch: int) -> Joined:
        owner = shares(config)
        with self._changed:
            if owner and not self.world(owner).network:
                raise unshared(owner)
            for _, other in borrowed(config):
                if not self.world(other).alive:
                    raise unlent(other)
            self.networks.claim(config)
        try:
            fact = self.do(e.JoinNetwork(config.id, epoch, config.deferred_network), config)
        except PortError:
            self.networks.unplug(config.id)
            raise
        assert isinstance(fact, Joined)
        with self._changed:
            if owner:
                joined = self.networks.shared(owner, Joined(self.networks.newest(owner)))
            elif config.network in UNPLUGGED or config.deferred_network:
                joined = Joined("")
            else:
                entered = Joined(self.networks.entered(config.id, epoch))
                joined = self.networks.plug(config, entered)
            homes = tuple(
                Home(one, self.world(one).epoch or self.networks.run(one)) for one in owners(config)
            )
            return replace(joined, lodging=tuple(self._lodging(config)), homes=homes)

    def connect(self, config: Config, epoch: int, process: e.Process) -> Connected:
        self.do(e.ConnectNetwork(config.id, epoch, process, ""))
        with self._changed:
            entered = Joined(self.networks.entered(config.id, epoch))
            plugged = self.networks.plug(config, entered)
            return Connected(plugged.netns, plugged.links, plugged.dns)

    def _lodging(self, config: Config) -> Iterator[tuple[str, str]]:
        for one in volume_parts(config):
            yield one.destination, f"/simulated/volumes/{one.volume}/{one.subpath}"
        for kind, other in borrowed(config):
            yield kind, f"/simulated/{kind}/{other}"
            if kind == "ipc" and self.world(other).shm:
                yield "shm", f"/simulated/shm/{other}"
        if lends_memory(config):
            yield "shm", f"/simulated/shm/{config.id}"

    def leave(self, config: Config, epoch: int) -> None:
        self.do(e.LeaveNetwork(config.id, epoch))
        with self._changed:
            self.networks.unplug(config.id)

    # ---- Filesystem ----------------------------------------------------------------------

    def accounts(self, rootfs: str) -> Accounts:
        return Accounts(passwd=b"root:x:0:0::/:/bin/sh\n", group=b"root:x:0:\n")

    def keep_secrets(self, config: Config) -> None:
        """Nothing runs here, so nobody could read them."""

    def write_files(self, config: Config, files: Sequence[File]) -> None:
        """Nor these."""

    def rewrite_files(self, config: Config, files: Sequence[File]) -> None:
        """Nor read them again."""

    def write_spec(self, config: Config, spec: bytes) -> str:
        self.do(e.WriteSpec(config.id, 0, "", ""))
        return hashlib.sha256(spec).hexdigest()

    # ---- Hooks ---------------------------------------------------------------------------

    def refine(self, config: Config, spec: bytes, hooks: Sequence[Hook]) -> bytes:
        return spec

    def poststop(self, config: Config, epoch: int, hooks: Sequence[Hook]) -> None:
        self.do(e.RunPoststop(config.id, epoch, tuple(hooks)))

    # ---- Surroundings --------------------------------------------------------------------

    def facts(self, config: Config, rootfs: str) -> Facts:
        """Of a host that has whatever is asked for."""
        return Facts(
            bundle=f"/bundles/{config.id}",
            accounts=self.accounts(rootfs),
            volumes=tuple(
                (one.volume, self.volumes.path(one.volume)) for one in volume_mounts(config)
            ),
            nodes=tuple(
                (one.source, Node(one.source, "c", 1, number, 0o600, 0, 0))
                for number, one in enumerate(config.devices)
            ),
            capabilities=CAPABILITIES,
            controllers=("cpu", "cpuset", "memory", "pids"),
            machine="x86_64",
            hostname="simulated",
            seccomp=b'{"defaultAction": "SCMP_ACT_ALLOW"}',
            hooks=self.hooks,
        )

    # ---- Logs ----------------------------------------------------------------------------

    def read(self, config: Config, after: Mark | None = None) -> tuple[tuple[LogLine, ...], Mark]:
        return (), after or Mark()

    def last(self, config: Config, count: int) -> Mark:
        return Mark()

    def wait(self, config: Config, after: Mark, timeout: float) -> None:
        with self._changed:
            self._changed.wait(timeout)

    # ---- effects -------------------------------------------------------------------------

    def seen(self, container: str, epoch: int) -> Exited | None:
        """What a look from outside tells of this run's end; None while it lives."""
        return seen(self.world(container), epoch, self.now())

    def await_end(self, container: str, epoch: int, timeout: float | None) -> Exited | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while seen(self.world(container), epoch, self._time) is None:
                left = LOOK_AGAIN
                if deadline is not None:
                    left = min(left, deadline - time.monotonic())
                if left <= 0:
                    return None
                self._changed.wait(left)
            return self.seen(container, epoch)

    def do(self, effect: e.AnyEffect, config: Config | None = None) -> Fact | None:
        """Carry out one effect as the plan has it; raises what a real host would. The `config` is for
        what makes something; for all else an id is enough."""
        self.before(effect)
        at, config = self.now(), config or Config(id=effect.container)
        with self._changed:
            container = effect.container
            world = self.world(container)
            match self.plan.turn(effect):
                case "done":
                    return self._happens(effect, config, at)
                case "refused":
                    raise PortError("refused", "the host said no", dirty=False)
                case "dirty":
                    raise PortError("failed", "nobody can tell what became of it")
                case "scarce":
                    raise PortError("scarce", "no space left on device")
                case "denied":
                    raise PortError("denied", "read-only file system", dirty=False)
                case "after":
                    self._happens(effect, config, at)
                    raise PortError("failed", "it failed after all")
                case "half":
                    ways = halves(world, effect, config)
                    way = self.plan.way(len(ways))
                    self._put(container, ways[way])
                    if isinstance(effect, e.CreateLayer) and way:
                        self.volumes.provide(config, filled=False)
                    raise PortError("failed", "it failed half way")
                case "late":
                    carried_out(world, effect, config, at)  # what is nonsense is so at once
                    self._late.setdefault(container, []).append((effect, config))
                    raise PortError("timeout", "no answer in time")
                case "twice":
                    self._happens(effect, config, at)
                    return self._happens(effect, config, at)
                case "reverts":
                    fact = self._happens(effect, config, at)
                    self._put(container, reverted(self.world(container), effect))
                    return fact
                case turn:
                    assert_never(turn)

    def _happens(self, effect: e.AnyEffect, config: Config, at: int) -> Fact | None:
        world = self._worlds.get(effect.container, World())
        after, fact = carried_out(world, effect, config, at)
        self._put(effect.container, after)
        if isinstance(effect, e.CreateLayer):
            self.volumes.provide(config)
        return fact

    def _put(self, container: str, world: World) -> None:
        if world.empty:
            self._worlds.pop(container, None)
        else:
            self._worlds[container] = world
        if not self.deaf:
            self._changed.notify_all()


@dataclass(frozen=True)
class Snapshot:
    """A simulated host at one moment."""

    worlds: dict[str, World]
    images: tuple[Image, ...] = ()
    time: int = EPOCH_BEGIN
    namespaces: Mapping[str, str] = field(default_factory=dict[str, str])
    volumes: tuple[Volume, ...] = ()


class SimulatedRuntime:
    """Implements `Runtime` and `Monitor` over a host: their method names meet those of storage."""

    def __init__(self, host: SimulatedHost) -> None:
        self._host = host
        self.hindrance = ""  # why no checkpoint can be taken here

    def expect(self) -> None:
        """Nothing here takes its time."""

    def create(self, config: Config, epoch: int, *, again: bool) -> Created:
        if not again and self._host.world(config.id).alive:
            raise PortError("refused", "the runtime knows it already: delete it first", dirty=False)
        for one in volume_mounts(config):
            self._host.volumes.lookup(one.volume)
        fact = self._host.do(e.CreateRuntime(config.id, epoch))
        assert isinstance(fact, Created)
        return fact

    def start(self, config: Config, epoch: int, *, again: bool) -> None:
        self._host.do(e.StartRuntime(config.id, epoch))

    def signal(self, config: Config, epoch: int, process: e.Process, signal: int) -> None:
        world = self._host.world(config.id)
        if not world.alive or world.epoch != epoch or process != first_process(epoch):
            raise PortError("missing", "the process has ended", dirty=False)
        self._host.do(e.Signal(config.id, epoch, process, signal))
        if signal == SIGKILL or (signal in LETHAL and world.runtime == "running"):
            self._host.end(config.id, 128 + signal)

    def freeze(self, config: Config, epoch: int) -> None:
        self._host.do(e.Freeze(config.id, epoch))

    def thaw(self, config: Config, epoch: int) -> None:
        self._host.do(e.Thaw(config.id, epoch))

    def obstacle(self) -> str:
        return self.hindrance

    def checkpoint(self, config: Config, effect: e.CheckpointRuntime) -> None:
        if self.hindrance:
            raise PortError("missing", self.hindrance, dirty=False)
        self._host.do(effect)

    def restore(self, config: Config, effect: e.RestoreRuntime, *, again: bool) -> Created:
        if self.hindrance:
            raise PortError("missing", self.hindrance, dirty=False)
        fact = self._host.do(effect)
        assert isinstance(fact, Restored)
        return Created(fact.process, fact.monitor)

    def update(self, config: Config, epoch: int, memory: int, limits: Limits) -> None:
        self._host.do(e.AdjustLimits(config.id, epoch, memory, limits))

    def delete(
        self,
        config: Config,
        epoch: int,
        *,
        force: bool,
        process: e.Process | None,
        monitor: e.Process | None,
    ) -> None:
        self._host.do(e.DeleteRuntime(config.id, epoch, force, process, monitor))

    def look(
        self, config: Config, epoch: int, process: e.Process | None, monitor: e.Process | None
    ) -> Exited | None:
        return self._host.seen(config.id, epoch)

    def await_exit(
        self,
        config: Config,
        epoch: int,
        process: e.Process | None,
        monitor: e.Process | None,
        timeout: float | None,
    ) -> Exited | None:
        return self._host.await_end(config.id, epoch, timeout)
