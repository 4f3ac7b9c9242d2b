"""`python -m lockgate.testing`: explore the shipped machine or broken ones, replay what was found,
ask an engine of this host what the law asks."""

import argparse
import sys
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from lockgate.errors import LockgateError
from lockgate.testing import counterexamples
from lockgate.testing.explore import Broken, Report, explore
from lockgate.testing.folder import Folder, Mismatch
from lockgate.testing.models import MODELS, SHORT, WHOLE, broken, model, mutant_model
from lockgate.testing.mutants import MUTANTS
from lockgate.testing.properties import table
from lockgate.testing.together import Gather, explore_together
from lockgate.testing.usage import every_row, here


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lockgate.testing", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--mutants", action="store_true", help="break the law, one way at a time")
    what.add_argument("--properties", action="store_true", help="list what is promised")
    what.add_argument("--replay", type=Path, metavar="FILE", help="walk a saved counterexample")
    what.add_argument("--draw", type=Path, metavar="FILE", help="the same as a Mermaid chart")
    what.add_argument("--engine", metavar="NAME", help="ask lockgate, podman, docker, runc, crun …")
    what.add_argument("--all", action="store_true", help="the models that take minutes, too")
    parser.add_argument("--model", action="append", choices=MODELS, help="only this one")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep counterexamples here")
    parser.add_argument("--workers", type=int, help="processes (left out: one a processor)")
    parser.add_argument(
        "--resume", type=Path, metavar="FOLDER", help="keep what is known there, and go on from it"
    )
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="by the workers of this dask.distributed scheduler"
    )
    given = parser.parse_args(arguments)
    if given.properties:
        print(table(), end="")
        return 0
    if given.replay:
        return _replayed(given.replay)
    if given.draw:
        return _drawn(given.draw)
    if given.mutants:
        return _survivors(given.save)
    if given.engine:
        return _surveyed(given.engine)
    names: Collection[str] = given.model or (MODELS if given.all else SHORT)
    try:
        with _carrier(given.cluster) as gather:
            return _explored(names, given.workers, gather, given.resume, given.save)
    except (Mismatch, LookupError, ImportError, OSError) as problem:
        print(f"cannot be explored: {problem}")
        return 2


@contextmanager
def _carrier(address: str | None) -> Generator[Gather | None]:
    """What brings workers together; None: they are forked."""
    if address is None:
        yield None
        return
    from lockgate.testing.cluster import at

    with at(address) as gather:
        yield gather


def _explored(
    names: Collection[str],
    workers: int | None,
    gather: Gather | None,
    resumed: Path | None,
    saved: Path | None,
) -> int:
    broken = 0
    used: frozenset[str] = frozenset()
    for name in names:
        report = explore_together(
            MODELS[name],
            workers=workers,
            gather=gather,
            folder=Folder(resumed / name.replace(" ", "-"), name) if resumed else None,
            progress=_Progress(),
            noted=here,
        )
        used |= report.used
        _told(name, report, saved)
        broken += not report.holds
    unused = every_row() - used
    if unused and set(names) >= set(WHOLE):
        print(f"never used: {', '.join(sorted(unused))}")
        broken += 1
    return broken


class _Progress:
    """One line, written over and over where somebody can see it: how far, and how fast."""

    def __init__(self) -> None:
        self._began, self._known = time.perf_counter(), 0

    def __call__(self, depth: int, known: int, ahead: int) -> None:
        self._known = self._known or known - ahead  # what an earlier attempt knew
        rate = (known - self._known) / (time.perf_counter() - self._began)
        if sys.stderr.isatty():
            line = f"move {depth}: {known:,} nodes, {ahead:,} new, {rate:,.0f} nodes/s"
            print(f"\r\033[K{line}", end="", file=sys.stderr)


def _told(name: str, report: Report[Any], folder: Path | None) -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(f"{name}: {report}, {report.depth} moves deep, {len(report.reached)} places reached")
    if not report.problem:
        return
    example = counterexamples.found(name, report)
    print(f"\n{example.as_test()}")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{report.problem[:3]}-{len(report.path)}-moves.jsonl"
        counterexamples.save(example, model(name), path)
        print(f"saved as {path}")


def _survivors(folder: Path | None) -> int:
    survivors = 0
    for mutant in MUTANTS:
        report = explore(broken(mutant))
        survivors += report.holds
        print(f"{'SURVIVED' if report.holds else 'caught':9} {mutant.name}\n          {report}")
        if folder and report.problem:
            folder.mkdir(parents=True, exist_ok=True)
            name = mutant_model(mutant)
            example = counterexamples.found(name, report)
            counterexamples.save(example, model(name), folder / f"{mutant.name}.jsonl")
    return survivors


def _surveyed(name: str) -> int:
    from lockgate.testing.conformance import page, survey
    from lockgate.testing.engines import ready

    try:
        with ready(name) as driver:
            findings = list(survey(driver))
            print(page(driver, findings), end="")
    except (LookupError, LockgateError) as problem:
        print(f"cannot be asked: {problem}")
        return 2
    return len(findings)


def _replayed(path: Path) -> int:
    try:
        example = counterexamples.load(path)
        for move, node in counterexamples.walk(model(example.model), example.moves):
            print(f"{move:40} {node}")
    except Broken as problem:
        print(f"still broken: {problem}")
        return 1
    except (OSError, LookupError, msgspec.DecodeError) as problem:
        print(f"cannot be replayed: {problem}")
        return 2
    print(f"holds now: {example.problem}")
    return 0


def _drawn(path: Path) -> int:
    try:
        example = counterexamples.load(path)
        print(counterexamples.drawn(example, model(example.model)), end="")
    except (OSError, LookupError, msgspec.DecodeError) as problem:
        print(f"cannot be drawn: {problem}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
