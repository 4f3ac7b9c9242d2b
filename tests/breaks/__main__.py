"""Break every behaviour on purpose, one at a time: does its test notice?

`python -m tests.breaks [WORD ...]`, at the top of the repository: those breaks in whose row, file or
test one of the words is. Nothing here is changed: they are made in a copy. As root, with the host's
packages (`make system`): a test that is skipped notices nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from ..docs.test_coverage import ROOT
from .catalogue import BREAKS
from .notation import Break, broken

OUTSIDE = shutil.ignore_patterns(".*", "__pycache__", "mutants", "build", "dist")
RED = 1
"""What pytest answers when tests have failed; more is trouble of its own (pytest, "Exit codes")."""


def main(words: list[str]) -> int:
    asked = [one for one in BREAKS if not words or any(w in x for w in words for x in one)]
    began = time.monotonic()
    with _folder() as folder:
        copy = folder / "copy"
        shutil.copytree(ROOT, copy, symlinks=True, ignore=OUTSIDE)
        if _pytest(copy, dict.fromkeys(one.test for one in asked)):
            print("nothing is broken yet, and these tests fail")
            return 1
        blunt = sum(not _noticed(one, copy) for one in asked)
    seconds = time.monotonic() - began
    print(f"{len(asked)} breaks, {blunt} unnoticed, in {seconds:.0f} s")
    return bool(blunt)


def _noticed(one: Break, copy: Path) -> bool:
    file = copy / one.file
    sound, wrong = file.read_text(), broken(one, copy)
    _write(file, wrong)
    answer = _pytest(copy, [one.test], "-x", "--tb=no", quiet=True)
    _write(file, sound)
    noticed = answer == RED
    said = "noticed" if noticed else f"UNNOTICED (pytest answers {answer})"
    print(f"{said}: {one.row}: {one.file}: {one.old!r} -> {one.new!r}: {one.test}", flush=True)
    return noticed


def _write(file: Path, text: str) -> None:
    """Later by whole seconds than before, or the bytecode of before would be taken for its own."""
    before = int(file.stat().st_mtime)
    file.write_text(text)
    os.utime(file, (before + 1, before + 1))


def _pytest(copy: Path, tests: Iterable[str], *options: str, quiet: bool = False) -> int:
    here = {"PYTHONPATH": f"{copy / 'src'}:{copy}", "PYTHONDONTWRITEBYTECODE": ""}
    with _folder() as base:
        line = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        done = subprocess.run(
            (*line, f"--basetemp={base / 'tests'}", *options, *tests),
            cwd=copy,
            env=os.environ | here,
            stdout=subprocess.DEVNULL if quiet else None,
        )
    return done.returncode


@contextmanager
def _folder() -> Generator[Path]:
    """What a test leaves when it fails may be deeper than Python reaches, or still be mounted upon."""
    folder = tempfile.mkdtemp(prefix="lg-")
    try:
        yield Path(folder)
    finally:
        table = Path("/proc/self/mountinfo").read_text().splitlines()
        below = [place for line in table if (place := line.split(" ")[4]).startswith(f"{folder}/")]
        for place in reversed(below):  # one that is mounted upon is there as often as it is
            subprocess.run(("umount", "--lazy", place), stderr=subprocess.DEVNULL)
        subprocess.run(("rm", "-rf", "--one-file-system", folder), stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
