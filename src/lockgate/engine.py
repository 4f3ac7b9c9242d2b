"""The engine: everything wired, no daemon, no globals.

An `Engine` is a folder and the ports that act on it. It may be opened by any number of threads and
processes at once: they meet in the store and under the locks. Each method is one command carried to
its end; `submit` is the same without exceptions.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Self

from returns.result import Failure, Result, Success

from lockgate import isolation, validation
from lockgate.adapters.filesystem import replacing
from lockgate.adapters.simulated.host import SimulatedHost
from lockgate.effects.config import (
    DNS,
    LIMITS,
    NAMESPACES,
    NETWORK_MODES,
    SECURITY,
    SHARED,
    USER,
    Attachment,
    Config,
    Device,
    Limits,
    Mount,
    Namespaces,
    PortMapping,
    RestartPolicy,
    Secret,
    Security,
    shares,
    volume_mounts,
)
from lockgate.effects.interpreter import Interpreter, unprobed
from lockgate.effects.network import Dns
from lockgate.effects.outcome import Exited, Fault, PortError
from lockgate.effects.ports import (
    Change,
    Event,
    Image,
    LogLine,
    NameTakenError,
    NetworkInfo,
    Row,
    Sizes,
    StoreError,
    Volume,
)
from lockgate.errors import (
    AlreadyStopped,
    AmbiguousName,
    Busy,
    IllegalState,
    InvalidArgument,
    LockgateError,
    NameTaken,
    NetworkInUse,
    NoSuchContainer,
    NoSuchImage,
    NoSuchNetwork,
    NoSuchVolume,
    OperationFailed,
    VolumeInUse,
)
from lockgate.host import Host
from lockgate.lifecycle import Lifecycle, readable, salvaged
from lockgate.statemachine import history as histories
from lockgate.statemachine.history import Divergence, Entry
from lockgate.statemachine.inputs import (
    Cleanup,
    Command,
    Create,
    Init,
    Input,
    Kill,
    Pause,
    Remove,
    Restart,
    Revive,
    Start,
    Stop,
    Unpause,
)
from lockgate.statemachine.law import UNPLUGGED
from lockgate.statemachine.policy import SECOND, owes_removal, owes_restart, restart_due
from lockgate.statemachine.record import Record, Refused, holds, newborn
from lockgate.statemachine.status import Status

GLANCE = 0.02
"""Seconds a listing waits for a lock before it shows what it sees without it."""


NETWORKS = "networks"
"""The lock of whoever makes or removes a network, or a container that uses one."""


class Engine:
    """Containers in one folder. A context manager; safe for several threads and processes.

    References to containers are a name, a full id, or an unambiguous prefix of an id. Methods that
    change something return the record afterwards and raise `IllegalState` (the law does not allow
    it now, nothing has changed), `Busy`, `OperationFailed` (the world did not do it; what was begun
    is undone), or `NoSuchContainer`.
    """

    def __init__(self, host: Host, probe: Callable[[str], None] = unprobed) -> None:
        self.host = host
        self._lifecycle = Lifecycle(host.ports)
        self._interpreter: Interpreter[Record, Input, Refused] = Interpreter(
            self._lifecycle, host.store, host.locks, host.me, host.lives, probe
        )

    @classmethod
    def open(
        cls,
        root: str | Path,
        *,
        runtime: str | None = None,
        conmon: str | None = None,
        probe: Callable[[str], None] = unprobed,
    ) -> Self:
        """The engine of this folder, which is made if need be.

        `runtime` and `conmon` are names or paths; left out, what works on this host is chosen.
        Raises `LockgateError` that says what is missing and what to do.
        """
        from lockgate.wiring import real

        return cls(real(Path(root), runtime, conmon), probe)

    @classmethod
    def simulated(cls, probe: Callable[[str], None] = unprobed) -> Self:
        """An engine on a host that exists in memory only: no root, no runtime, no disk."""
        from lockgate.simulation import simulated

        return cls(simulated(), probe)

    @property
    def description(self) -> str:
        """The host this engine acts on, in words."""
        return self.host.description

    @property
    def simulation(self) -> SimulatedHost | None:
        """The simulated host, where this engine acts on one."""
        return self.host.simulation

    def close(self) -> None:
        self._interpreter.close()
        self.host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- images --------------------------------------------------------------------------

    def import_image(
        self,
        name: str,
        source: str | Path,
        *,
        command: Sequence[str] | None = None,
        env: Mapping[str, str] | Iterable[str] | None = None,
        workdir: str | None = None,
        user: str | None = None,
        reference: str = "",
        platform: str = "",
    ) -> Image:
        """An image from an OCI image layout or a docker archive, or from a root file system as a
        tar archive or a directory: told by content. A name that exists is given a new meaning,
        containers made from the old one keep it.

        What is `None` is as the source wishes; a `command` takes the place of its entrypoint, too.
        `reference` and `platform` (`os/architecture[/variant]`; left out: this machine's) choose
        where there are several images. Raises `InvalidArgument`, and `OperationFailed` for what is
        missing, damaged or refused; nothing is left of it then.
        """
        path = Path(source)
        if not path.exists():
            raise InvalidArgument(f"there is no archive or directory {str(path)!r} to import")
        with _faults_raised("import", name, "image"):
            return self.host.images.import_image(
                name,
                path,
                command=None if command is None else validation.words(command, "command"),
                env=None if env is None else validation.environment(env),
                workdir=None if workdir is None else validation.workdir(workdir),
                user=None if user is None else validation.user(user),
                reference=reference,
                platform=platform,
            )

    def images(self) -> tuple[Image, ...]:
        return self.host.images.list()

    def image(self, name: str) -> Image:
        """The image of this name or id. Raises `NoSuchImage`."""
        return self._image(name)

    def remove_image(self, name: str, *, force: bool = False) -> None:
        """Forget an image, by name or id, and the layers that no other image has.

        Refused while containers are made from it, unless it has another name as well; with `force`
        they are removed first, whatever they are doing. Raises `NoSuchImage`, `OperationFailed`.
        """
        try:
            image = self.host.images.lookup(name)
        except PortError as problem:
            if problem.fault.kind == "missing":
                raise NoSuchImage(problem.fault.reason) from None
            image = Image(name=name)  # its record is damaged: it cannot even be said who uses it
        if force:
            for container in self._made_from(image):
                with suppress(NoSuchContainer):
                    self.remove(container, force=True)
        with _faults_raised("remove", name, "image"):
            self.host.images.remove(name, self._made_from)

    def _made_from(self, image: Image) -> tuple[str, ...]:
        configs = (self._seen(row).config for row in self.host.store.rows())
        return tuple(one.id for one in configs if image.id and one.image_id == image.id)

    # ---- volumes -------------------------------------------------------------------------

    def create_volume(self, name: str = "", *, labels: Mapping[str, str] | None = None) -> Volume:
        """A directory that outlives containers; without a name it is given one of 64 hex digits.
        Raises `InvalidArgument`, `OperationFailed` for a name in use."""
        chosen = validation.name(name) if name else token_hex(32)
        with _faults_raised("create", chosen, "volume"):
            return self.host.volumes.create(chosen, labels=validation.pairs(labels or {}, "label"))

    def volumes(self) -> tuple[Volume, ...]:
        return self.host.volumes.list()

    def volume(self, name: str) -> Volume:
        """Raises `NoSuchVolume`."""
        try:
            return self.host.volumes.lookup(name)
        except PortError as problem:
            raise NoSuchVolume(problem.fault.reason) from None

    def volume_users(self, name: str) -> tuple[Record, ...]:
        """The containers made to use this volume, running or not."""
        seen = map(self._seen, self.host.store.rows())
        return tuple(
            record
            for record in seen
            if any(one.volume == name for one in volume_mounts(record.config))
        )

    def remove_volume(self, name: str, *, force: bool = False) -> None:
        """Remove a volume and all that is in it; with `force`, first the containers that use it
        and do not run. Raises `NoSuchVolume`, `VolumeInUse`; then the volume is as it was."""
        if force:
            for record in self.volume_users(name):
                with suppress(NoSuchContainer):
                    self.remove(record.id)

        def used_by(volume: Volume) -> tuple[str, ...]:
            if users := self.volume_users(name):
                raise VolumeInUse(name, tuple(record.config.name for record in users))
            return ()

        try:
            self.host.volumes.remove(name, used_by)
        except PortError as problem:
            if problem.fault.kind == "missing":
                raise NoSuchVolume(problem.fault.reason) from None
            raise OperationFailed("remove", name, problem.fault, "volume") from problem

    # ---- networks ------------------------------------------------------------------------

    def create_network(
        self,
        name: str,
        *,
        subnet: str = "",
        gateway: str = "",
        internal: bool = False,
        dns: Sequence[str] = (),
    ) -> NetworkInfo:
        """A bridge network of the host; without a `subnet` (CIDR) a free one is chosen.

        Containers on an `internal` one reach each other and nothing else; others have the
        `gateway` (left out: the subnet's first address) and what lies behind it. Raises
        `InvalidArgument`, `OperationFailed` for a name or subnet in use.
        """
        wish = validation.subnet(subnet) if subnet else ""
        way = validation.address(gateway) if gateway else ""
        servers = tuple(map(validation.address, validation.words(dns, "list of DNS servers")))
        with self.host.locks.hold(NETWORKS), _faults_raised("create", name, "network"):
            return self.host.networks.create(
                validation.name(name), subnet=wish, gateway=way, internal=internal, dns=servers
            )

    def networks(self) -> tuple[NetworkInfo, ...]:
        return self.host.networks.list()

    def network(self, name: str) -> NetworkInfo:
        """Raises `NoSuchNetwork`."""
        try:
            return self.host.networks.lookup(name)
        except PortError as problem:
            raise NoSuchNetwork(problem.fault.reason) from None

    def users(self, network: str) -> tuple[Record, ...]:
        """The containers made to be plugged into this network, running or not."""
        seen = map(self._seen, self.host.store.rows())
        return tuple(
            record
            for record in seen
            if any(one.network == network for one in record.config.networks)
        )

    def remove_network(self, name: str) -> None:
        """Raises `NoSuchNetwork`, `NetworkInUse`; then nothing has changed."""
        with self.host.locks.hold(NETWORKS):
            self.network(name)
            if users := self.users(name):
                raise NetworkInUse(name, tuple(one.config.name for one in users))
            with _faults_raised("remove", name, "network"):
                self.host.networks.remove(name)

    # ---- the life of a container ---------------------------------------------------------

    def create(
        self,
        *,
        image: str = "",
        rootfs: str | Path = "",
        name: str = "",
        command: Sequence[str] = (),
        entrypoint: Sequence[str] | None = None,
        env: Mapping[str, str] | Iterable[str] = (),
        workdir: str = "",
        user: str = "",
        hostname: str = "",
        network: validation.Wishes = "none",
        ports: Iterable[str | PortMapping] = (),
        memory: int = 0,
        terminal: bool = False,
        stdin: bool = False,
        stop_signal: int | str = "",
        stop_timeout: int = 10,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        auto_remove: bool = False,
        restart: RestartPolicy = "no",
        restart_retries: int = 0,
        read_only: bool = False,
        mounts: Iterable[Mount] = (),
        devices: Iterable[Device] = (),
        secrets: Iterable[Secret] = (),
        groups: Sequence[str] = (),
        sysctls: Mapping[str, str] | None = None,
        limits: Limits = LIMITS,
        security: Security = SECURITY,
        namespaces: Namespaces = NAMESPACES,
        dns: Dns = DNS,
        hosts: Iterable[tuple[str, str]] = (),
    ) -> Record:
        """A container, configured: name claimed, writable layer made, nothing running.

        With `auto_remove` it goes when its run is over, with a `restart` policy another run
        follows, though no engine may be open then (`settle`). What is left empty is taken from the
        image. `network` is a mode (`none`, `host`, `private`, `container:NAME`) or the networks to join,
        `ports` what is published of the container there; both as values or as written on the
        command line. `secrets` are copied now, `devices` looked up at each start; `hosts` are pairs
        of a name and an address. Raises `InvalidArgument`, `NoSuchImage`, `NoSuchNetwork`,
        `NameTaken`; nothing is left of a container that could not be made.
        """
        if bool(image) == bool(rootfs):
            raise InvalidArgument("give an image or a root filesystem directory, one of them")
        base = self._image(image) if image else Image(name="", id="")
        words = validation.words(command, "command")
        if entrypoint is None:
            words = (*base.entrypoint, *(words or base.command))
        else:  # then the image's command has lost what it is to be given to
            words = (*validation.words(entrypoint, "entrypoint"), *words)
        if not words:
            raise InvalidArgument("no command is given, and the image names none")
        mode = self._mode(network) if isinstance(network, str) else ""
        networks = () if mode else validation.attachments(network)
        published = validation.ports(ports)
        given = validation.environment(env)
        container = token_hex(32)
        config = Config(
            id=container,
            name=validation.name(name) if name else container[:12],
            image=base.name,
            image_id=base.id,
            rootfs=validation.rootfs(rootfs) if rootfs else "",
            command=words,
            env=(*_unset(base.env, given), *given),
            workdir=validation.workdir(workdir or base.workdir),
            user=validation.user(user or base.user),
            hostname=validation.name(hostname) if hostname else "",
            network=mode or (networks[0].network if networks else "none"),
            networks=networks,
            ports=published,
            memory=validation.memory(memory),
            terminal=terminal,
            stdin=stdin,
            stop_signal=validation.signal_number(stop_signal or base.stop_signal),
            stop_timeout=validation.seconds(stop_timeout, "stop timeout") or 0,
            labels=validation.pairs(labels or {}, "label"),
            annotations=validation.pairs(annotations or {}, "annotation"),
            auto_remove=auto_remove,
            restart=validation.restart(restart, restart_retries),
            restart_retries=restart_retries,
            created_at=self.host.ports.clock.now(),
            read_only=read_only,
            mounts=isolation.with_volumes(
                isolation.mounts(mounts), base.volumes, lambda: token_hex(32)
            ),
            devices=isolation.devices(devices),
            secrets=isolation.secrets(secrets),
            groups=isolation.groups(validation.words(groups, "list of groups")),
            sysctls=isolation.sysctls(sysctls or {}),
            limits=isolation.limits(limits, memory),
            security=isolation.security(security),
            namespaces=isolation.namespaces(namespaces),
            dns=isolation.dns(dns),
            hosts=isolation.hosts(hosts),
        )
        isolation.consistent(config)
        creation = Create(config, self.host.ports.clock.boot())
        if not networks and not published:
            return self._done(config.name, creation, container)
        with self.host.locks.hold(NETWORKS):  # none of them may go meanwhile
            self._connectable(config)
            return self._done(config.name, creation, container)

    def init(self, reference: str) -> Record:
        """Everything up to a process that waits to be started."""
        return self._command(reference, Init())

    def start(self, reference: str) -> Record:
        return self._command(reference, Start())

    def stop(self, reference: str, timeout: int | None = None) -> Record:
        """Stop signal, `timeout` seconds of patience (`None`: as configured), SIGKILL.

        Others may inspect, kill or stop it meanwhile; the shorter patience wins. Raises
        `AlreadyStopped` when it does not run, which is on record all the same.
        """
        record = self.inspect(reference)
        was = record.status
        after = self._command(record.id, Stop(validation.seconds(timeout)))
        # another run: somebody started it after we looked, and this stop did end it
        if was in (Status.STOPPED, Status.EXITED) and (after.status, after.epoch) == (
            was,
            record.epoch,
        ):
            raise AlreadyStopped(record.config.name, was)
        return after

    def kill(self, reference: str, signal: int | str = "KILL") -> Record:
        """Any signal; after SIGKILL the end is on record when this returns."""
        return self._command(reference, Kill(validation.signal_number(signal)))

    def pause(self, reference: str) -> Record:
        return self._command(reference, Pause())

    def unpause(self, reference: str) -> Record:
        return self._command(reference, Unpause())

    def restart(self, reference: str, timeout: int | None = None) -> Record:
        return self._command(reference, Restart(validation.seconds(timeout)))

    def cleanup(self, reference: str) -> Record:
        """Give back mounts, network and the runtime's object of a run that has ended."""
        return self._command(reference, Cleanup())

    def remove(self, reference: str, *, force: bool = False, timeout: int | None = None) -> Record:
        """Nothing of it stays but its history. `force`: end it first.

        `NoSuchContainer` only for one that was gone before: whom somebody else removes meanwhile,
        or whose interrupted removal this call has finished, is removed (FAULTS B058).
        """
        before = self._glimpse(self.resolve(reference))
        command = Remove(force, validation.seconds(timeout))
        try:
            after = self._command(reference, command)
        except NoSuchContainer:
            if before is None:
                raise
            return newborn(before.config)
        if after.gone:
            return after
        if after.faults:  # met by somebody who carried this very removal on
            raise OperationFailed(str(command.verb), after.config.name, after.faults[0])
        # another command came between, while we waited without the lock (P26)
        return self.remove(after.id, force=force, timeout=timeout)

    def settle(
        self, reference: str, epoch: int | None = None, *, booted: bool = False
    ) -> Record | None:
        """Do what is owed to a container whose run has ended: another run, by its restart policy
        and after a pause, or its removal. Whoever comes first does it, once.

        `epoch`: only if that run is the newest; `booted`: after a reboot of the host. Returns how
        it is then; None when it is gone. Holds no lock while it waits for the pause to be over.
        """
        container = self.resolve(reference)
        while True:
            record = self._interpreter.sync(container)
            if record.gone or (epoch is not None and record.epoch != epoch):
                return None if record.gone else record
            if owes_restart(record, booted=booted):
                pause = 0 if booted else restart_due(record) - self.host.ports.clock.now()
                if pause > 0:
                    self.host.ports.clock.sleep(min(pause, SECOND))
                    continue  # and look again: its user may have stopped it meanwhile
                return self._owed(record, Revive(booted))
            if owes_removal(record):
                return self._owed(record, Remove())
            return record

    def _owed(self, record: Record, command: Command) -> Record | None:
        try:
            after = self._done(record.config.name, command, record.id)
        except (IllegalState, NoSuchContainer):  # somebody else was first
            return self._glimpse(record.id)
        return None if after.gone else after

    def refresh(self) -> Mapping[str, LockgateError]:
        """After a reboot of the host, or at any time: finish what was interrupted, give back what
        ended runs still hold, complete removals, and do what is owed. One failure does not keep
        the others waiting; returns what went wrong, by id."""
        problems: dict[str, LockgateError] = {}
        for row in tuple(self.host.store.rows()):
            seen = self._seen(row)
            booted = seen.boot != self.host.ports.clock.boot()
            try:
                record = self._interpreter.sync(row.container)
                if record.status is Status.REMOVING:
                    self._owed(record, Remove())
                    continue
                if record.status in (Status.CONFIGURED, Status.EXITED) and holds(record):
                    self._owed(record, Cleanup())
                self.settle(row.container, booted=booted)
            except NoSuchContainer:
                continue
            except LockgateError as problem:
                problems[row.container] = problem
        return problems

    def submit(
        self, reference: str, command: Command, timeout: float | None = None
    ) -> Result[Record, Refused | Fault]:
        """One command without exceptions for what the law or the world says no to.

        Raises `TimeoutError` when somebody holds the container's lock for `timeout` seconds.
        """
        return self._interpreter.submit(self.resolve(reference), command, timeout)

    def sync(self, reference: str) -> Record:
        """Look at the world, finish what somebody left unfinished, and say how things are."""
        return self._interpreter.sync(self.resolve(reference))

    def wait(self, reference: str, timeout: float | None = None) -> int:
        """The exit code of the run there is, once it has ended; -1 when nobody saw it.

        A container that never ran answers 0 at once; one that is gone answers with its last code.
        Raises `TimeoutError`. Holds no lock while it waits.
        """
        container = self.resolve(reference, past=True)
        deadline = None if timeout is None else time.monotonic() + timeout
        epoch: int | None = None
        while True:
            record = self._glimpse(container)
            if record is None or (epoch is not None and record.epoch != epoch):
                return self._exit_code(container, epoch)
            if record.exit_code is not None:
                return record.exit_code
            if record.process is None:
                if record.pending:
                    record = self._interpreter.sync(container)
                if record.process is None:
                    return 0 if record.exit_code is None else record.exit_code
            epoch = record.epoch
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                end = self.host.ports.monitor.await_exit(
                    record.config, epoch, record.process, record.monitor, left
                )
            except PortError:
                continue  # gone from under us: whoever removed it has written down its end
            if end is None:
                raise TimeoutError(f"{record.config.name} has not ended in {timeout} seconds")
            self._interpreter.sync(container)

    def run_to_end(self, reference: str) -> Iterator[LogLine]:
        """Start it and yield what it writes until it has ended and all of that is read."""
        record = self.start(reference)
        offset = 0
        while True:
            ended = self._glimpse(record.id)
            over = ended is None or self._ended(ended)
            lines, offset = self.host.logs.read(record.config, offset)
            yield from lines
            if over and not lines:
                return
            if not over:
                self.host.logs.wait(record.config, offset, 0.2)

    # ---- looking -------------------------------------------------------------------------

    def resolve(self, reference: str, *, past: bool = False) -> str:
        """The id of the container meant; with `past`, of one that is gone, too."""
        found = self.host.store.find(reference) if reference else ()
        if len(found) > 1:
            raise AmbiguousName(reference, found)
        if found:
            return found[0]
        gone = self.host.store.past(reference) if past and reference else None
        if gone is None:
            raise NoSuchContainer(reference)
        return gone

    def inspect(self, reference: str) -> Record:
        """How things are. Never waits: what is being done right now is shown as such."""
        container = self.resolve(reference)
        record = self._glimpse(container)
        fresh = self._fresh(record) if record else None
        if fresh is None or fresh.gone:
            raise NoSuchContainer(reference)
        return fresh

    def list(self) -> tuple[Record, ...]:
        """All containers, oldest first. One that is damaged is shown as unknown; one that is
        busy is shown as it was; neither keeps the others waiting."""
        seen = (self._fresh(self._seen(row)) for row in self.host.store.rows())
        return tuple(record for record in seen if not record.gone)

    def logs(self, reference: str) -> Iterator[LogLine]:
        config = self.inspect(reference).config
        offset = 0
        while True:
            lines, offset = self.host.logs.read(config, offset)
            if not lines:
                return
            yield from lines

    def export(self, reference: str, target: str | Path | int) -> None:
        """Its root file system as a tar archive, whatever it is doing, without pausing it.

        `target` is an open descriptor, or a file that is made, or replaced when all is written,
        with the permissions 0600. Raises `OperationFailed`; then no file is made.
        """
        config = self.inspect(reference).config
        with _faults_raised("export", config.name, "container"):
            if isinstance(target, int):
                with open(target, "wb", closefd=False) as out:
                    self.host.contents.export(config, out)
            else:
                with replacing(Path(target)) as out:
                    self.host.contents.export(config, out)

    def diff(self, reference: str) -> tuple[Change, ...]:
        """What is otherwise than in its image, by path."""
        config = self.inspect(reference).config
        with _faults_raised("compare", config.name, "container"):
            return self.host.contents.changes(config)

    def sizes(self, reference: str) -> Sizes:
        """What it has written, and what its image brought."""
        config = self.inspect(reference).config
        with _faults_raised("measure", config.name, "container"):
            return self.host.contents.sizes(config)

    def events(self, after: int = 0) -> Iterator[Event]:
        """What has happened, engine-wide, in order; numbers are gapless."""
        return self.host.store.events(after)

    def follow(self, after: int = 0, timeout: float | None = None) -> Iterator[Event]:
        """Events as they happen; ends after `timeout` seconds without any."""
        last = time.monotonic()
        while True:
            for event in self.host.store.events(after):
                after, last = event.number, time.monotonic()
                yield event
            if timeout is not None and time.monotonic() - last > timeout:
                return
            self.host.store.wait_events(after, 1.0 if timeout is None else min(timeout, 1.0))

    def history(self, reference: str) -> Iterator[Entry]:
        """The container's inputs with the orders they led to; also of one that is gone."""
        container = self.resolve(reference, past=True)
        return map(histories.decode_entry, self.host.store.history(container))

    def replay(self, reference: str) -> Result[Record, Divergence]:
        """Fold the history again and compare every entry with what was recorded."""
        container = self.resolve(reference, past=True)
        entries = map(histories.decode_entry, self.host.store.history(container))
        return histories.replay(newborn(Config(id=container)), entries)

    # ---- inside --------------------------------------------------------------------------

    def _command(self, reference: str, command: Command) -> Record:
        container = self.resolve(reference)
        row = self.host.store.row(container)
        return self._done(row.name if row else reference, command, container)

    def _done(self, name: str, command: Command, container: str) -> Record:
        try:
            result: Result[Record, Refused | Fault] = self._interpreter.submit(container, command)
        except NameTakenError as taken:
            raise NameTaken(taken.name, taken.holder) from None
        match result:
            case Success(Record() as record):
                return record
            case Failure(Refused() as refusal):
                if refusal.status is Status.ABSENT and not refusal.busy:
                    raise NoSuchContainer(name)
                raise (Busy if refusal.busy else IllegalState)(name, refusal)
            case Failure(Fault() as fault):
                raise OperationFailed(str(command.verb), name, fault)
            case _:
                raise AssertionError(f"a Result is a Success or a Failure, not {result!r}")

    def _glimpse(self, container: str) -> Record | None:
        row = self.host.store.row(container)
        return self._seen(row) if row else None

    def _seen(self, row: Row) -> Record:
        record = readable(row.container, row.name, row.record)
        return record or salvaged(row)

    def _ended(self, record: Record) -> bool:
        return record.exit_code is not None or self._lifecycle.look(record) is not None

    def _fresh(self, record: Record) -> Record:
        """The record, brought up to date if its run has ended unnoticed, nobody is busy, and there
        is space to write it down; a look never fails for want of either (P13, P25)."""
        if not self._lifecycle.observe(record):
            return record
        try:
            return self._interpreter.sync(record.id, GLANCE)
        except (TimeoutError, StoreError):
            return record

    def _exit_code(self, container: str, epoch: int | None) -> int:
        end: Exited | None = self.host.store.exit(container, epoch)
        return end.code if end else 0

    def _mode(self, wish: str) -> str:
        """The mode that is wished for; empty for a network."""
        if not wish.startswith(SHARED):
            return wish if wish in NETWORK_MODES else ""
        config = self.inspect(wish.removeprefix(SHARED)).config
        if config.network in UNPLUGGED:
            raise InvalidArgument(
                f"container {config.name} has no network of its own to share: it is in the mode "
                f"{config.network!r}"
            )
        return config.network if shares(config) else f"{SHARED}{config.id}"

    def _connectable(self, config: Config) -> None:
        """Do its networks exist, and can they do what is asked of them?"""
        if config.ports and not config.networks:
            raise InvalidArgument(
                f"ports are published by a network, and {config.network!r} is none: give one"
            )
        if any(one.network == USER for one in config.networks):
            if config.networks != (Attachment(USER, aliases=config.networks[0].aliases),):
                raise InvalidArgument(
                    "the network 'user' goes with no other, and gives addresses of its own"
                )
            return
        found = [self.network(one.network) for one in config.networks]
        for one, info in zip(config.networks, found):
            inside = any(
                ip_address(one.ip) in ip_network(subnet) for subnet in info.subnets if one.ip
            )
            if one.ip and info.subnets and not inside:
                subnets = ", ".join(info.subnets)
                raise InvalidArgument(f"{one.ip} is not in network {info.name} ({subnets})")
        if config.ports and found[0].internal:
            raise InvalidArgument(
                f"the network {found[0].name} is internal: nothing of it can be published"
            )

    def _image(self, name: str) -> Image:
        try:
            return self.host.images.lookup(name)
        except PortError as problem:
            raise NoSuchImage(problem.fault.reason) from None


@contextmanager
def _faults_raised(verb: str, name: str, what: str) -> Generator[None]:
    try:
        yield
    except PortError as problem:
        raise OperationFailed(verb, name, problem.fault, what) from problem


def _unset(defaults: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """The image's environment, but for what the user sets."""
    names = {entry.partition("=")[0] for entry in given}
    return tuple(entry for entry in defaults if entry.partition("=")[0] not in names)
