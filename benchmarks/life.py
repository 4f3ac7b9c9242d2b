"""create → start → exit → remove: lockgate beside a bare script and podman, in one run, in turns.

The bare script makes the same conmon and runtime calls and nothing else: no record, no history, no
lock, no storage, no recovery; its root filesystem and spec are ready before the clock starts.
`python benchmarks/life.py [ROUNDS]`, as root.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lockgate import Engine, LockgateError
from lockgate.adapters.facts import LocalSurroundings
from lockgate.adapters.filesystem import LocalFilesystem
from lockgate.adapters.inotify import Inotify, Mask
from lockgate.effects.config import Config
from lockgate.effects.model import WriteSpec
from lockgate.statemachine.spec import generate
from lockgate.testing import busybox

COMMAND = ("true",)


class Bare:
    """The same calls by hand, as HOST.md describes them."""

    def __init__(self, folder: Path, runtime: str) -> None:
        self._folder, self._runtime = folder, shutil.which(runtime) or runtime
        self._rootfs = folder / "rootfs"
        self._rootfs.mkdir(parents=True)
        archive = busybox.rootfs_tar(folder / "busybox.tar")
        subprocess.run(["tar", "-xf", archive, "-C", self._rootfs], check=True)

    def life(self) -> None:
        container = secrets.token_hex(16)
        config = Config(id=container, command=COMMAND, cgroup_parent="/lockgate-bench")
        bundle = self._folder / "containers" / container
        bundle.mkdir(parents=True)
        self.run(config, bundle, self._rootfs)
        removed(bundle)

    def run(self, config: Config, bundle: Path, rootfs: Path) -> None:
        """From the spec to the deletion."""
        container = config.id
        exits = bundle / "exits"
        exits.mkdir()
        effect = WriteSpec(container, 1, str(rootfs), "")
        filesystem = LocalFilesystem(self._folder)
        facts = LocalSurroundings(self._folder, filesystem).facts(config, effect.mountpoint)
        specified = generate(config, effect, facts)
        filesystem.write_files(config, specified.files)
        (bundle / "config.json").write_bytes(specified.spec)
        root = self._folder / "runtime"
        sync_read, sync_write = os.pipe()
        start_read, start_write = os.pipe()
        command = [
            "conmon", "--api-version", "1", "-c", container, "-u", container, "-n", container,
            "-r", self._runtime, "-b", str(bundle), "-p", str(bundle / "pidfile"),
            "-P", str(bundle / "conmon.pid"), "--exit-dir", str(exits),
            "--persist-dir", str(bundle), "--full-attach", "-l", f"k8s-file:{bundle}/ctr.log",
            "--runtime-arg", "--root", "--runtime-arg", str(root),
        ]  # fmt: skip
        with Inotify() as watch:
            watch.watch(exits, Mask.MOVED_TO)
            environment = {
                **os.environ,
                "_OCI_SYNCPIPE": str(sync_write),
                "_OCI_STARTPIPE": str(start_read),
            }
            monitor = subprocess.Popen(
                command,
                pass_fds=(sync_write, start_read),
                env=environment,
                cwd=bundle,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            os.close(sync_write)
            os.close(start_read)
            os.write(start_write, b"\0")
            os.close(start_write)
            monitor.wait()
            with os.fdopen(sync_read, "rb") as sync:
                answer = json.loads(sync.readline())
            assert answer["data"] > 0, answer
            base = [self._runtime, "--root", str(root)]
            subprocess.run([*base, "start", container], check=True)
            while not (exits / container).exists():
                select.select([watch], [], [], 10)
        subprocess.run([*base, "delete", container], check=True)


def removed(folder: Path) -> None:
    """Its monitor may take away a socket at the same time."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        removed(folder)


class Ours:
    def __init__(self, folder: Path, runtime: str) -> None:
        self.engine = Engine.open(folder / "root", runtime=runtime)
        self.engine.import_image("busybox", busybox.rootfs_tar(folder / "ours.tar"))

    def life(self) -> None:
        engine = self.engine
        made = engine.create(image="busybox", command=COMMAND)
        engine.start(made.id)
        assert engine.wait(made.id) == 0
        engine.remove(made.id)


class Podman:
    """A private store; the same root filesystem, imported."""

    def __init__(self, folder: Path, runtime: str) -> None:
        home = folder / "podman"
        self.base = [
            "podman", "--root", str(home / "root"), "--runroot", str(home / "run"),
            "--tmpdir", str(home / "tmp"), "--runtime", runtime, "--cgroup-manager", "cgroupfs",
            "--events-backend", "file", "--storage-driver", "overlay",
        ]  # fmt: skip
        archive = busybox.rootfs_tar(folder / "podman.tar")
        subprocess.run([*self.base, "import", "-q", archive, "busybox"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip

    def life(self) -> None:
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
        subprocess.run(
            [*self.base, "run", "--rm", "--net=none", *limits, "busybox", *COMMAND],
            check=True,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        subprocess.run([*self.base, "system", "reset", "-f"], check=False, capture_output=True)


def compare(runtime: str, rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lockgate-bench-"))
    closing: list[Callable[[], None]] = []
    try:
        contenders: dict[str, Callable[[], None]] = {}
        contenders["bare conmon + runtime"] = Bare(folder / "bare", runtime).life
        ours = Ours(folder, runtime)
        closing.append(ours.engine.close)
        contenders["lockgate, in process"] = ours.life
        if shutil.which("podman"):
            podman = Podman(folder, runtime)
            closing.append(podman.close)
            contenders["podman run --rm --net=none"] = podman.life
        samples: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(rounds + 2):
            for name, life in contenders.items():
                began = time.perf_counter()
                life()
                if turn >= 2:  # the first two only warm things up
                    samples[name].append((time.perf_counter() - began) * 1e3)
        report(runtime, samples)
    finally:
        for close in closing:
            close()
        shutil.rmtree(folder, ignore_errors=True)


def report(runtime: str, samples: dict[str, list[float]]) -> None:
    base = statistics.median(samples["bare conmon + runtime"])
    print(f"{runtime:28} {'median':>8} {'min':>8} {'p90':>8}  ms   × bare")
    for name, times in samples.items():
        middle, ninety = statistics.median(times), sorted(times)[int(len(times) * 0.9)]
        print(f"{name:28} {middle:8.1f} {min(times):8.1f} {ninety:8.1f}      {middle / base:5.2f}")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    for runtime in ("runc", "crun"):
        try:
            compare(runtime, rounds)
        except LockgateError as problem:
            print(f"{runtime}: {problem}")


if __name__ == "__main__":
    main()
