"""What a spec follows from, and the files that go with it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from lockgate.effects.config import Config
from lockgate.effects.hooks import Hook, HookFile
from lockgate.effects.model import WriteSpec


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
        """config.json, atomically (temporary file, rename), not synced: whatever stops this host also
        ends the run it belongs to. Returns its SHA-256 in hex."""
        ...


Specify = Callable[[Config, WriteSpec, Facts], Specified]
"""A pure function lent by the front door: how an OCI spec follows from a config and the facts."""
