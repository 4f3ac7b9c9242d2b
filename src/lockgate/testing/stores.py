"""Stores that fail, or lie, on purpose."""

from collections.abc import Iterator

from lockgate.adapters.store.memory import MemoryStore
from lockgate.effects.outcome import Exited
from lockgate.effects.ports import Commit, Event, Leaving, PodRow, Row, Store, StoreError


class FullStore:
    """Implements `Store` over another; the `at`-th commit and all later ones find no space, until
    `at` is set to 0."""

    def __init__(self, store: Store, at: int = 0) -> None:
        self._store, self.at, self.commits = store, at, 0

    def append(self, commit: Commit, patience: float | None = None) -> None:
        self.commits += 1
        if self.at and self.commits >= self.at:
            raise StoreError("no space left on device; nothing was written")
        self._store.append(commit, patience)

    def row(self, container: str) -> Row | None:
        return self._store.row(container)

    def rows(self) -> Iterator[Row]:
        return self._store.rows()

    def find(self, reference: str) -> tuple[str, ...]:
        return self._store.find(reference)

    def needed_by(self, container: str) -> tuple[str, ...]:
        return self._store.needed_by(container)

    def pods(self) -> Iterator[PodRow]:
        return self._store.pods()

    def pod(self, pod: str) -> PodRow | None:
        return self._store.pod(pod)

    def find_pod(self, reference: str) -> tuple[str, ...]:
        return self._store.find_pod(reference)

    def members(self, pod: str) -> tuple[str, ...]:
        return self._store.members(pod)

    def dismiss(self, pod: str, leaving: Leaving) -> None:
        self.commits += 1
        if self.at and self.commits >= self.at:
            raise StoreError("no space left on device; nothing was written")
        self._store.dismiss(pod, leaving)

    def history(self, container: str) -> Iterator[bytes]:
        return self._store.history(container)

    def past(self, name: str) -> str | None:
        return self._store.past(name)

    def exit(self, container: str, epoch: int | None = None) -> Exited | None:
        return self._store.exit(container, epoch)

    def events(self, after: int = 0) -> Iterator[Event]:
        return self._store.events(after)

    def newest_event(self) -> int:
        return self._store.newest_event()

    def wait_events(self, after: int, timeout: float) -> None:
        self._store.wait_events(after, timeout)


class LyingStore(MemoryStore):
    """On a disk that says it has synced, and has not: whatever was acknowledged may be lost with the
    power, the newest first."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledged: list[Commit] = []

    def append(self, commit: Commit, patience: float | None = None) -> None:
        super().append(commit, patience)
        self.acknowledged.append(commit)

    def after_a_loss(self, kept: int) -> MemoryStore:
        """What is found when the power is back: the first `kept` commits."""
        found = MemoryStore()
        for commit in self.acknowledged[:kept]:
            found.append(commit)
        return found
