"""A store of containers/storage of one's own, as podman and the others see it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lockgate.adapters.storage import SharedStore
from lockgate.adapters.syscalls import unmount


class Others:
    """What the other tools do to the store at `place`."""

    def __init__(self, store: SharedStore, folder: Path) -> None:
        self.store, self.place = store, store.place
        self._where = (
            *("--root", str(store.graph), "--runroot", str(store.run)),
            *("--storage-driver", "overlay"),
        )
        self._podman = ("--tmpdir", str(folder / "tmp"), "--runtime", "runc")

    def podman(self, *words: str) -> str:
        """What podman prints when it succeeds."""
        return self._ran("podman", *self._where, *self._podman, *words)

    def buildah(self, *words: str) -> str:
        """What buildah prints when it succeeds."""
        return self._ran("buildah", *self._where, *words)

    def podman_says_no(self, *words: str) -> str:
        """What podman complains of."""
        line = ("podman", *self._where, *self._podman, *words)
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def external(self) -> list[dict[str, Any]]:
        """Containers of other tools, as podman lists them."""
        found: list[dict[str, Any]] = json.loads(
            self.podman("ps", "--all", "--external", "--format", "json")
        )
        return found

    @staticmethod
    def _ran(*line: str) -> str:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def others(near: Path) -> Iterator[Others]:
    """A new store beside `near`, in a folder of a short name, for podman takes no long ones. Nothing
    of it stays mounted."""
    with TemporaryDirectory(dir=near.parent, prefix="s") as folder:
        store = SharedStore(f"containers-storage:[overlay@{folder}/graph+{folder}/run]")
        try:
            yield Others(store, Path(folder))
        finally:
            for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
                if (place := line.split(" ")[4]).startswith(f"{folder}/"):
                    unmount(place)
