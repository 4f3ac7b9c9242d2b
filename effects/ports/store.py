"""What the interpreter keeps its books with: records, history, events, locks."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from msgspec import Struct

from lockgate.effects.model import Process
from lockgate.effects.outcome import Exited


class Executor(Struct, frozen=True):
    """Who carries out a patient order while the lock is free."""

    process: Process


class Event(Struct, frozen=True, omit_defaults=True):
    """One line for observers; `number` is its place in the engine-wide order, from 1."""

    container: str
    name: str
    event: str
    at: int
    exit_code: int | None = None
    signal: int = 0
    number: int = 0
    health: str = ""
    pod: str = ""  # the id of the one it is in
    session: str = ""  # the id of the process that has joined or ended


class Commit(Struct, frozen=True, kw_only=True):
    """One durable step: the entry, the record it led to, and what follows from it.

    `record` is None when the container is gone: its row and name are then free again, its
    history and exits stay. `seq` must be the number of entries before it.
    """

    container: str
    name: str
    seq: int
    status: str
    entry: bytes
    record: bytes | None
    executor: Executor | None = None
    events: tuple[Event, ...] = ()
    exits: tuple[tuple[int, Exited], ...] = ()  # (epoch, how it ended)
    needs: tuple[str, ...] = ()  # containers it cannot be without; those of the first commit count
    leaving: bool = False  # it is not made yet, or its removal has been accepted
    pod: str = ""  # the id of the one it is in, or holds together: that of the first commit counts
    pod_name: str = ""  # it holds a pod of this name together: that comes and goes with it


class Row(Struct, frozen=True, kw_only=True):
    """A container as the store knows it; `record` is whatever bytes are there, maybe damaged."""

    container: str
    name: str
    seq: int
    status: str
    record: bytes
    executor: Executor | None = None
    pod: str = ""


Leaving = Literal["", "plain", "force"]
"""Of a pod: whether its removal has been accepted, and of which kind."""


class PodRow(Struct, frozen=True, kw_only=True):
    """A pod as the store knows it; `infra` is the container that holds it together."""

    pod: str
    name: str
    infra: str
    leaving: Leaving = ""


class NameTakenError(Exception):
    """The name belongs to another container, or to a pod: that is the `what`."""

    def __init__(self, name: str, holder: str, what: str = "container") -> None:
        super().__init__(f"the name {name!r} is in use by {what} {holder[:12]}")
        self.name, self.holder, self.what = name, holder, what


class NoPodError(Exception):
    """The pod it would be in is not there, or is about to go."""

    def __init__(self, pod: str) -> None:
        super().__init__(f"there is no pod {pod[:12]} to be in, or it is being removed")
        self.pod = pod


class NeededError(Exception):
    """What others need cannot begin to leave; `by` are their ids, oldest first."""

    def __init__(self, container: str, by: tuple[str, ...]) -> None:
        super().__init__(f"container {container[:12]} is needed by {len(by)} others")
        self.container, self.by = container, by


class UnmetError(Exception):
    """What it would need is not there, or is about to go."""

    def __init__(self, container: str, needed: str) -> None:
        super().__init__(f"container {container[:12]} would need {needed[:12]}, which is not there")
        self.container, self.needed = container, needed


class StaleError(Exception):
    """Somebody else appended first: the writer did not hold the lock. Always a bug."""


class StoreError(Exception):
    """The store cannot be used: from a newer version, damaged, or out of space."""


class Store(Protocol):
    """State and history, never apart: one transaction each (P24). All methods are thread safe
    and, but for `append`, *lock free* snapshots that never wait for a writer (P13)."""

    def append(self, commit: Commit, patience: float | None = None) -> None:
        """Durable when it returns; nothing happened when it raises (`NameTakenError`: containers and
        pods share their names; `UnmetError` for the first commit of what would need somebody who is
        not there or leaving, `NoPodError` for that of what would be in such a pod,
        `NeededError` for the first that is `leaving` of whom others need; `StaleError`,
        `StoreError`, also when another has not finished writing after `patience` seconds)."""
        ...

    def row(self, container: str) -> Row | None: ...

    def rows(self) -> Iterator[Row]:
        """All containers there are, oldest first."""
        ...

    def find(self, reference: str) -> tuple[str, ...]:
        """Ids that `reference` may mean: a full id, else an exact name, else an id prefix; at
        most two are returned, enough to know it is ambiguous."""
        ...

    def needed_by(self, container: str) -> tuple[str, ...]:
        """The ids of those that cannot be without it, oldest first."""
        ...

    def pods(self) -> Iterator[PodRow]:
        """All pods there are, oldest first."""
        ...

    def pod(self, pod: str) -> PodRow | None: ...

    def find_pod(self, reference: str) -> tuple[str, ...]:
        """As `find`, among pods alone."""
        ...

    def members(self, pod: str) -> tuple[str, ...]:
        """The ids of the containers in it, oldest first: so the first holds it together."""
        ...

    def dismiss(self, pod: str, leaving: Leaving) -> None:
        """From now on nobody comes into this pod; or, with an empty word, may again. Durable when it
        returns. Nothing for a pod that is gone."""
        ...

    def history(self, container: str) -> Iterator[bytes]:
        """The container's entries in order; also of one that is gone."""
        ...

    def past(self, name: str) -> str | None:
        """The id of the newest container that had this name or id prefix, gone or not."""
        ...

    def exit(self, container: str, epoch: int | None = None) -> Exited | None:
        """How a run ended (`None`: the newest), also of a container that is gone."""
        ...

    def events(self, after: int = 0) -> Iterator[Event]:
        """Events with a number greater than `after`, in order."""
        ...

    def newest_event(self) -> int:
        """The number of the last there is; 0 for none."""
        ...

    def wait_events(self, after: int, timeout: float) -> None:
        """Until there may be an event beyond `after`, at most `timeout` seconds."""
        ...


class Locks(Protocol):
    def hold(self, scope: str, timeout: float | None = None) -> AbstractContextManager[None]:
        """Exclusive among threads and processes, not re-entrant; `TimeoutError` after `timeout`
        seconds. Released by the kernel when the holder dies (P14)."""
        ...

    def holder(self, scope: str) -> str:
        """Who holds it now, in words; empty when nobody does. Never waits."""
        ...

    def forget(self, scope: str) -> None:
        """Nothing is kept of the lock of what is gone, unless somebody holds it."""
        ...

    def known(self) -> tuple[str, ...]:
        """The scopes of which something is kept."""
        ...
