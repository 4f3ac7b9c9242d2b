"""Port `Surroundings`: what this host and a root filesystem are like, looked up for one run.

Nothing is decided here and nothing is changed. Everything is asked anew each time: devices move,
limits are lowered, and the engine may have been started by another (MAP L-161).
"""

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from lockgate.adapters import labels
from lockgate.adapters.filesystem import bundle, read_bounded, volume_data
from lockgate.adapters.hooks import hook_directories, hook_files
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.syscalls import Resolve, openat2
from lockgate.adapters.userns import confined
from lockgate.effects.capabilities import CAPABILITIES
from lockgate.effects.config import UNLIMITED, Config, Tmpfs, volume_mounts
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Facts, Filesystem, Node

FILE_LIMIT = 1 << 20
"""Bytes of a host's file or a seccomp profile we are willing to read."""

MAX_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""

OOM_SCORE_ADJ = Path("/proc/self/oom_score_adj")
STUB_RESOLVER = b"127.0.0.53"
RESOLVED = Path("/run/systemd/resolve/resolv.conf")
"""Where the servers behind the stub are named."""

APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
"""Where the kernel tells whether it enforces profiles."""

SYSTEMD = Path("/run/systemd/system")
"""There while systemd runs this host (sd_booted(3))."""

RLIMITS = {
    name.removeprefix("RLIMIT_").lower(): getattr(resource, name)
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
}
_HOST_DEVICES_ELSEWHERE = {"pts", "shm", "mqueue", "fd", "console", "ptmx", "core"}
_SYS_RESOURCE = "CAP_SYS_RESOURCE"


class LocalSurroundings:
    """Port `Surroundings` on this host, for bundles below `root`."""

    def __init__(self, root: Path, filesystem: Filesystem) -> None:
        self.root = root
        self._filesystem = filesystem

    def facts(self, config: Config, rootfs: str) -> Facts:
        """Raises `PortError("refused")`, clean, for a device or profile that is not there: "missing"
        is the container's command, to whoever asks why it did not run."""
        capabilities = tuple(_capabilities())
        unbounded = _SYS_RESOURCE in capabilities and not confined()
        plugged = config.network != "none"
        return Facts(
            bundle=str(bundle(self.root, config.id)),
            accounts=self._filesystem.accounts(rootfs),
            targets=tuple(
                (one.destination, inside(rootfs, one.destination))
                for one in config.mounts
                if isinstance(one, Tmpfs)
            ),
            volumes=tuple(
                (one.volume, str(volume_data(self.root, one.volume)))
                for one in volume_mounts(config)
            ),
            nodes=tuple((one.source, node(one.source)) for one in config.devices),
            host_nodes=tuple(host_nodes()) if config.security.privileged else (),
            capabilities=capabilities,
            rlimits=tuple(_rlimits(unbounded=unbounded)),
            controllers=tuple(sorted(Cgroups.here().controllers)),
            oom_score_adj=int(OOM_SCORE_ADJ.read_bytes()),
            unbounded=unbounded,
            machine=os.uname().machine,
            hostname=os.uname().nodename,
            resolv_conf=_resolv_conf() if plugged else b"",
            hosts=_host_file(Path("/etc/hosts")) if config.network == "host" else b"",
            seccomp=_profile(config.security.seccomp),
            hooks=hook_files(hook_directories(self.root)),
            systemd=SYSTEMD.is_dir(),
            apparmor=_says(APPARMOR, b"Y"),
            selinux=labels.present(),
        )


def _says(file: Path, word: bytes) -> bool:
    with suppress(OSError):
        return file.read_bytes().strip() == word
    return False


def node(path: str) -> Node:
    """The device file `path`, links followed. `PortError("refused")`, clean, for anything else."""
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise PortError("refused", f"there is no device {path}", dirty=False) from None
    kind = _kind(found)
    if not kind:
        raise PortError("refused", f"{path} is no device", dirty=False)
    return _node(path, kind, found)


def host_nodes(top: str = "/dev") -> Iterator[Node]:
    """Every device below `top`, but for terminals and what each container has of its own. What is
    unplugged while we look is not there."""
    for folder, below, names in os.walk(top):
        below[:] = sorted(set(below) - _HOST_DEVICES_ELSEWHERE)
        for name in sorted(set(names) - _HOST_DEVICES_ELSEWHERE):
            path = f"{folder}/{name}"
            with suppress(FileNotFoundError):
                found = Path(path).lstat()
                if kind := _kind(found):
                    yield _node(path, kind, found)


def inside(rootfs: str, path: str) -> str:
    """`path` with its links followed as if `rootfs` were the root; a part that does not exist yet
    stays as it is. More than `MAX_LINKS` raise `PortError("damaged")`, clean."""
    top = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        done: list[str] = []
        ahead = path.split("/")[::-1]
        links = 0
        while ahead:
            part = ahead.pop()
            if part == "..":
                del done[-1:]
            elif part not in ("", "."):
                target = _link(top, "/".join((*done, part)))
                if target is None:
                    done.append(part)
                    continue
                links += 1
                if links > MAX_LINKS:
                    raise PortError(
                        "damaged", f"{path} of the container leads nowhere", dirty=False
                    )
                if target.startswith("/"):
                    done.clear()
                ahead += target.split("/")[::-1]
        return "/" + "/".join(done)
    finally:
        os.close(top)


def _link(top: int, path: str) -> str | None:
    """Where the last part of `path` leads; None when it is no link, or not there."""
    try:
        handle = openat2(
            top, path, os.O_PATH | os.O_NOFOLLOW, Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if not stat.S_ISLNK(os.fstat(handle).st_mode):
            return None
        return os.readlink("", dir_fd=handle)
    finally:
        os.close(handle)


def _kind(found: os.stat_result) -> str:
    if stat.S_ISCHR(found.st_mode):
        return "c"
    return "b" if stat.S_ISBLK(found.st_mode) else ""


def _node(path: str, kind: str, found: os.stat_result) -> Node:
    device = found.st_rdev
    mode = stat.S_IMODE(found.st_mode)
    return Node(path, kind, os.major(device), os.minor(device), mode, found.st_uid, found.st_gid)


def _capabilities() -> Iterator[str]:
    """Those we have ourselves; nobody can give what he has not."""
    status = Path("/proc/self/status").read_text()
    held = next(int(line.split()[1], 16) for line in status.splitlines() if line[:7] == "CapPrm:")
    for number, name in enumerate(CAPABILITIES):
        if held >> number & 1:
            yield name


def _rlimits(*, unbounded: bool) -> Iterator[tuple[str, int]]:
    for name, number in RLIMITS.items():
        hard = resource.getrlimit(number)[1]
        yield name, UNLIMITED if unbounded or hard == resource.RLIM_INFINITY else hard


def _resolv_conf() -> bytes:
    found = _host_file(Path("/etc/resolv.conf"))
    lines = [line.split() for line in found.splitlines()]
    servers = {line[1] for line in lines if len(line) > 1 and line[0] == b"nameserver"}
    return _host_file(RESOLVED) or found if servers == {STUB_RESOLVER} else found


def _host_file(path: Path) -> bytes:
    """A file of the host's own; absent is empty (MAP L-161)."""
    try:
        return read_bounded(path.resolve(), FILE_LIMIT)
    except FileNotFoundError:
        return b""


def _profile(name: str) -> bytes:
    """A seccomp profile; the default one is package data, and its first line says whence."""
    if not name:
        return files("lockgate.adapters").joinpath("seccomp.json").read_bytes()
    if name == "unconfined":
        return b""
    try:
        return read_bounded(Path(name).resolve(), FILE_LIMIT)
    except FileNotFoundError:
        raise PortError("refused", f"there is no seccomp profile {name}", dirty=False) from None
