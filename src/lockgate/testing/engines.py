"""The engines of this host, ready to be asked: each in a folder of its own, with busybox in it."""

import shutil
import subprocess
import tarfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.syscalls import unmount
from lockgate.engine import Engine
from lockgate.testing import busybox
from lockgate.testing.conformance import oracle
from lockgate.testing.drivers import CGROUP, Driver, OfCommand, OfLockgate, OfRuntime

PODMAN = ("podman", "docker")
"""Programs with that command line. Podman is given a store of its own."""

IMAGE = "lockgate-busybox"
OPTIONS = ("--net=none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
"""What lets a container be made where limits cannot be raised."""


@contextmanager
def ready(name: str) -> Generator[Driver]:
    """`simulated`, `lockgate`, `podman`, `docker`, or an OCI runtime by name or path.

    Everything is removed at the end. Raises `LookupError` for a program that is not installed.
    """
    if name == "simulated":
        yield oracle()
        return
    program = name if name == "lockgate" else shutil.which(name)
    if program is None:
        raise LookupError(f"there is no program {name!r} here")
    with TemporaryDirectory(prefix="lockgate-driver-") as place:
        folder = Path(place)
        archive = busybox.rootfs_tar(folder / "busybox.tar")
        if name == "lockgate":
            with Engine.open(folder / "root") as engine:
                engine.import_image("busybox", archive)
                driver = OfLockgate(engine)
                yield driver
                driver.discard()
        elif Path(name).name in PODMAN:
            with _podman(program, folder, archive) as podman:
                yield podman
        else:
            rootfs = folder / "rootfs"
            with tarfile.open(archive) as tar:
                tar.extractall(rootfs, filter="fully_trusted")
            runtime = OfRuntime(program, folder, rootfs)
            yield runtime
            runtime.discard()
            Cgroups.here().prune(CGROUP)


@contextmanager
def _podman(program: str, folder: Path, archive: Path) -> Generator[Driver]:
    words, own = [program], Path(program).name == "podman"
    if own:  # a store of our own
        for option in ("root", "runroot", "tmpdir"):
            words += [f"--{option}", str(folder / option)]
        words += ["--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]
        words += ["--storage-driver", "overlay"]
    try:
        subprocess.run([*words, "import", str(archive), IMAGE], check=True, capture_output=True)
        driver = OfCommand(words, IMAGE, OPTIONS)
        yield driver
        driver.discard()
        subprocess.run([*words, "rmi", "-f", IMAGE], check=True, capture_output=True)
    finally:
        if own:
            with suppress(OSError):
                unmount(folder / "root" / "overlay")  # which podman mounts on itself
