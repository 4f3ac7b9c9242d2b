"""One operation with 10,000 containers known, beside the same with 10 (SQLite, simulated host)."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lockgate import Engine
from lockgate.adapters.locks import FileLocks
from lockgate.adapters.store import SqliteStore
from lockgate.simulation import simulated

ROUNDS = 40


def engine_knowing(folder: Path, containers: int) -> Engine:
    host = simulated()
    host = dataclasses.replace(
        host, store=SqliteStore(folder / "lockgate.db"), locks=FileLocks(folder / "locks")
    )
    engine = Engine(host)
    engine.import_image("busybox", folder, command=["true"])
    for number in range(containers):
        engine.create(name=f"n{number}", image="busybox")
    return engine


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    results: dict[int, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        engines = {10: engine_knowing(Path(few), 10), 10_000: engine_knowing(Path(many), 10_000)}
        for _ in range(ROUNDS):
            for known, engine in engines.items():
                seen = results.setdefault(known, {})
                web = engine.create(name="web", image="busybox")
                calls: dict[str, Callable[[], object]] = {
                    "start": partial(engine.start, "web"),
                    "inspect": partial(engine.inspect, "web"),
                    "pause": partial(engine.pause, "web"),
                    "unpause": partial(engine.unpause, "web"),
                    "remove --force": partial(engine.remove, web.id, force=True),
                }
                for name, call in calls.items():
                    seen.setdefault(name, []).append(timed(call))
        print(f"{'':16} {'10 known':>10} {'10,000':>10}  ms (median)   ratio")
        for name in results[10]:
            small, large = (statistics.median(results[known][name]) for known in (10, 10_000))
            print(f"{name:16} {small:10.3f} {large:10.3f} {'':14} {large / small:5.2f}")
        listing = {known: timed(engine.list) for known, engine in engines.items()}
        print(f"{'list, all':16} {listing[10]:10.1f} {listing[10_000]:10.1f}")
        for engine in engines.values():
            engine.close()


if __name__ == "__main__":
    main()
