"""A container's whole life, its history printed and replayed: `make demo`.

On a host with root, an OCI runtime and conmon it is a real container; elsewhere it says so and the
same life is led on the simulated host.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from returns.result import Failure, Success

from lockgate import Engine, LockgateError, Record
from lockgate.statemachine import Entry
from lockgate.testing import busybox

# the first run waits to be told; the second, which finds the first one's file, ends by itself
SCRIPT = """
if [ -e /been-here ]; then echo "and again, for a moment"; sleep 0.3; exit 7; fi
touch /been-here; echo "here for the first time"
trap 'echo "told to go"; exit 0' TERM
while :; do sleep 0.1; done
"""


@contextmanager
def an_engine(folder: Path) -> Iterator[Engine]:
    """A real engine where that is possible, else a simulated one and the reason why."""
    reason = ""
    if os.geteuid() != 0:
        reason = "this is not root"
    elif busybox.find() is None:
        reason = "there is no static busybox (package busybox-static)"
    else:
        try:
            with Engine.open(folder / "root") as engine:
                yield engine
            return
        except LockgateError as problem:
            reason = str(problem)
    print(f"No real container: {reason}.\nThe same life on the SIMULATED host:\n")
    with Engine.simulated() as engine:
        yield engine


def show(did: str, record: Record) -> None:
    exit_code = "" if record.exit_code is None else f", exit code {record.exit_code}"
    pid = f", pid {record.process.pid}" if record.process else ""
    print(f"  {did:<22} {record.status}{pid}{exit_code}")


def ends_by_itself(engine: Engine, record: Record) -> None:
    """A simulated container runs nothing: somebody must end it."""
    if engine.simulation is not None:
        simulation = engine.simulation
        threading.Timer(0.3, lambda: simulation.end(record.id, 7)).start()


def live(engine: Engine, folder: Path) -> str:
    archive = folder / "busybox.tar"
    if engine.simulation is None:
        busybox.rootfs_tar(archive)
    else:
        archive.touch()
    image = engine.import_image("busybox", archive)
    print(f"  {'image import':<22} {image.name} ({image.size / 1e6:.1f} MB)")
    web = engine.create(name="web", image="busybox", command=["sh", "-c", SCRIPT])
    show("create", web)
    show("init", engine.init("web"))
    show("start", engine.start("web"))
    show("pause", engine.pause("web"))
    show("unpause", engine.unpause("web"))
    await_line(engine, "here for the first time")
    show("stop", engine.stop("web", timeout=10))
    show("start again", engine.start("web"))
    ends_by_itself(engine, web)
    print(f"  {'wait':<22} it ended by itself with code {engine.wait('web', timeout=30)}")
    show("inspect", engine.inspect("web"))
    for line in engine.logs("web"):
        print(f"  {'log':<22} {line.text}")
    show("cleanup", engine.cleanup("web"))
    show("remove", engine.remove("web"))
    return web.id


def await_line(engine: Engine, text: str) -> None:
    deadline = time.monotonic() + 10
    while engine.simulation is None and time.monotonic() < deadline:
        if any(line.text == text for line in engine.logs("web")):
            return
        time.sleep(0.01)


def table(entries: list[Entry]) -> None:
    print(f"\n{'seq':>4}  {'+ms':>8}  {'heard':<10} {'so it asked for':<28} record")
    began = entries[0].at
    for entry in entries:
        orders = ", ".join(type(order.effect).__name__ for order in entry.orders) or "-"
        heard, since = type(entry.given).__name__, (entry.at - began) / 1e6
        print(f"{entry.seq:>4}  {since:>8.1f}  {heard:<10} {orders:<28} {entry.digest}")


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="lockgate-demo-"))
    try:
        with an_engine(folder) as engine:
            print(f"One container's life on {engine.description}:\n")
            container = live(engine, folder)
            entries = list(engine.history(container))
            table(entries)
            match engine.replay(container):
                case Success(record):
                    print(f"\nReplayed: equal at every one of {len(entries)} entries, ", end="")
                    print(f"and it ends {record.status} again.")
                    return 0
                case Failure(divergence):
                    print(f"\nThe replay went another way: {divergence}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
