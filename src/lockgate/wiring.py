"""The composition root: which adapters make up a real host. The only place that knows them all."""

import os
import sys
from pathlib import Path

from lockgate.adapters.clock import SystemClock
from lockgate.adapters.facts import LocalSurroundings
from lockgate.adapters.filesystem import LocalFilesystem
from lockgate.adapters.locks import FileLocks
from lockgate.adapters.logs import FileLogs
from lockgate.adapters.network import NetworkBook, network
from lockgate.adapters.oci import ConmonRuntime, choose
from lockgate.adapters.oci.process import alive, identify
from lockgate.adapters.storage import LocalArtifacts, OverlayContents, OverlayStorage
from lockgate.adapters.store import SqliteStore
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Executor, Ports
from lockgate.errors import InvalidArgument, LockgateError
from lockgate.host import Host
from lockgate.statemachine.policy import has_duties
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

    def at_exit(config: Config, epoch: int) -> tuple[str, ...]:
        if not has_duties(config):
            return ()
        words = (str(root), config.id, str(epoch), str(chosen.runtime), str(chosen.conmon))
        return (sys.executable, "-m", "lockgate.settle", *words)

    storage = OverlayStorage(root)
    oci = ConmonRuntime(root, chosen.runtime, chosen.conmon, at_exit=at_exit)
    filesystem = LocalFilesystem(root)
    store = SqliteStore(root / "lockgate.db")
    locks = FileLocks(root / "locks")
    book = NetworkBook(root)
    return Host(
        ports=Ports(
            runtime=oci,
            monitor=oci,
            storage=storage,
            network=network(root, book, locks),
            filesystem=filesystem,
            surroundings=LocalSurroundings(root, filesystem),
            clock=SystemClock(),
            specify=generate,
        ),
        store=store,
        locks=locks,
        images=storage.images,
        contents=OverlayContents(storage),
        volumes=storage.volumes,
        artifacts=LocalArtifacts(root),
        networks=book,
        logs=FileLogs(root),
        me=Executor(me),
        lives=lambda executor: alive(executor.process),
        close=store.close,
        description=f"{chosen.runtime} under {chosen.conmon}",
    )
