"""The composition root: which adapters make up a real host. The only place that knows them all."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lockgate import isolation
from lockgate.adapters.checkpoints import LocalCheckpoints
from lockgate.adapters.checks import LocalChecks
from lockgate.adapters.clock import SystemClock
from lockgate.adapters.facts import LocalSurroundings
from lockgate.adapters.filesystem import LocalFilesystem, read_bounded, write_atomic
from lockgate.adapters.hooks import LocalHooks, choose_directories
from lockgate.adapters.locks import FileLocks
from lockgate.adapters.logs import FileLogs
from lockgate.adapters.network import NetworkBook, choose_driver, network
from lockgate.adapters.oci import ConmonRuntime, choose
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.process import alive, identify
from lockgate.adapters.oci.sessions import ConmonSessions
from lockgate.adapters.oci.usage import LocalUsage
from lockgate.adapters.pause import pause_root
from lockgate.adapters.rootless import delegated, generation
from lockgate.adapters.settlers import LocalSettlers
from lockgate.adapters.storage import (
    FuseOverlay,
    LocalArtifacts,
    OverlayContents,
    OverlayStorage,
    SharedStorage,
    SharedStore,
    fuse_obstacle,
    overlay_obstacle,
)
from lockgate.adapters.store import SqliteStore
from lockgate.adapters.userns import confined
from lockgate.effects.config import CGROUPS, SLICE, Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Executor, Ports
from lockgate.errors import InvalidArgument, LockgateError
from lockgate.host import Host
from lockgate.lifecycle import first_process
from lockgate.rootless import at_home
from lockgate.statemachine.policy import has_duties
from lockgate.statemachine.spec import generate

OWN_STORAGE = "overlay"
"""Images and layers below the root folder, shared with nobody."""

FUSE_STORAGE = "fuse-overlayfs"
"""The same, merged by the program of this name."""

NAMES_KEPT = "its name is also in the store that is shared with others, and stays there as it is"


def real(
    root: Path,
    runtime: str | None = None,
    conmon: str | None = None,
    storage: str | None = None,
    hooks: Sequence[Path] | None = None,
    watchers: bool = True,
    network_driver: str | None = None,
    cgroup_parent: str = "",
) -> Host:
    """An OCI runtime under conmon, SQLite and file locks, below `root`; and `storage`.

    The latter is `overlay` or `fuse-overlayfs` (below `root`, too) or a store shared with others (see `SharedStore`). It is
    chosen once for a folder: left out, it is what it was, or `overlay`, if that works.

    So are the directories of `hooks`, and `network_driver`: left out, they are what they were.

    Raises `LockgateError` (what is missing, what to do) or `StoreError`.
    """
    root = root.absolute()
    below = isolation.cgroup_parent(cgroup_parent)
    if below.endswith(SLICE):
        raise InvalidArgument(
            f"{below} is a slice, where pods have no place: write an absolute path"
        )
    at_home(root)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise InvalidArgument(f"cannot use {root} as the root folder: {problem}") from problem
    try:
        chosen = choose(runtime, conmon)
    except PortError as problem:
        raise LockgateError(problem.fault.reason) from None
    me = identify(os.getpid())
    if me is None:
        raise LockgateError("cannot read /proc/self/stat: mount /proc and try again")

    settler = (sys.executable, "-m", "lockgate.settle")
    programs = (str(chosen.runtime), str(chosen.conmon))

    def at_exit(config: Config, epoch: int) -> tuple[str, ...]:
        if not has_duties(config):
            return ()
        return (*settler, str(root), config.id, str(epoch), *programs)

    def first(container: str) -> tuple[int, Process] | None:
        return first_process(store, container)

    locks = FileLocks(root / "locks")
    book = NetworkBook(root)
    try:
        kept = _storage(root, storage)
        if network_driver is not None:
            choose_driver(root, network_driver)
        joining = network(root, book, locks, first)
    except PortError as problem:
        raise InvalidArgument(problem.fault.reason) from None
    if hooks is not None:
        choose_directories(root, hooks)
    oci = ConmonRuntime(root, chosen.runtime, chosen.conmon, at_exit=at_exit)
    filesystem = LocalFilesystem(root)
    store = SqliteStore(root / "lockgate.db")
    watcher = (sys.executable, "-m", "lockgate.watch", str(root), *programs) if watchers else ()
    checks = LocalChecks(root, watcher)
    return Host(
        ports=Ports(
            runtime=oci,
            monitor=oci,
            storage=kept,
            network=joining,
            filesystem=filesystem,
            hooks=LocalHooks(root),
            checks=checks,
            checkpoints=LocalCheckpoints(root),
            surroundings=LocalSurroundings(root, filesystem),
            clock=SystemClock(generation(root)),
            specify=generate,
        ),
        store=store,
        locks=locks,
        images=kept.images,
        contents=OverlayContents(kept),
        volumes=kept.volumes,
        artifacts=LocalArtifacts(root),
        networks=book,
        logs=FileLogs(root),
        meters=LocalUsage(root),
        checks=checks,
        settlers=LocalSettlers(root, settler, programs),
        sessions=ConmonSessions(root, chosen.runtime, chosen.conmon),
        me=Executor(me),
        lives=lambda executor: alive(executor.process),
        pause=partial(pause_root, root),
        close=store.close,
        description=f"{chosen.runtime} under {chosen.conmon}",
        names_kept=NAMES_KEPT if isinstance(kept, SharedStorage) else "",
        cgroups=below or (delegated(Cgroups.here()) if confined() else CGROUPS),
    )


def _storage(root: Path, wish: str | None) -> OverlayStorage | SharedStorage:
    """What keeps the layers of this folder's containers. Raises `PortError`."""
    choice = root / "storage"
    try:
        chosen = read_bounded(choice, 1 << 12).decode(errors="replace")
    except FileNotFoundError:
        chosen = OWN_STORAGE if (root / "containers").exists() else ""
    if chosen and wish and wish != chosen:
        reason = f"the containers in {root} are kept by {chosen}: choose another folder for {wish}"
        raise PortError("refused", reason, dirty=False)
    named = chosen or wish or (_workable(root) if confined() else OWN_STORAGE)
    kept: OverlayStorage | SharedStorage
    match named:
        case "overlay":
            kept = OverlayStorage(root)
        case "fuse-overlayfs":
            if why := fuse_obstacle():
                raise PortError("refused", why, dirty=False)
            kept = OverlayStorage(root, overlay=FuseOverlay(root / "views"))
        case store:
            kept = SharedStorage(root, SharedStore(store))
    if not chosen and (wish or confined()):
        write_atomic(root, choice.name, named.encode(), 0o600)
    return kept


def _workable(root: Path) -> str:
    """What merges layers for who is not root of the whole host: old kernels do not. Raises
    `PortError`."""
    why = overlay_obstacle(root)
    if not why:
        return OWN_STORAGE
    if other := fuse_obstacle():
        reason = f"the kernel mounts no overlay here ({why}), and {other}"
        raise PortError("denied", reason, dirty=False)
    return FUSE_STORAGE
