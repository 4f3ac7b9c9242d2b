"""The composition root: which adapters make up a real host. The only place that knows them all."""

import os
from pathlib import Path

from lockgate.adapters.clock import SystemClock
from lockgate.adapters.facts import LocalSurroundings
from lockgate.adapters.filesystem import LocalFilesystem
from lockgate.adapters.locks import FileLocks
from lockgate.adapters.logs import FileLogs
from lockgate.adapters.network import Namespaces
from lockgate.adapters.oci import ConmonRuntime, choose
from lockgate.adapters.oci.process import alive, identify
from lockgate.adapters.storage import Images, OverlayStorage
from lockgate.adapters.store import SqliteStore
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Executor, Ports
from lockgate.errors import InvalidArgument, LockgateError
from lockgate.host import Host
from lockgate.statemachine.spec import generate


def real(root: Path, runtime: str | None = None, conmon: str | None = None) -> Host:
    """Overlay storage, an OCI runtime under conmon, SQLite and file locks, all below `root`.

    Raises `LockgateError` (what is missing, what to do) or `StoreError`.
    """
    root = root.absolute()
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
    oci = ConmonRuntime(root, chosen.runtime, chosen.conmon)
    filesystem = LocalFilesystem(root)
    store = SqliteStore(root / "lockgate.db")
    return Host(
        ports=Ports(
            runtime=oci,
            monitor=oci,
            storage=OverlayStorage(root),
            network=Namespaces(root / "netns"),
            filesystem=filesystem,
            surroundings=LocalSurroundings(root, filesystem),
            clock=SystemClock(),
            specify=generate,
        ),
        store=store,
        locks=FileLocks(root / "locks"),
        images=Images(root),
        logs=FileLogs(root),
        me=Executor(me),
        lives=lambda executor: alive(executor.process),
        close=store.close,
        description=f"{chosen.runtime} under {chosen.conmon}",
    )
