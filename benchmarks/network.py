"""create → start → exit → remove on a bridge network: lockgate by two drivers, without a network, and
podman, in one run, in turns.

All use the same OCI runtime, and podman its default network. All of it happens in a network
namespace of its own, so that the machine's links and firewall rules are never touched.
`python -m benchmarks.network [ROUNDS]`, as root.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lockgate import Engine, LockgateError
from lockgate.testing import busybox

ISOLATED = "LOCKGATE_BENCH_NETWORK"
COMMAND = ("true",)
OURS = {
    "lockgate, driver bridge": "bridge",
    "lockgate, driver cni": "cni",
    "lockgate, no network": "",
}


class Ours:
    """`driver`: who plugs in; empty for a life without a network."""

    def __init__(self, folder: Path, runtime: str, ports: list[str], driver: str) -> None:
        root = folder / f"root-{driver}"
        self.engine = Engine.open(root, runtime=runtime, network_driver=driver)
        self.engine.import_image("busybox", busybox.rootfs_tar(folder / "ours.tar"))
        self.engine.create_network("web", subnet=f"10.89.{len(driver)}.0/24")  # no two have one
        self._network, self._ports = ("web", ports) if driver else ("none", [])

    def life(self) -> None:
        engine = self.engine
        made = engine.create(
            image="busybox", command=COMMAND, network=self._network, ports=self._ports
        )
        engine.start(made.id)
        assert engine.wait(made.id) == 0
        engine.remove(made.id)

    def close(self) -> None:
        self.engine.remove_network("web")
        self.engine.close()


class Podman:
    """A private store; the same root filesystem, imported."""

    def __init__(self, folder: Path, runtime: str, ports: list[str]) -> None:
        home = folder / "podman"
        self._base = [
            "podman", "--root", str(home / "root"), "--runroot", str(home / "run"),
            "--tmpdir", str(home / "tmp"), "--runtime", runtime, "--cgroup-manager", "cgroupfs",
            "--events-backend", "file", "--storage-driver", "overlay",
        ]  # fmt: skip
        self._ports = [word for port in ports for word in ("-p", port)]
        archive = busybox.rootfs_tar(folder / "podman.tar")
        subprocess.run([*self._base, "import", "-q", archive, "busybox"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip

    def life(self) -> None:
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
        subprocess.run(
            [*self._base, "run", "--rm", *self._ports, *limits, "busybox", *COMMAND],
            check=True,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        subprocess.run([*self._base, "system", "reset", "-f"], check=False, capture_output=True)


def compare(runtime: str, rounds: int, ports: list[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lockgate-bench-"))
    closing: list[Callable[[], None]] = []
    try:
        contenders: dict[str, Callable[[], None]] = {}
        for name, driver in OURS.items():
            ours = Ours(folder, runtime, ports, driver)
            closing.append(ours.close)
            contenders[name] = ours.life
        podman = Podman(folder, runtime, ports)
        closing.append(podman.close)
        contenders["podman run --rm"] = podman.life
        samples: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(rounds + 2):
            for name, life in contenders.items():
                began = time.perf_counter()
                life()
                if turn >= 2:  # the first two only warm things up
                    samples[name].append((time.perf_counter() - began) * 1e3)
        report(f"{runtime}, {'a published port' if ports else 'a bridge network'}", samples)
    finally:
        for close in closing:
            close()
        shutil.rmtree(folder, ignore_errors=True)


def report(title: str, samples: dict[str, list[float]]) -> None:
    base = statistics.median(samples["podman run --rm"])
    print(f"{title:28} {'median':>8} {'min':>8} {'p90':>8}  ms   × podman")
    for name, times in samples.items():
        middle, ninety = statistics.median(times), sorted(times)[int(len(times) * 0.9)]
        print(f"{name:28} {middle:8.1f} {min(times):8.1f} {ninety:8.1f}      {middle / base:5.2f}")


def main() -> None:
    if ISOLATED not in os.environ:
        line = ["unshare", "--net", sys.executable, *sys.argv]
        raise SystemExit(
            subprocess.run(line, env=os.environ | {ISOLATED: "1"}, check=False).returncode
        )
    if shutil.which("podman") is None:
        raise SystemExit("there is no podman to compare with")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    for runtime in ("runc", "crun"):
        try:
            for ports in ([], ["8080:80"]):
                compare(runtime, rounds, ports)
        except LockgateError as problem:
            print(f"{runtime}: {problem}")


if __name__ == "__main__":
    main()
