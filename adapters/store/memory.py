"""The store's twin in memory: the same answers to the same commits, and nothing survives.

The rule that keeps it simple: one lock around plain containers of immutable values, and what is
handed out is a copy.
"""

from collections.abc import Iterable, Iterator
from threading import Condition

from msgspec.structs import replace

from lockgate.adapters.store.admission import admit, bound, lodged, renamed
from lockgate.effects.outcome import Exited
from lockgate.effects.ports import Commit, Event, Leaving, PodRow, Row


class MemoryStore:
    """Implements `Store` for the threads of one process."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._rows: dict[str, Row] = {}  # in the order of birth
        self._holders: dict[str, str] = {}  # name -> the container that has it now
        self._known: list[tuple[str, str]] = []  # (container, name): who ever had which name
        self._histories: dict[str, list[bytes]] = {}
        self._exits: dict[str, dict[int, Exited]] = {}
        self._events: list[Event] = []
        self._needs: dict[str, tuple[str, ...]] = {}  # of those that are there
        self._leaving: set[str] = set()
        self._pods: dict[str, PodRow] = {}  # in the order of birth

    def close(self) -> None:
        """Nothing is held open."""

    # ---- writing -------------------------------------------------------------------------

    def append(self, commit: Commit, patience: float | None = None) -> None:
        """Nobody is long about it here: `patience` is never tried."""
        with self._changed:
            container, name = commit.container, commit.name
            before = self._rows.get(container)
            entries = self._histories.get(container, [])
            holder = self._holders.get(name)
            other = holder if holder != container else None
            admit(commit, len(entries), before is not None, other)
            bound(
                commit,
                first=before is None,
                leaving=container in self._leaving,
                stays=lambda one: one in self._rows and one not in self._leaving,
                needed_by=lambda: self._needed_by(container),
            )
            if before is None:
                lodged(
                    commit,
                    pod=self._pods.get(commit.pod),
                    pod_of_the_name=self._pod_named,
                    container_of_the_name=self._holders.get,
                )
            elif before.name != name:
                renamed(commit, self._pod_named)
            self._histories[container] = [*entries, commit.entry]
            if before is None or before.name != name:
                self._known.append((container, name))
            self._put(commit, before)
            for epoch, exited in commit.exits:
                self._exits.setdefault(container, {}).setdefault(epoch, exited)
            for number, event in enumerate(commit.events, start=len(self._events) + 1):
                self._events.append(replace(event, number=number))
            self._changed.notify_all()

    def _put(self, commit: Commit, before: Row | None) -> None:
        if before is not None and before.name:
            del self._holders[before.name]
        if commit.record is None:
            self._rows.pop(commit.container, None)
            self._needs.pop(commit.container, None)
            self._leaving.discard(commit.container)
            self._pods = {
                pod: row for pod, row in self._pods.items() if row.infra != commit.container
            }
            return
        if before is None:
            self._needs[commit.container] = commit.needs
            if commit.pod_name:
                self._pods[commit.pod] = PodRow(
                    pod=commit.pod, name=commit.pod_name, infra=commit.container
                )
        (self._leaving.add if commit.leaving else self._leaving.discard)(commit.container)
        if commit.name:
            self._holders[commit.name] = commit.container
        self._rows[commit.container] = Row(
            container=commit.container,
            name=commit.name,
            seq=commit.seq + 1,
            status=commit.status,
            record=commit.record,
            executor=commit.executor,
            pod=before.pod if before else commit.pod,
        )

    # ---- reading -------------------------------------------------------------------------

    def row(self, container: str) -> Row | None:
        with self._changed:
            return self._rows.get(container)

    def rows(self) -> Iterator[Row]:
        with self._changed:
            return iter(list(self._rows.values()))

    def find(self, reference: str) -> tuple[str, ...]:
        with self._changed:
            if not reference:
                return ()
            if reference in self._rows:
                return (reference,)
            if reference in self._holders:
                return (self._holders[reference],)
            return _begin_with(reference, self._rows)

    def needed_by(self, container: str) -> tuple[str, ...]:
        with self._changed:
            return self._needed_by(container)

    def _needed_by(self, container: str) -> tuple[str, ...]:
        return tuple(one for one in self._rows if container in self._needs[one])

    # ---- pods ----------------------------------------------------------------------------

    def pods(self) -> Iterator[PodRow]:
        with self._changed:
            return iter(list(self._pods.values()))

    def pod(self, pod: str) -> PodRow | None:
        with self._changed:
            return self._pods.get(pod)

    def find_pod(self, reference: str) -> tuple[str, ...]:
        with self._changed:
            if not reference:
                return ()
            if reference in self._pods:
                return (reference,)
            named = self._pod_named(reference)
            return (named,) if named else _begin_with(reference, self._pods)

    def _pod_named(self, name: str) -> str | None:
        return next((row.pod for row in self._pods.values() if row.name == name), None)

    def members(self, pod: str) -> tuple[str, ...]:
        with self._changed:
            return tuple(one for one, row in self._rows.items() if row.pod == pod and pod)

    def dismiss(self, pod: str, leaving: Leaving) -> None:
        with self._changed:
            if row := self._pods.get(pod):
                self._pods[pod] = replace(row, leaving=leaving)

    # ---- what there ever was -------------------------------------------------------------

    def history(self, container: str) -> Iterator[bytes]:
        with self._changed:
            return iter(list(self._histories.get(container, ())))

    def past(self, name: str) -> str | None:
        with self._changed:
            if not name:
                return None
            if name in self._histories:
                return name
            newest_first = self._known[::-1]
        named = (container for container, had in newest_first if had == name)
        begins = (container for container, _ in newest_first if container.startswith(name))
        return next(named, None) or next(begins, None)

    def exit(self, container: str, epoch: int | None = None) -> Exited | None:
        with self._changed:
            runs = self._exits.get(container, {})
            return runs.get(max(runs, default=0) if epoch is None else epoch)

    # ---- events --------------------------------------------------------------------------

    def events(self, after: int = 0) -> Iterator[Event]:
        with self._changed:
            return iter(self._events[max(after, 0) :])

    def newest_event(self) -> int:
        with self._changed:
            return len(self._events)

    def wait_events(self, after: int, timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > after, timeout)


def _begin_with(reference: str, ids: Iterable[str]) -> tuple[str, ...]:
    """At most two: enough to know that there is more than one."""
    return tuple(sorted(one for one in ids if one.startswith(reference))[:2])
