"""The engine: everything wired, no daemon, no globals.

An `Engine` is a folder and the ports that act on it. It may be opened by any number of threads and
processes at once: they meet in the store and under the locks. Each method is one command carried to
its end; `submit` is the same without exceptions.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lockgate.effects.interpreter import unprobed
from lockgate.engine.artifacts import Artifacts
from lockgate.engine.brought import Brought
from lockgate.engine.health import Checking
from lockgate.engine.looking import Looking
from lockgate.engine.mounts import Mounts
from lockgate.engine.pods import Pods
from lockgate.engine.volumes import Volumes
from lockgate.errors import LockgateError

if TYPE_CHECKING:  # only for its name: a real host needs none of it
    from lockgate.adapters.simulated.host import SimulatedHost


class Engine(Pods, Volumes, Mounts, Artifacts, Brought, Checking, Looking):
    """Containers in one folder. A context manager; safe for several threads and processes.

    References to containers are a name, a full id, or an unambiguous prefix of an id. Methods that
    change something return the record afterwards and raise `IllegalState` (the law does not allow
    it now, nothing has changed), `Busy`, `OperationFailed` (the world did not do it; what was begun
    is undone), or `NoSuchContainer`.
    """

    @classmethod
    def open(
        cls,
        root: str | Path,
        *,
        runtime: str | None = None,
        conmon: str | None = None,
        storage: str | None = None,
        hooks: Sequence[str | Path] | None = None,
        watchers: bool = True,
        network_driver: str | None = None,
        cgroup_parent: str = "",
        probe: Callable[[str], None] = unprobed,
    ) -> Self:
        """The engine of this folder, which is made if need be.

        `runtime` and `conmon` are names or paths; left out, what works on this host is chosen.
        `storage` says what keeps images and layers: `overlay` (the folder itself),
        `fuse-overlayfs` (the same where the kernel mounts no overlay), or
        `containers-storage[:[overlay@/GRAPH+/RUN]]`, one store with podman, buildah and skopeo;
        left out, it is what it was when the folder was made, or the first that works.
        `hooks` are directories of OCI hooks beside the folder's own `hooks.d`, later before
        earlier; left out, they are what they were when last said.
        `network_driver` is who plugs containers into networks by name: `bridge`, `cni` or
        `netavark`; left out, it is what was last said, and where nothing was (or "") the first
        of them that can.
        `watchers`: each run with health checks has a process that sees to them; without, the
        program that embeds the engine does (`watch_all`).
        `cgroup_parent`: an absolute path; the containers that this engine makes have their cgroups
        below it unless `create` says otherwise. Left out: /lockgate, and without root what is delegated.
        Without root, a program enters its user's namespaces before (`lockgate.rootless.enter`).
        Raises `LockgateError` that says what is missing and what to do.
        """
        from lockgate.wiring import real

        directories = None if hooks is None else [Path(one) for one in hooks]
        try:
            host = real(
                Path(root),
                runtime,
                conmon,
                storage,
                directories,
                watchers,
                network_driver,
                cgroup_parent,
            )
        except OSError as problem:
            raise LockgateError(f"cannot open an engine in {root}: {problem}") from problem
        return cls(host, probe)

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
    def simulation(self) -> "SimulatedHost | None":
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
