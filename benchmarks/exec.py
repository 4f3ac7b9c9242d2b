"""`exec true` in a running container: the runtime alone, lockgate, podman; and a start of what waits.

All in one run, in turns. `python -m benchmarks.exec [ROUNDS]`, as root.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.life import Podman

from lockgate import Engine
from lockgate.testing import busybox

SLEEP = ("sleep", "1000")


def main(rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lockgate-bench-"))
    with Engine.open(folder / "root", runtime="runc") as engine:
        engine.import_image("busybox", busybox.rootfs_tar(folder / "busybox.tar"))
        web = engine.create(image="busybox", command=SLEEP)
        engine.start(web.id)
        podman = Podman(folder, "runc")
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
        words = [*podman.base, "run", "-d", "--net=none", *limits, "busybox", *SLEEP]
        peer = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        try:
            compare(engine, web.id, folder, [*podman.base, "exec", peer, "true"], rounds)
            starts(engine, folder, rounds)
        finally:
            subprocess.run([*podman.base, "rm", "-f", "-t", "0", peer], capture_output=True)
            podman.close()
            for one in engine.list():
                engine.remove(one.id, force=True, timeout=0)


def compare(engine: Engine, web: str, folder: Path, podman: list[str], rounds: int) -> None:
    runc = ["runc", "--root", str(folder / "root" / "runtime"), "exec", web, "true"]
    with open(os.devnull, "r+b") as null:  # noqa: PTH123
        streams = (null.fileno(),) * 3

        def detached() -> None:
            session = engine.exec(web, ["true"])
            assert engine.exec_wait(web, session.id) == 0

        told(
            "exec true",
            {
                "runc exec": lambda: subprocess.run(runc, check=True),
                "lockgate, attached": lambda: engine.call(web, ["true"], streams),
                "lockgate, detached": detached,
                "podman exec": lambda: subprocess.run(podman, check=True),
            },
            rounds,
        )


def starts(engine: Engine, folder: Path, rounds: int) -> None:
    """Of a container that was initialised before the clock starts."""
    base = ["runc", "--root", str(folder / "root" / "runtime"), "start"]
    samples: dict[str, list[float]] = {"runc start": [], "lockgate start": []}
    for _ in range(rounds):
        for name, times in samples.items():
            made = engine.init(engine.create(image="busybox", command=SLEEP).id)
            began = time.perf_counter()
            if name == "runc start":
                subprocess.run([*base, made.id], check=True)
            else:
                engine.start(made.id)
            times.append((time.perf_counter() - began) * 1e3)
            engine.remove(made.id, force=True, timeout=0)
    page("start of what waits", samples)


def told(title: str, contenders: dict[str, Callable[[], object]], rounds: int) -> None:
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            began = time.perf_counter()
            call()
            samples[name].append((time.perf_counter() - began) * 1e3)
    page(title, samples)


def page(title: str, samples: dict[str, list[float]]) -> None:
    bare = statistics.median(next(iter(samples.values())))
    print(f"{title:28} {'median':>8} {'min':>8}  ms   × the runtime")
    for name, times in samples.items():
        middle = statistics.median(times)
        print(f"{name:28} {middle:8.1f} {min(times):8.1f} {middle / bare:15.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
