"""Small file systems, and how they are filled to the last block and the last inode."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class Disk:
    """A tmpfs at `place`, which is made; mounted again, it has other options. Gone with us."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    def __enter__(self) -> Self:
        self.place.mkdir()
        return self

    def mount(self, options: str) -> None:
        again = "remount," if self.place.is_mount() else ""
        line = ["mount", "-t", "tmpfs", "-o", f"{again}{options}", "tmpfs", str(self.place)]
        subprocess.run(line, check=True)
        if "ro" not in options.split(","):
            self._ballast.mkdir(exist_ok=True)

    def free(self) -> tuple[int, int]:
        """Blocks and inodes."""
        space = os.statvfs(self.place)
        return space.f_bavail, space.f_favail

    def fill(self, *, blocks: bool = True, inodes: bool = False) -> None:
        """Until there is not one block left, or not one inode, or neither."""
        first = self._ballast / "0"
        first.touch()
        if inodes:
            _exhausted(lambda number: (self._ballast / str(number)).touch())
        if blocks:
            with first.open("ab", buffering=0) as file:
                _exhausted(lambda _: file.write(bytes(4096)))

    def empty(self) -> None:
        """Take away what it was filled with."""
        for path in self._ballast.glob("*"):
            path.unlink()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self.place.is_mount():
            subprocess.run(["umount", self.place], check=True)


def _exhausted(take: Callable[[int], object]) -> None:
    number = 0
    while True:
        try:
            take(number)
        except OSError:
            return
        number += 1
