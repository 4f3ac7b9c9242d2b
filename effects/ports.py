"""The ports: what the interpreter needs from the world, as few small Protocols.

Every method keeps one promise, checked by the contract suite (`lockgate.testing.contracts`):
**twice is once**. Acquiring what is there finds it; releasing what is gone succeeds. A method
raises `PortError` (or `OSError`) and then says through `dirty` whether it may have left something
behind. No method takes the container's lock, and none may be called without it, except those
marked *lock free*.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, Protocol

from msgspec import Meta, Struct

from lockgate.effects.config import Config, Limits
from lockgate.effects.health import CheckResult, HealthCheck
from lockgate.effects.hooks import Hook, HookFile
from lockgate.effects.model import CheckpointRuntime, Process, RestoreRuntime, WriteSpec
from lockgate.effects.outcome import Connected, Created, Exited, Joined, Mounted
from lockgate.effects.sessions import Seen, Session
from lockgate.effects.usage import Running, Usage


class Runtime(Protocol):
    """An OCI runtime command under a monitor (OCI runtime spec, "Operations")."""

    def create(self, config: Config, epoch: int, *, again: bool) -> Created:
        """Create from the bundle and leave the first process waiting.

        With `again`, an earlier attempt of the same epoch may have succeeded: a container that is
        created and still watched is adopted; anything else of this name is deleted first.
        """
        ...

    def start(self, config: Config, epoch: int, *, again: bool) -> None:
        """Let the first process run. With `again`, one that runs or has ended counts as started."""
        ...

    def signal(self, config: Config, epoch: int, process: Process, signal: int) -> None:
        """Signal the first process by identity. *Lock free.* A process that is gone raises
        `PortError("missing")`; a pid that now belongs to another is never touched."""
        ...

    def freeze(self, config: Config, epoch: int) -> None: ...

    def thaw(self, config: Config, epoch: int) -> None:
        """*Lock free.* Thawing what is not frozen, or not there, succeeds."""
        ...

    def obstacle(self) -> str:
        """Why no checkpoint can be taken or restored here, and what to do about it; empty where it
        can. *Lock free*, looked at once."""
        ...

    def checkpoint(self, config: Config, effect: CheckpointRuntime) -> None:
        """Write all its processes down, and end them unless they are to be left running.

        One with this number that is whole already is success. Where the host cannot, or the run has
        ended, `PortError` is raised, clean; whatever goes wrong, older checkpoints stay and nothing
        is left of this one.
        """
        ...

    def restore(self, config: Config, effect: RestoreRuntime, *, again: bool) -> Created:
        """Create from the bundle and the newest checkpoint; the processes run on.

        With `again`, what an earlier attempt of the same epoch has restored is adopted as long as it
        lives and is watched; one that has ended since was a run, and is `PortError("refused")`: it
        is not run twice without anybody's saying so.
        """
        ...

    def update(self, config: Config, epoch: int, memory: int, limits: Limits) -> None:
        """Give the run these limits instead of those in `config`. Raises `PortError`, clean when the
        run has those of `config` as before."""
        ...

    def delete(
        self,
        config: Config,
        epoch: int,
        *,
        force: bool,
        process: Process | None,
        monitor: Process | None,
    ) -> None:
        """Remove the runtime's object, the monitor, and the run directory of this epoch.

        With `force` every process of the container is killed first; without it a live one is a
        fault, and nothing has changed. Epoch 0 means every run there may be: whoever asks does
        not know which there were.
        """
        ...


class Monitor(Protocol):
    """Who watches a run, and how its end becomes known."""

    def look(
        self, config: Config, epoch: int, process: Process | None, monitor: Process | None
    ) -> Exited | None:
        """Has the run ended? Never blocks, total over damaged files: `None` while it lives.

        A run whose monitor and first process are both gone without a readable exit file has
        ended with code -1 and a reason.
        """
        ...

    def await_exit(
        self,
        config: Config,
        epoch: int,
        process: Process | None,
        monitor: Process | None,
        timeout: float | None,
    ) -> Exited | None:
        """`look`, but wait up to `timeout` seconds (`None`: for ever). *Lock free.*"""
        ...


class Storage(Protocol):
    """Where root filesystems come from."""

    def create(self, config: Config) -> None:
        """The container's writable layer, its directories, and its volumes: those that are not
        there are made and filled. Missing image: `PortError("missing")`."""
        ...

    def mount(self, config: Config) -> Mounted: ...

    def unmount(self, config: Config) -> None:
        """Not mounted is success. Busy is retried, then detached lazily."""
        ...

    def delete(self, config: Config) -> None:
        """Everything of the container on disk; refuses (clean) while it is mounted."""
        ...


class Change(Struct, frozen=True):
    """A path of the container that is not as its image has it: added, changed, deleted."""

    kind: Literal["A", "C", "D"]
    path: str


class Sizes(Struct, frozen=True):
    """Bytes of file content, each file once however many names it has: what the container has
    written, and what its image brought. For a root file system somebody else keeps, all of it is
    `written` and nothing `image`."""

    written: int
    image: int


class Contents(Protocol):
    """Looks into the root file system of a container, mounted or not, running or not. All methods
    are *lock free* and change nothing; what changes meanwhile is seen before or after."""

    def export(self, config: Config, out: BinaryIO) -> None:
        """Write it to `out` as a tar archive (POSIX.1-2001): owners, modes, times, extended
        attributes and hard links are kept, links not followed, mounts not entered, sockets left
        out. Missing: `PortError("missing")`."""
        ...

    def changes(self, config: Config) -> tuple[Change, ...]:
        """By path. Raises `PortError("refused")` for a container that has no image."""
        ...

    def sizes(self, config: Config) -> Sizes: ...


Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
"""SHA-256 in hex."""


class Image(Struct, frozen=True, kw_only=True):
    """A root file system and how it wants to be run.

    `id` is the SHA-256 of the layers and the wishes: equal ids make equal containers. It is empty
    for an image whose record cannot be read. `layers` are the SHA-256 of their listings, lowest
    first, `sizes` the bytes of file content in each, `size` in all; `diff_ids` the digests of the
    archives they came as, without compression, where they came as such. `volumes` are directories
    for which the image asks a volume; `health` the check it comes with; `created_at` nanoseconds since the epoch. An image that
    lost its name to a newer one is named by its id.
    """

    name: str
    id: str = ""
    layers: tuple[Digest, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    stop_signal: int = 15
    labels: tuple[tuple[str, str], ...] = ()
    volumes: tuple[str, ...] = ()
    health: HealthCheck | None = None
    size: int = 0
    sizes: tuple[int, ...] = ()
    diff_ids: tuple[str, ...] = ()
    created_at: int = 0


class Images(Protocol):
    """Images by name. All methods are *lock free*."""

    def import_image(
        self,
        name: str,
        source: Path,
        *,
        command: Sequence[str] | None = None,
        env: Sequence[str] | None = None,
        workdir: str | None = None,
        user: str | None = None,
        reference: str = "",
        platform: str = "",
    ) -> Image:
        """From an OCI image layout (directory or archive), a docker archive, a tar archive of a
        root file system, or a directory: told by what is in it. What is `None` is as the source
        wishes. `reference` and `platform` choose among the images of a layout or docker archive.

        All or nothing; hostile content is refused and leaves nothing.
        """
        ...

    def lookup(self, name: str) -> Image:
        """By name or id. Raises `PortError("missing")` that names the images there are."""
        ...

    def list(self) -> tuple[Image, ...]: ...

    def remove(self, name: str, used_by: Callable[[Image], Collection[str]]) -> None:
        """Forget the image of this name or id, and the layers nobody else has.

        `used_by` tells the containers made from it: any, and it is refused, unless the image has
        another name still. It is asked when no container can be given its layers any more: who is
        not told by then, is told that the image is missing. Removing what is not there raises
        `PortError("missing")`, as looking it up does.
        """
        ...


class Volume(Struct, frozen=True, kw_only=True):
    """A directory that outlives containers, or goes with the one it was made for.

    `path` is the directory on this host; `container` the id of the container an anonymous volume
    goes with, empty for all others. A `fresh` one was never filled from an image.
    """

    name: str
    path: str = ""
    container: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    fresh: bool = True
    created_at: int = 0


class Volumes(Protocol):
    """Volumes by name. All methods are *lock free*."""

    def create(
        self, name: str, *, container: str = "", labels: tuple[tuple[str, str], ...] = ()
    ) -> Volume:
        """A new one, empty. A name that exists is `PortError("refused")`, clean."""
        ...

    def path(self, name: str) -> str:
        """Where the directory of a volume of this name is, or would be."""
        ...

    def fill(self, name: str, config: Config, path: str) -> Volume:
        """The first time only: give an empty volume what the root filesystem of this container
        has at `path`, with owner and mode of that directory. A path that is absent or no
        directory leaves it as it is. All or nothing."""
        ...

    def lookup(self, name: str) -> Volume:
        """Raises `PortError("missing")` that names the volumes there are."""
        ...

    def list(self) -> tuple[Volume, ...]:
        """By name. One whose record cannot be read has a name and nothing else."""
        ...

    def remove(self, name: str, used_by: Callable[[Volume], Collection[str]]) -> None:
        """`used_by` tells the containers that use it: any, and it is `PortError("refused")`,
        clean. Removing what is not there raises as looking it up does."""
        ...


class Network(Protocol):
    """Namespaces and what is plugged into them. Never asked for modes `none` and `host`."""

    def join(self, config: Config, epoch: int) -> Joined:
        """The namespace of this run, plugged into the config's networks, its ports claimed.

        Claims come before anything is made (P19): a port that is taken raises
        `PortError("refused")`, clean, and says by whom. Joining again finds what stands, and makes
        anew what does not. Who shares another container's namespace is told of that one's, or
        `PortError("missing")`, clean, where it has none now.
        """
        ...

    def connect(self, config: Config, epoch: int, process: Process) -> Connected:
        """The namespace of this run's first process, kept and plugged into the config's networks; of
        a run that has joined without one, because its runtime makes it. Twice is once.
        `PortError("missing")`, clean, where that process has ended."""
        ...

    def leave(self, config: Config, epoch: int) -> None:
        """Everything of the container's runs goes, whatever part of it is gone already; every step
        is tried, then the first fault is raised (MAP L-29)."""
        ...


class NetworkInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network containers can be plugged into.

    `subnets` are in CIDR notation, each with the gateway of the same place in `gateways` (empty:
    none). Containers on an `internal` one reach each other and nothing else. `dns` are servers its
    containers shall ask. `ours`: made by `create`, and removable.
    """

    name: str
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    bridge: str = ""
    internal: bool = False
    dns: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    ours: bool = True


class Networks(Protocol):
    """Networks by name. No method but these makes or removes one; those that do are called under
    one lock of the engine's."""

    def create(
        self,
        name: str,
        *,
        subnet: str = "",
        gateway: str = "",
        internal: bool = False,
        dns: tuple[str, ...] = (),
    ) -> NetworkInfo:
        """Define a network; nothing is made on the host before a container joins it. Without a
        `subnet` a free one is chosen. Raises `PortError("refused")` for a name or subnet in use."""
        ...

    def lookup(self, name: str) -> NetworkInfo:
        """Raises `PortError("missing")` that names the networks there are."""
        ...

    def list(self) -> tuple[NetworkInfo, ...]: ...

    def remove(self, name: str) -> None:
        """The definition and what stands on the host for it; the caller knows that nobody is
        plugged in. Raises `PortError`: "missing", "refused" for one that is not ours."""
        ...


class Accounts(Struct, frozen=True):
    """The container's own /etc/passwd and /etc/group, bounded, read without following links."""

    passwd: bytes = b""
    group: bytes = b""


class Node(Struct, frozen=True):
    """What a device file stands for, as stat(2) tells. `kind`: c or b; `mode`: permission bits."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


class Facts(Struct, frozen=True, kw_only=True):
    """What a spec follows from besides the config: looked up for one run, judged by nobody yet.

    `bundle` is the container's directory, for the sources of its files. `targets` are tmpfs
    destinations with what they mean once links inside the root filesystem are followed.
    `capabilities` and `rlimits` are the most this engine can give, -1 for no limit; `controllers`
    the cgroup controllers there are, `oom_score_adj` the engine's own.
    `volumes` are the directories of this host behind the volumes it mounts.
    `hooks` are those of this engine, in their order.
    `resolv_conf` and `hosts` are the host's files, and `seccomp` the profile to be used.
    """

    bundle: str
    accounts: Accounts = Accounts()
    targets: tuple[tuple[str, str], ...] = ()
    volumes: tuple[tuple[str, str], ...] = ()  # by name
    nodes: tuple[tuple[str, Node], ...] = ()  # by `Device.source`
    host_nodes: tuple[Node, ...] = ()  # every device there is; looked up for the privileged only
    capabilities: tuple[str, ...] = ()
    rlimits: tuple[tuple[str, int], ...] = ()
    controllers: tuple[str, ...] = ()
    oom_score_adj: int = 0
    unbounded: bool = False  # may it give more than it was given itself? root of a whole host may
    machine: str = ""  # as uname(2) calls it
    hostname: str = ""
    resolv_conf: bytes = b""
    hosts: bytes = b""
    seccomp: bytes = b""
    hooks: tuple[HookFile, ...] = ()
    apparmor: bool = False  # are profiles enforced here?
    systemd: bool = False  # does it run this host?
    selinux: bool = False


class Surroundings(Protocol):
    """Where the facts come from."""

    def facts(self, config: Config, rootfs: str) -> Facts:
        """All that `Facts` holds, `rootfs` mounted. A device or profile that is not there raises
        `PortError("refused", dirty=False)`."""
        ...


class File(Struct, frozen=True):
    """A file of a run, `name` below the bundle's `files`; `mode` is permission bits."""

    name: str
    content: bytes
    mode: int = 0o644


class Specified(Struct, frozen=True):
    """What the runtime is given: config.json, and the files its mounts name; and the hooks that are
    the engine's to run."""

    spec: bytes
    files: tuple[File, ...] = ()
    precreate: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()


class Hooks(Protocol):
    """Hooks that the engine runs itself: with its own environment, nothing else, and a time limit."""

    def refine(self, config: Config, spec: bytes, hooks: Sequence[Hook]) -> bytes:
        """Each is given config.json and answers with the one to be used instead; one that answers
        nothing leaves it as it is. Raises `PortError("refused")`, clean, for one that fails."""
        ...

    def poststop(self, config: Config, epoch: int, hooks: Sequence[Hook]) -> None:
        """Run those that have not succeeded yet, all of them whatever becomes of the others; each
        succeeds at most once a run, whoever dies when. Raises `PortError` for the first that
        failed: calling again runs only what has not succeeded."""
        ...


class Filesystem(Protocol):
    """Files of the bundle, and careful looks into a root filesystem somebody else controls."""

    def accounts(self, rootfs: str) -> Accounts: ...

    def keep_secrets(self, config: Config) -> None:
        """Copy what `config.secrets` names into the bundle, where they are not yet. A source that
        is not there raises `PortError("missing")`."""
        ...

    def write_files(self, config: Config, files: Sequence[File]) -> None:
        """Files of the run, each atomically; nothing in the root filesystem is touched."""
        ...

    def rewrite_files(self, config: Config, files: Sequence[File]) -> None:
        """The same in place: a container that has been created sees what it says now."""
        ...

    def write_spec(self, config: Config, spec: bytes) -> str:
        """config.json, atomically (temporary file, fsync, rename); returns its SHA-256 in hex."""
        ...


class Checks(Protocol):
    """Health checks of a run: who sees to them, and what they found. All of it goes with the run:
    afterwards `alone` and `note` raise `PortError("missing")`."""

    def watch(self, config: Config, epoch: int) -> None:
        """Let somebody run the checks of this run when they are due; nothing where somebody does."""
        ...

    def alone(self, container: str, epoch: int, timeout: float) -> AbstractContextManager[bool]:
        """Nobody else runs a check of this run meanwhile; False where somebody still does after
        `timeout` seconds."""
        ...

    def note(self, container: str, epoch: int, result: CheckResult, keep: int) -> None:
        """Keep it, and `keep` of the newest in all."""
        ...

    def noted(self, container: str, epoch: int) -> tuple[CheckResult, ...]:
        """Oldest first. What cannot be read has not been noted."""
        ...


class Checkpoints(Protocol):
    """Checkpoints as files, below the container's own, and gone with these. The newest whole one
    is the checkpoint."""

    def export(self, config: Config, target: str) -> None:
        """As an archive (`target`: an absolute path, mode 0600), whole or not at all. Raises
        `PortError("missing")` where there is none."""
        ...

    def take(self, config: Config, number: int, source: str) -> None:
        """From such an archive, which is not believed: all or nothing. One with this number that is
        there already is success. `PortError("damaged")` or "refused", clean."""
        ...

    def wished(self, source: str) -> Config:
        """Of which container such an archive is. It is not believed: a config that can be read, and no
        more. `PortError("damaged")`, "refused" or "missing", clean."""
        ...

    def drop(self, config: Config) -> None: ...


class Settlers(Protocol):
    """Whoever does what is owed after a run, when its monitor did not live to call him."""

    def begin(self, config: Config, epoch: int, monitor: Process) -> None:
        """Let somebody do what is owed after this run, unless its monitor lives or somebody is at
        it, or was and came to an end. Does not wait for him. *Lock free.*"""
        ...


class Artifacts(Protocol):
    """Small named files kept with a container and removed with it: what its user wants to find
    there again. The container never sees them. All methods are *lock free*."""

    def put(self, config: Config, name: str, content: bytes) -> None:
        """The content of this name from now on, whole and durable. A container that has no layer
        is `PortError("missing")`, too much content `PortError("refused")`, both clean."""
        ...

    def get(self, config: Config, name: str) -> bytes:
        """Raises `PortError("missing")` that names those there are."""
        ...

    def list(self, config: Config) -> tuple[str, ...]: ...

    def remove(self, config: Config, name: str) -> None:
        """Removing what is not there raises as getting it does."""
        ...


class Logs(Protocol):
    """What containers have written."""

    def read(
        self, config: Config, after: "Mark | None" = None
    ) -> tuple[tuple["LogLine", ...], "Mark"]:
        """Whole lines from `after` on (None: from the beginning), and where to go on. What was cut
        down to its limit meanwhile is read from its beginning. *Lock free.*"""
        ...

    def last(self, config: Config, count: int) -> "Mark":
        """From where there are `count` whole lines, or all there are. *Lock free.*"""
        ...

    def wait(self, config: Config, after: "Mark", timeout: float) -> None:
        """Until there may be more than that, at most `timeout` seconds. *Lock free.*"""
        ...


class Mark(Struct, frozen=True):
    """A place in a log: so many bytes on, in the one that begins so."""

    offset: int = 0
    head: bytes = b""


class LogLine(Struct, frozen=True):
    """One write of the container. `partial`: the line goes on in the next one."""

    at: str  # RFC 3339 with nanoseconds
    stream: str  # stdout, stderr
    text: str
    partial: bool = False


class Clock(Protocol):
    def now(self) -> int:
        """Nanoseconds since the Unix epoch. *Lock free.*"""
        ...

    def boot(self) -> str:
        """The host's name for this boot: another one after each. *Lock free.*"""
        ...

    def sleep(self, nanoseconds: int) -> None:
        """Until so much time has passed. *Lock free.*"""
        ...


Specify = Callable[[Config, WriteSpec, Facts], Specified]
"""A pure function lent by the front door: how an OCI spec follows from a config and the facts."""


class Ports(Struct, frozen=True):
    """The world, wired: what `perform` needs to carry out any order."""

    runtime: Runtime
    monitor: Monitor
    storage: Storage
    network: Network
    filesystem: Filesystem
    hooks: Hooks
    checks: Checks
    checkpoints: Checkpoints
    surroundings: Surroundings
    clock: Clock
    specify: Specify


# ---- what the interpreter keeps its books with -----------------------------------


class Executor(Struct, frozen=True):
    """Who carries out a patient order while the lock is free."""

    process: Process


class Event(Struct, frozen=True, omit_defaults=True):
    """One line for observers; `number` is its place in the engine-wide order, from 1."""

    container: str
    name: str
    event: str
    at: int
    exit_code: int | None = None
    signal: int = 0
    number: int = 0
    health: str = ""
    pod: str = ""  # the id of the one it is in
    session: str = ""  # the id of the process that has joined or ended


class Commit(Struct, frozen=True, kw_only=True):
    """One durable step: the entry, the record it led to, and what follows from it.

    `record` is None when the container is gone: its row and name are then free again, its
    history and exits stay. `seq` must be the number of entries before it.
    """

    container: str
    name: str
    seq: int
    status: str
    entry: bytes
    record: bytes | None
    executor: Executor | None = None
    events: tuple[Event, ...] = ()
    exits: tuple[tuple[int, Exited], ...] = ()  # (epoch, how it ended)
    needs: tuple[str, ...] = ()  # containers it cannot be without; those of the first commit count
    leaving: bool = False  # it is not made yet, or its removal has been accepted
    pod: str = ""  # the id of the one it is in, or holds together: that of the first commit counts
    pod_name: str = ""  # it holds a pod of this name together: that comes and goes with it


class Row(Struct, frozen=True, kw_only=True):
    """A container as the store knows it; `record` is whatever bytes are there, maybe damaged."""

    container: str
    name: str
    seq: int
    status: str
    record: bytes
    executor: Executor | None = None
    pod: str = ""


Leaving = Literal["", "plain", "force"]
"""Of a pod: whether its removal has been accepted, and of which kind."""


class PodRow(Struct, frozen=True, kw_only=True):
    """A pod as the store knows it; `infra` is the container that holds it together."""

    pod: str
    name: str
    infra: str
    leaving: Leaving = ""


class Meters(Protocol):
    """What containers use. *Lock free.* Nothing fails because it cannot be counted."""

    def measure(self, config: Config) -> Usage: ...

    def processes(self, config: Config) -> tuple[Running, ...]:
        """Those of its run, by pid."""
        ...


class Attached(Protocol):
    """Being connected to a container's first process."""

    def relay(
        self,
        stdin: int | None,
        stdout: int,
        stderr: int,
        detach: bytes,
        resized: Callable[[], None],
    ) -> bool:
        """Carry bytes both ways until the container closes its side; True when the sequence
        `detach` was typed before (empty: it cannot be). The end of `stdin` is passed on. `resized`
        is called every now and then."""
        ...

    def resize(self, rows: int, columns: int) -> None:
        """Tell the container's terminal how large it is now."""
        ...


class Sessions(Protocol):
    """Processes beside the first of a running container. They end with its run; what is known of
    them outlives whoever began them, and goes with the run."""

    def begin(self, config: Config, session: Session, process: bytes) -> Process | None:
        """Start it, to run by itself; `process` is the runtime spec's object. Its process, None if
        that has ended already. Raises `PortError` "missing" or "denied" when its command is not
        there or not executable; nothing is left then."""
        ...

    def call(
        self,
        config: Config,
        session: Session,
        process: bytes,
        streams: tuple[int, int, int],
        began: Callable[[Process | None], None],
    ) -> Exited:
        """Run it to its end with these descriptors, a terminal's where it wants one (128 + n is the
        exit code of signal n), and keep how it ended. `began` is called if it runs for longer than
        a moment. Raises `PortError` as `begin` does."""
        ...

    def keep(self, session: Session) -> None:
        """What is known of it now, for whoever looks. Of one that is gone nothing is kept."""
        ...

    def forget(self, session: Session) -> None:
        """It has ended, and whoever called it knows how."""
        ...

    def check(
        self, config: Config, session: Session, process: bytes, timeout: float, size: int
    ) -> tuple[int, bytes]:
        """Run it to its end, or to the end of `timeout` seconds: then its process is killed. Its
        exit code (-1 when it was killed so) and the first `size` bytes of what it wrote. Raises
        `PortError` as `begin` does."""
        ...

    def attach(self, config: Config) -> Attached:
        """Connect to the first process of what is created or runs; nothing is missed from here on.
        Raises `PortError("missing")` where nobody listens."""
        ...

    def look(self, container: str, epoch: int) -> tuple[Seen, ...]:
        """Those begun in this run, oldest first. Never blocks."""
        ...

    def seen(self, container: str, epoch: int, session: str) -> Seen | None:
        """One of them; None where there is none of this id. Never blocks."""
        ...

    def await_exit(
        self, container: str, epoch: int, session: str, timeout: float | None
    ) -> Exited | None:
        """How it ended; None after `timeout` seconds, or where there is no such session (any
        more)."""
        ...

    def output(
        self, container: str, epoch: int, session: str, after: Mark | None = None
    ) -> tuple[tuple[LogLine, ...], Mark]:
        """What it has written from `after` on, and where to go on."""
        ...

    def signal(self, config: Config, epoch: int, process: Process | None, signal: int) -> None:
        """Send a signal to this process of the run, and to no other. Raises `PortError("missing")`,
        cleanly, when it has ended."""
        ...


class NameTakenError(Exception):
    """The name belongs to another container, or to a pod: that is the `what`."""

    def __init__(self, name: str, holder: str, what: str = "container") -> None:
        super().__init__(f"the name {name!r} is in use by {what} {holder[:12]}")
        self.name, self.holder, self.what = name, holder, what


class NoPodError(Exception):
    """The pod it would be in is not there, or is about to go."""

    def __init__(self, pod: str) -> None:
        super().__init__(f"there is no pod {pod[:12]} to be in, or it is being removed")
        self.pod = pod


class NeededError(Exception):
    """What others need cannot begin to leave; `by` are their ids, oldest first."""

    def __init__(self, container: str, by: tuple[str, ...]) -> None:
        super().__init__(f"container {container[:12]} is needed by {len(by)} others")
        self.container, self.by = container, by


class UnmetError(Exception):
    """What it would need is not there, or is about to go."""

    def __init__(self, container: str, needed: str) -> None:
        super().__init__(f"container {container[:12]} would need {needed[:12]}, which is not there")
        self.container, self.needed = container, needed


class StaleError(Exception):
    """Somebody else appended first: the writer did not hold the lock. Always a bug."""


class StoreError(Exception):
    """The store cannot be used: from a newer version, damaged, or out of space."""


class Store(Protocol):
    """State and history, never apart: one transaction each (P24). All methods are thread safe
    and, but for `append`, *lock free* snapshots that never wait for a writer (P13)."""

    def append(self, commit: Commit, patience: float | None = None) -> None:
        """Durable when it returns; nothing happened when it raises (`NameTakenError`: containers and
        pods share their names; `UnmetError` for the first commit of what would need somebody who is
        not there or leaving, `NoPodError` for that of what would be in such a pod,
        `NeededError` for the first that is `leaving` of whom others need; `StaleError`,
        `StoreError`, also when another has not finished writing after `patience` seconds)."""
        ...

    def row(self, container: str) -> Row | None: ...

    def rows(self) -> Iterator[Row]:
        """All containers there are, oldest first."""
        ...

    def find(self, reference: str) -> tuple[str, ...]:
        """Ids that `reference` may mean: a full id, else an exact name, else an id prefix; at
        most two are returned, enough to know it is ambiguous."""
        ...

    def needed_by(self, container: str) -> tuple[str, ...]:
        """The ids of those that cannot be without it, oldest first."""
        ...

    def pods(self) -> Iterator[PodRow]:
        """All pods there are, oldest first."""
        ...

    def pod(self, pod: str) -> PodRow | None: ...

    def find_pod(self, reference: str) -> tuple[str, ...]:
        """As `find`, among pods alone."""
        ...

    def members(self, pod: str) -> tuple[str, ...]:
        """The ids of the containers in it, oldest first: so the first holds it together."""
        ...

    def dismiss(self, pod: str, leaving: Leaving) -> None:
        """From now on nobody comes into this pod; or, with an empty word, may again. Durable when it
        returns. Nothing for a pod that is gone."""
        ...

    def history(self, container: str) -> Iterator[bytes]:
        """The container's entries in order; also of one that is gone."""
        ...

    def past(self, name: str) -> str | None:
        """The id of the newest container that had this name or id prefix, gone or not."""
        ...

    def exit(self, container: str, epoch: int | None = None) -> Exited | None:
        """How a run ended (`None`: the newest), also of a container that is gone."""
        ...

    def events(self, after: int = 0) -> Iterator[Event]:
        """Events with a number greater than `after`, in order."""
        ...

    def newest_event(self) -> int:
        """The number of the last there is; 0 for none."""
        ...

    def wait_events(self, after: int, timeout: float) -> None:
        """Until there may be an event beyond `after`, at most `timeout` seconds."""
        ...


class Locks(Protocol):
    def hold(self, scope: str, timeout: float | None = None) -> AbstractContextManager[None]:
        """Exclusive among threads and processes, not re-entrant; `TimeoutError` after `timeout`
        seconds. Released by the kernel when the holder dies (P14)."""
        ...

    def holder(self, scope: str) -> str:
        """Who holds it now, in words; empty when nobody does. Never waits."""
        ...

    def forget(self, scope: str) -> None:
        """Nothing is kept of the lock of what is gone, unless somebody holds it."""
        ...

    def known(self) -> tuple[str, ...]:
        """The scopes of which something is kept."""
        ...
