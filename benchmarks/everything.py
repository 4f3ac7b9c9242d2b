"""A container with everything set, beside a bare script that does the same work by hand.

Users of its own, limits, a volume, a bind, a tmpfs, a secret, a read-only root, fewer capabilities, a
seccomp profile. The bare script makes the same runtime calls as in `life.py`, and besides only what is
asked for: it mounts the mapped layers, makes and owns the volume, copies the secret, and takes all of
it away again. No record, no history, no lock, no recovery.
`python -m benchmarks.everything [ROUNDS]`, as root.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import life

from lockgate import Engine, LockgateError
from lockgate.adapters.filesystem import LocalFilesystem
from lockgate.adapters.storage.mapping import UserNamespaces, mount_mapped
from lockgate.adapters.syscalls import unmount
from lockgate.effects.config import (
    Bind,
    Config,
    IdMap,
    Limits,
    Secret,
    Security,
    Tmpfs,
    Ulimit,
    VolumeMount,
)
from lockgate.testing import busybox

ROOT = 200_000
MAPS = (IdMap(container=0, host=ROOT, size=65_536),)
LIMITS = Limits(
    cpu_quota=50_000,
    cpu_period=100_000,
    cpuset_cpus="0",
    pids=64,
    memory_swap=64 * 2**20,
    ulimits=(Ulimit(name="nofile", soft=512, hard=512),),
)
SECURITY = Security(cap_drop=("ALL",), cap_add=("CAP_CHOWN",), no_new_privileges=True)
MEMORY = 64 * 2**20


def mounts(folder: Path, volume: str) -> tuple[Bind | Tmpfs | VolumeMount, ...]:
    return (
        Bind(source=str(folder), destination="/mnt", readonly=True),
        Tmpfs(destination="/tmp", size=2**20),
        VolumeMount(volume=volume, destination="/data"),
    )


class Bare(life.Bare):
    """By hand; the layer is unpacked before the clock starts."""

    def __init__(self, folder: Path, runtime: str) -> None:
        super().__init__(folder, runtime)
        self._namespaces = UserNamespaces()
        folder.chmod(0o711)
        (folder / "containers").mkdir()
        (folder / "containers").chmod(0o711)

    def life(self) -> None:
        container = secrets.token_hex(16)
        volume = f"v{container}"
        config = Config(
            id=container,
            command=life.COMMAND,
            cgroup_parent="/lockgate-bench",
            read_only=True,
            memory=MEMORY,
            uid_maps=MAPS,
            gid_maps=MAPS,
            limits=LIMITS,
            security=SECURITY,
            mounts=mounts(self._folder, volume),
            secrets=(Secret(name="token", source=str(token(self._folder))),),
        )
        bundle = self._folder / "containers" / container
        data = self._folder / "volumes" / volume / "data"
        for made in (bundle / "upper", bundle / "work", bundle / "merged", data):
            made.mkdir(parents=True)
        for owned in (bundle, bundle / "upper", data):
            os.chown(owned, ROOT, ROOT)
        LocalFilesystem(self._folder).keep_secrets(config)
        mount_mapped("bare", [self._rootfs], bundle, self._namespaces.of(config))
        self.run(config, bundle, bundle / "merged")
        unmount(bundle / "merged")
        life.removed(bundle)
        shutil.rmtree(data.parent)


def token(folder: Path) -> Path:
    path = folder / "token"
    if not path.exists():
        path.write_text("hush")
    return path


class Ours:
    def __init__(self, folder: Path, runtime: str) -> None:
        self._folder = folder
        self.engine = Engine.open(folder / "root", runtime=runtime)
        self.engine.import_image("busybox", busybox.rootfs_tar(folder / "ours.tar"))

    def life(self) -> None:
        engine, volume = self.engine, f"v{secrets.token_hex(16)}"
        made = engine.create(
            image="busybox",
            command=life.COMMAND,
            read_only=True,
            memory=MEMORY,
            uid_maps=MAPS,
            limits=LIMITS,
            security=SECURITY,
            mounts=mounts(self._folder, volume),
            secrets=(Secret(name="token", source=str(token(self._folder))),),
        )
        engine.start(made.id)
        assert engine.wait(made.id) == 0
        engine.remove(made.id)
        engine.remove_volume(volume)


def compare(runtime: str, rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lockgate-bench-"))
    folder.chmod(0o711)
    ours: Ours | None = None
    try:
        ours = Ours(folder, runtime)
        contenders: dict[str, Callable[[], None]] = {
            "bare conmon + runtime": Bare(folder / "bare", runtime).life,
            "lockgate, in process": ours.life,
        }
        samples: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(rounds + 2):
            for name, whole in contenders.items():
                began = time.perf_counter()
                whole()
                if turn >= 2:  # the first two only warm things up
                    samples[name].append((time.perf_counter() - began) * 1e3)
        life.report(runtime, samples)
    finally:
        if ours is not None:
            ours.engine.close()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    for runtime in ("runc", "crun"):
        try:
            compare(runtime, rounds)
        except LockgateError as problem:
            print(f"{runtime}: {problem}")


if __name__ == "__main__":
    main()
