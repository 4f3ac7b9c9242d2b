"""The kernel's grace period, begun before anybody has to wait for it.

Whoever moves a process to another cgroup, as we do with a monitor and the runtime with each process
it begins, waits until every processor has been seen to let go (RCU; 6 to 16 ms), unless somebody has
moved one a moment ago: then the kernel still keeps ready for it. So while something is prepared that
will have processes moved, one of our threads moves another to the cgroup where it is anyhow. That changes
nothing, and the time passes beside what has to be done before (decision 6).

Nothing depends on it: where it cannot be done, whoever moves a process waits as he always did.
"""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lockgate.adapters.forks import around_forks
from lockgate.adapters.oci.cgroups import Cgroups, write

AGAIN: Final = 0.004
"""Seconds between two moves: the kernel keeps ready for about one more grace period."""

MEANWHILE: Final = 0.05
"""Seconds for which what was announced is kept ready for."""

_MEMBERSHIP: Final = Path("/proc/self/cgroup")


class Grace:
    """Thread safe. It has threads only while something is expected."""

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._until = 0.0
        self._born()
        around_forks(child=self._born)

    def _born(self) -> None:
        """Without a thread, which a fork leaves behind, maybe with the gate closed."""
        self._gate = threading.Lock()
        self._mover: threading.Thread | None = None

    def expect(self) -> None:
        """Processes will be moved in a moment. Does not wait, and says nothing."""
        with self._gate:
            self._until = time.monotonic() + MEANWHILE
            if self._mover is None:
                mover = threading.Thread(target=self._move, name="grace", daemon=True)
                with suppress(RuntimeError):  # there may be no more threads
                    mover.start()
                    self._mover = mover

    def _expecting(self) -> bool:
        with self._gate:
            if time.monotonic() < self._until:
                return True
            self._mover = None
            return False

    def _move(self) -> None:
        try:
            with _idler() as idler:
                while self._expecting():
                    with suppress(OSError):  # no cgroups here, or they are not ours to change
                        membership = _MEMBERSHIP.read_text(errors="surrogateescape")
                        write(standing(self._cgroups, membership), str(idler))
                    time.sleep(AGAIN)
        except RuntimeError:
            with self._gate:
                self._mover = None


@contextmanager
def _idler() -> Generator[int]:
    """A thread that does nothing, by its number in the kernel: wherever it is moved to, should this
    process have been moved by somebody else meanwhile, nobody is harmed."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="grace, moved", daemon=True)
    thread.start()
    try:
        yield thread.native_id or 0
    finally:
        over.set()
        thread.join()


def standing(cgroups: Cgroups, membership: str) -> Path:
    """The file by which a thread gets to where its process is, as /proc/self/cgroup has it: rather in
    a tree of version 1, where threads go as they like, and rather in one that controls nothing.

    Raises `FileNotFoundError` where there is none, also for one outside of the cgroup namespace.
    """
    listed = (line.split(":", 2) for line in membership.splitlines())
    paths = {frozenset(filter(None, names.split(","))): path for _, names, path in listed}
    inside = {names for names, path in paths.items() if ".." not in path.split("/")}
    known = [each for each in cgroups.hierarchies if each.controllers in inside]
    if not known:
        raise FileNotFoundError("this process is in no cgroup that is mounted")
    best = min(known, key=lambda each: (each.unified, not _bare(each.controllers)))
    name = "cgroup.threads" if best.unified else "tasks"
    return best.mountpoint / paths[best.controllers][1:] / name


def _bare(controllers: frozenset[str]) -> bool:
    return all(one.startswith("name=") for one in controllers)
