"""A hundred containers started and stopped at once: lockgate beside podman, in one run.

Each is asked once for all of them: `engine.each`, and `podman start`, `stop`, `rm` with all names.
`python -m benchmarks.many [COUNT]`, as root.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.life import Podman

from lockgate import Engine
from lockgate.testing import busybox

SLEEP = ("sleep", "1000")


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def ours(folder: Path, count: int) -> dict[str, float]:
    with Engine.open(folder / "root", runtime="runc") as engine:
        engine.import_image("busybox", busybox.rootfs_tar(folder / "busybox.tar"))
        names = [f"c{number}" for number in range(count)]

        def all_of(act: Callable[[str], object]) -> None:
            for outcome in engine.each(act, names):
                outcome.unwrap()

        create = partial(engine.create, image="busybox", command=SLEEP)
        return {
            "create": timed(lambda: all_of(lambda name: create(name=name))),
            "start": timed(lambda: all_of(engine.start)),
            "stop": timed(lambda: all_of(partial(engine.stop, timeout=0))),
            "rm": timed(lambda: all_of(engine.remove)),
        }


def theirs(folder: Path, count: int) -> dict[str, float]:
    podman = Podman(folder, "runc")
    names = [f"c{number}" for number in range(count)]
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]

    def call(*words: str) -> None:
        subprocess.run([*podman.base, *words], check=True, capture_output=True)

    def create() -> None:
        for name in names:
            call("create", "--name", name, "--net=none", *limits, "busybox", *SLEEP)

    try:
        return {
            "create": timed(create),
            "start": timed(lambda: call("start", *names)),
            "stop": timed(lambda: call("stop", "-t", "0", *names)),
            "rm": timed(lambda: call("rm", *names)),
        }
    finally:
        podman.close()


def main(count: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lockgate-bench-"))
    mine, others = ours(folder, count), theirs(folder, count)
    print(f"{count} containers, runc {'lockgate':>12} {'podman':>10}  s   podman / lockgate")
    both = [(name, mine[name], others[name]) for name in mine]
    both.append(("start and stop", mine["start"] + mine["stop"], others["start"] + others["stop"]))
    for name, our, their in both:
        print(f"{name:24} {our:10.2f} {their:10.2f} {their / our:14.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
