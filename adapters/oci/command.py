"""An OCI runtime's command line, but for `create`, which the monitor calls.

One rule: what a command did is read from the state it left, never from its words (HOST §2: the
runtimes disagree about what is an error).
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from lockgate.adapters.commands import finished
from lockgate.adapters.commands import printable as printable
from lockgate.adapters.nonsense import NONSENSE
from lockgate.effects.outcome import FaultKind, PortError

Standing: TypeAlias = Literal["created", "running", "paused", "stopped", "unknown"]

PATIENCE = 60.0
"""Seconds a command may take; hooks run in it."""

ENVIRONMENT = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "TMPDIR")
"""What a runtime and its hooks see of our environment (MAP L-65). NOTIFY_SOCKET is not among them:
given that, `runc start` waits until the container says READY=1, and we hold its lock meanwhile."""

_DENIED = re.compile(r"permission denied|operation not permitted", re.IGNORECASE)
_MISSING = re.compile(r"not found in|no such file or directory", re.IGNORECASE)


class State(Struct, frozen=True):
    """`runtime state`, as far as we believe it. "unknown": there is none, its record is
    damaged, or the runtime cannot be asked; `pid` is 0 unless there is a first process."""

    status: Standing = "unknown"
    pid: int = 0


class Ran(Struct, frozen=True):
    """A command that has ended; `complaint` is what it said, in one line."""

    code: int
    complaint: str
    output: bytes = b""


class RuntimeCommand:
    """Calls the runtime at `path` with its records in `root`, one directory a container."""

    def __init__(
        self,
        path: Path,
        root: Path,
        environment: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.path, self.root = path, root
        self.environment = dict(inherited() if environment is None else environment)
        self._patience = patience

    @property
    def name(self) -> str:
        return self.path.name

    def record(self, container: str) -> Path:
        """Where runc, crun and youki keep what they know of a container."""
        return self.root / container

    def knows(self, container: str) -> bool:
        return os.path.lexists(self.record(container))

    def forget(self, container: str) -> None:
        """Remove the runtime's record without asking it."""
        shutil.rmtree(self.record(container), ignore_errors=True)
        self.record(container).unlink(missing_ok=True)

    def finding(self, directory: Path | None) -> "RuntimeCommand":
        """The same, where it finds what is in this directory, too."""
        if directory is None:
            return self
        path = os.pathsep.join((str(directory), self.environment.get("PATH", os.defpath)))
        return RuntimeCommand(self.path, self.root, {**self.environment, "PATH": path})

    def run(
        self,
        verb: str,
        *arguments: str,
        patience: float | None = None,
        stdin: bytes = b"",
        keeping: Sequence[int] = (),
    ) -> Ran:
        """Call `verb` and wait for its end, not for that of its children. Descriptors in `keeping`
        stay open in it, and in those.

        Raises `PortError`: "missing" without a runtime, "timeout" (then it may have had any effect).
        """
        line = [str(self.path), "--root", str(self.root), "--log-format=json", verb, *arguments]
        patience = self._patience if patience is None else patience
        try:
            ran = finished(
                line,
                environment=self.environment,
                patience=patience,
                stdin=stdin,
                keeping=keeping,
            )
        except (FileNotFoundError, PermissionError) as error:
            reason = f"cannot run the OCI runtime {self.path}: {error.strerror}; is it installed?"
            raise PortError("missing", reason, dirty=False) from None
        except TimeoutError:
            reason = f"{self.name} {verb} did not end in {patience:.0f} seconds"
            raise PortError("timeout", reason) from None
        return Ran(ran.code, complaint(ran.complaints), ran.output)

    def state(self, container: str) -> State:
        """What the runtime says of it now. Total: damaged records are "unknown"."""
        if not self.knows(container):
            return State()
        try:
            ran = self.run("state", container)
        except PortError:
            return State()
        return stated(ran.output) if ran.code == 0 else State()


def stated(output: bytes) -> State:
    """What `state` has written, as far as we believe it. Total."""
    try:
        return msgspec.json.decode(output, type=State)
    except NONSENSE:
        return State()


def inherited() -> dict[str, str]:
    """The part of our environment that runtimes are given, empty ones left out: they need a PATH in any
    case."""
    given = {name: os.environ[name] for name in ENVIRONMENT if os.environ.get(name)}
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8"} | given


def complaint(raw: bytes) -> str:
    """What a runtime said last, from its JSON log or its standard error; one printable line."""
    lines = raw.decode("utf-8", "replace").splitlines()
    for line in reversed(lines):
        try:
            entry = msgspec.json.decode(line, type=_LogEntry)
        except NONSENSE:
            continue
        if entry.level in ("error", "fatal", "panic"):
            return printable(entry.msg)
    plain = [line for line in lines if line.strip() and not line.startswith("{")]
    return printable(plain[-1]) if plain else ""


def kind_of(message: str) -> FaultKind:
    """What sort of failure the runtime means (MAP L-56)."""
    if _DENIED.search(message):
        return "denied"
    return "missing" if _MISSING.search(message) else "failed"


class _LogEntry(Struct, frozen=True):
    level: str = ""
    msg: str = ""
