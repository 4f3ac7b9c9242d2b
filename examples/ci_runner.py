"""Use 2, embedding: a runner for jobs, each in a container of its own, some side by side.

    python examples/ci_runner.py          # as root, with a runtime: real containers; else simulated

No daemon is asked: the engine is a part of this program. What a job writes is streamed as it is
written, its exit code is the container's, and nothing of it is left, whatever becomes of this
program: a container made with `auto_remove` goes with its run.
"""

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from lockgate import Engine, Limits, LockgateError
from lockgate.aio import AsyncEngine
from lockgate.testing import busybox

JOBS: Mapping[str, str] = MappingProxyType(
    {
        "lint": "echo 3 files; echo all clean",
        "unit": "echo 12 passed",
        "integration": "echo starting; sleep 0.2; echo cannot reach the database >&2; exit 3",
        "hungry": "echo asking for more; exit 1",
    }
)
AT_ONCE = 2


async def run(engine: AsyncEngine, name: str, script: str, turns: asyncio.Semaphore) -> int:
    """One job to its end; its exit code."""
    async with turns:
        job = await engine.create(
            name=name,
            image="busybox",
            command=["sh", "-ec", script],
            memory=64 << 20,
            limits=Limits(pids=64),
            read_only=True,
        )
        try:
            if engine.engine.simulation is not None:
                return await pretend(engine, job.id)
            async for line in engine.run_to_end(job.id):
                print(f"  {name:12} | {line.text}")
            return await engine.wait(job.id)
        finally:
            await engine.remove(job.id, force=True, timeout=0)


async def pretend(engine: AsyncEngine, container: str) -> int:
    """A simulated container runs nothing: somebody must end it."""
    await engine.start(container)
    assert engine.engine.simulation is not None
    engine.engine.simulation.end(container, 0)
    return await engine.wait(container)


async def pipeline(engine: Engine) -> dict[str, int]:
    async with AsyncEngine(engine) as wrapped:
        turns = asyncio.Semaphore(AT_ONCE)
        codes = await asyncio.gather(*(run(wrapped, *job, turns) for job in JOBS.items()))
        return dict(zip(JOBS, codes, strict=True))


def opened(folder: Path) -> Engine:
    try:
        engine = Engine.open(folder / "root")
        engine.import_image("busybox", busybox.rootfs_tar(folder / "busybox.tar"))
    except (LockgateError, OSError) as problem:
        print(f"No real containers ({problem}): SIMULATED ones.")
        engine = Engine.simulated()
        engine.import_image("busybox", folder)
    return engine


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lockgate-ci-") as folder:
        codes = asyncio.run(pipeline(opened(Path(folder))))
    for name, code in codes.items():
        print(f"{name:12} {'passed' if code == 0 else f'FAILED with {code}'}")
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())
