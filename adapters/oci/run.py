"""The files of one run: where each is, and what can be believed of it.

    <root>/containers/<id>/         the bundle: config.json, ctr.log, the monitor's attach and ctl
    <root>/run/<id>/<epoch>/        of this run alone, 0700: nothing stale can be mistaken (MAP L-54)
        sync                        the monitor's answer: a regular file, so that the monitor outlives
                                    us (HOST §1, crash behaviour)
        conmon.pid  pidfile  exits/<id>  persist/exit  persist/oom  runtime.log

Whatever is read here may be torn, empty or forged (FAULTS P11): every reader is total.
"""

import errno
import os
import re
import shutil
from itertools import pairwise
from pathlib import Path

import msgspec
from msgspec import Struct

from lockgate.adapters.filesystem import bundle, read_bounded
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.oci.process import alive, arguments, identify, pids
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError

PRIVATE = 0o700
ANSWER_LIMIT = 64 * 1024

RESERVED = "conmon"
"""The cgroup beside the containers', where monitors live: no container can be called so."""

_LEFT_BY_MONITOR = ("attach", "ctl", "winsz")
_ANSWER = re.compile(rb'\{"(?:data|pid)": (-?\d{1,10})\b')


class Answer(Struct, frozen=True):
    """What the monitor says of `create`: a pid, or -1 and the runtime's complaint."""

    data: int
    message: str = ""


class Run(Struct, frozen=True):
    """One run of one container. Constructing it touches nothing."""

    container: str
    epoch: int
    bundle: Path
    directory: Path

    @classmethod
    def of(cls, root: Path, container: str, epoch: int) -> "Run":
        """Raises `PortError("refused")`, cleanly, for an id that no directory may have."""
        home = bundle(root, container)
        if container == RESERVED:
            raise PortError("refused", f"no container can be called {container!r}", dirty=False)
        return cls(container, epoch, home, root / "run" / container / str(epoch))

    # ---- names ---------------------------------------------------------------------------

    @property
    def log(self) -> Path:
        return self.bundle / "ctr.log"

    @property
    def sync(self) -> Path:
        return self.directory / "sync"

    @property
    def pidfile(self) -> Path:
        return self.directory / "pidfile"

    @property
    def monitor_pidfile(self) -> Path:
        return self.directory / "conmon.pid"

    @property
    def exits(self) -> Path:
        return self.directory / "exits"

    @property
    def exit_files(self) -> tuple[Path, Path]:
        """In the order the monitor writes them, each under another name and then renamed. Read in
        this order, too: whoever looks between the two sees what everybody sees later (P03)."""
        return self.persist / "exit", self.exits / self.container

    @property
    def persist(self) -> Path:
        return self.directory / "persist"

    @property
    def oom(self) -> Path:
        return self.persist / "oom"

    @property
    def runtime_log(self) -> Path:
        return self.directory / "runtime.log"

    def session(self, name: str) -> "Run":
        """The files of a process that joined this run: as those of a run, in it."""
        place = self.directory / "exec" / name
        return msgspec.structs.replace(self, bundle=place, directory=place)

    def sessions(self) -> tuple["Run", ...]:
        try:
            return tuple(self.session(path.name) for path in (self.directory / "exec").iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return ()

    # ---- making and removing -------------------------------------------------------------

    def exists(self) -> bool:
        return os.path.lexists(self.directory)

    def foreign(self) -> bool:
        """Does what the runtime has under this id belong to another run? Then this one has nothing
        left, and who speaks of it is late (FAULTS P09)."""
        return not self.exists() and bool(self.others())

    def others(self) -> tuple["Run", ...]:
        """Other runs of this container that have left something."""
        try:
            names = [path.name for path in self.directory.parent.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        epochs = (int(name) for name in names if name.isdecimal() and name.isascii())
        return tuple(
            msgspec.structs.replace(self, epoch=each, directory=self.directory.parent / str(each))
            for each in epochs
            if each != self.epoch
        )

    @classmethod
    def newest(cls, root: Path, container: str) -> "Run | None":
        """The last of its runs that has left anything."""
        none = cls.of(root, container, 0)
        return max(none.others(), key=lambda run: run.epoch, default=None)

    def make(self) -> None:
        """The directories of a run about to begin. Raises `FileExistsError` if it has begun."""
        try:
            self.directory.mkdir(PRIVATE)
        except FileNotFoundError:
            self.directory.parent.mkdir(PRIVATE, parents=True, exist_ok=True)
            self.directory.mkdir(PRIVATE)
        self.exits.mkdir(PRIVATE)
        self.persist.mkdir(PRIVATE)
        self.clear_bundle()

    def clear_bundle(self) -> None:
        """The monitor's sockets and FIFOs, of this run or any before it (MAP L-54, L-55)."""
        for name in _LEFT_BY_MONITOR:
            (self.bundle / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Everything of this run, and the directory above if it was the last. Under another name
        first: whoever comes to look after this run, meanwhile, makes no file in what is being
        removed."""
        going = self.directory.with_name(f".{self.directory.name}")
        if self.exists():
            if self.directory.is_symlink() or not self.directory.is_dir():
                self.directory.unlink()
            else:
                _cleared(going)
                self.directory.rename(going)
        _cleared(going)
        try:
            self.directory.parent.rmdir()
        except OSError as problem:
            gone = problem.errno == errno.ENOENT and not os.path.lexists(self.directory.parent)
            if not gone and problem.errno != errno.ENOTEMPTY:
                raise

    # ---- reading -------------------------------------------------------------------------

    def answer(self) -> Answer | None:
        """What the monitor has answered; None while there is no whole line."""
        line, newline, _ = self._read(self.sync, ANSWER_LIMIT).partition(b"\n")
        if not newline:
            return None
        text = line.decode("utf-8", "replace")
        try:
            return msgspec.json.decode(text, type=Answer)
        except NONSENSE:  # its escaping leaves some control characters as they are
            number = _ANSWER.match(line)
            return Answer(int(number[1]) if number else -1, text)

    def pid(self) -> int:
        """The first process, as the runtime wrote at the end of `create`; 0 before. Only a number:
        whose it is must be asked elsewhere."""
        text = self._read(self.pidfile, 16).strip()
        return int(text) if text.isdigit() and int(text) > 1 else 0

    def complaints(self) -> bytes:
        """The runtime's log of `create`."""
        return self._read(self.runtime_log, ANSWER_LIMIT)

    def monitor(self, *, search: bool = False) -> Process | None:
        """The living monitor of this run. `search`: also one that had no time to leave its pid
        (a walk through /proc). A process is believed to be it by its command line, which names
        this run's directory: a pid from a file is never trusted (FAULTS P15)."""
        text = self._read(self.monitor_pidfile, 16)
        pid = int(text) if text.isdigit() else 0
        if pid > 1 and (found := self._watcher(pid)):
            return found
        if search:
            for _ in range(2):  # it forks away from itself once: the first walk may pass between
                for candidate in pids():
                    if found := self._watcher(candidate):
                        return found
        return None

    def _watcher(self, pid: int) -> Process | None:
        if pid <= 1 or (process := identify(pid)) is None:
            return None
        ours = (b"--exit-dir", os.fsencode(self.exits))
        if ours not in pairwise(arguments(pid)):
            return None
        return process if alive(process) else None

    def _read(self, path: Path, limit: int) -> bytes:
        """What a file holds; nothing for one that is absent or not what it should be."""
        try:
            return read_bounded(path, limit)
        except (FileNotFoundError, NotADirectoryError, PortError):
            return b""


def _cleared(place: Path) -> None:
    """Of a run that somebody did not live to remove."""
    if os.path.lexists(place):
        shutil.rmtree(place)
