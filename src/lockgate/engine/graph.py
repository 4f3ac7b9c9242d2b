"""Containers that need each other: started in order, never pulled from under one another.

What a container needs (`requires`, and the owner of a namespace it shares) was there when it was made
and stays as long as it: the store sees to both in one transaction. What runs is looked at here.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from returns.result import Failure

from lockgate.effects.config import needs, owners
from lockgate.engine.life import Life
from lockgate.engine.members import scope
from lockgate.errors import (
    AlreadyStopped,
    DependencyFailed,
    DependencyNotRunning,
    IllegalState,
    LockgateError,
    StillNeeded,
)
from lockgate.side_by_side import side_by_side
from lockgate.statemachine.graph import closure, generations
from lockgate.statemachine.law import PLANS
from lockgate.statemachine.pods import lives_in
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status, Verb

TRIES = 5
"""How often what it needs is started again, when somebody else ends it meanwhile."""

RUNS = (Status.RUNNING, Status.PAUSED)
LIVES = (*RUNS, Status.STOPPING)
"""Where the namespaces it is in are in use."""

RESTS = (Status.CONFIGURED, Status.STOPPED, Status.EXITED)
"""Where a run is over, or none has been."""

BEGINS = (*RESTS, Status.RUNNING)
"""From where a start or restart begins another run."""


class Graph(Life):
    """The commands for which others matter."""

    def init(self, reference: str, *, recursive: bool = True) -> Record:
        """Everything up to a process that waits to be started. What it needs is started, or with
        `recursive=False` must run: else `DependencyNotRunning`, and nothing has changed. Raises
        `StillNeeded` while others live in the namespaces of its last run: they could not go on in
        those of one that only waits."""
        return self._over(reference, Verb.INIT, super().init, recursive=recursive)

    def start(self, reference: str, *, recursive: bool = True) -> Record:
        """Let its process run. What it needs is started before, side by side where it can be, or with
        `recursive=False` must run: else `DependencyNotRunning`, and nothing has changed. Raises
        `DependencyFailed` when one of them would not."""
        return self._over(reference, Verb.START, super().start, recursive=recursive)

    def restart(self, reference: str, timeout: int | None = None) -> Record:
        """Stop it if it runs, and start it as a new run; so are those that live in its namespaces,
        because these are another run's then."""

        def act(container: str) -> Record:
            return super(Graph, self).restart(container, timeout)

        return self._over(reference, Verb.RESTART, act)

    def cleanup(self, reference: str) -> Record:
        """Give back mounts, network and the runtime's object of a run that has ended. Raises
        `StillNeeded` while others live in its namespaces."""
        container = self.resolve(reference)
        self._free_of_guests("clean up", container)
        return super().cleanup(container)

    def remove(
        self,
        reference: str,
        *,
        force: bool = False,
        timeout: int | None = None,
        depend: bool = False,
    ) -> Record:
        """Nothing of it stays but its history. `force`: end it first. `depend`: remove those that
        need it before; without, `StillNeeded` while there are any, and nothing has changed.

        `NoSuchContainer` only for one that was gone before: whom somebody else removes meanwhile,
        or whose interrupted removal this call has finished, is removed (FAULTS B058).
        """
        container = self.resolve(reference)
        if depend:
            graph = closure([container], self.host.store.needed_by)
            for generation in generations(graph)[:-1]:  # the last is the container itself
                for one in generation:
                    self._removed(one, force, timeout)
        removed = super().remove(container, force=force, timeout=timeout)
        for owner in owners(removed.config):  # nobody may be left who lives there
            self.host.locks.forget(scope(owner))
        return removed

    def turns(self, references: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """These in the order in which they may be started, side by side within a turn; the reverse
        is the order in which they may go. References that lead nowhere come first."""
        ids = {one: found[0] for one in references if len(found := self.host.store.find(one)) == 1}
        graph = closure(ids.values(), self._needs_of)
        place = {one: turn for turn, some in enumerate(generations(graph)) for one in some}
        turns: dict[int, list[str]] = {}
        for one in references:
            turns.setdefault(place[ids[one]] if one in ids else -1, []).append(one)
        return tuple(tuple(turns[turn]) for turn in sorted(turns))

    # ---- inside --------------------------------------------------------------------------

    _together = staticmethod(side_by_side)

    def _over(
        self,
        reference: str,
        verb: Verb,
        act: Callable[[str], Record],
        *,
        recursive: bool = True,
    ) -> Record:
        """What it needs runs before `act`; where that begins another run, its guests live in that.
        Where the law would refuse it nobody is touched."""
        container = self.resolve(reference)
        record = self._glimpse(container)
        if record is None or not (needs(record.config) or self.host.store.needed_by(container)):
            return act(container)
        guests: list[Record] = []
        tries = 0
        while True:
            tries += 1
            record = self._interpreter.sync(container)
            if (verb, record.status) not in PLANS:
                return act(container)
            if verb is Verb.INIT:
                self._free_of_guests("init", container)
            if needs(record.config):
                self._provided(record, recursive)
                self._renewed(record)
            for guest in self._guests(container) if record.status in BEGINS else ():
                with suppress(AlreadyStopped):
                    self.stop(guest.id)
                guests.append(guest)
            try:
                after = act(container)
                break
            except (DependencyNotRunning, StillNeeded):  # somebody of its pod was faster
                if tries == TRIES or not recursive:
                    raise
        for guest in guests:
            if guest.status in RUNS:  # nobody had asked for its end
                self.start(guest.id)
        return after

    def _provided(self, record: Record, recursive: bool = True) -> None:
        """All that it needs, and what they need, runs when this returns. What needs one that would
        not start is not tried; the others are, before the first failure is raised."""
        name = record.config.name
        graph = {
            one: near
            for one, near in closure([record.id], self._needs_of).items()
            if one != record.id
        }
        idle = {one: near for one, near in graph.items() if not self._is(one, (Status.RUNNING,))}
        if idle and not recursive:
            raise DependencyNotRunning(name, tuple(map(self._name, sorted(idle))))
        failed: dict[str, Exception] = {}
        lost: set[str] = set()
        for generation in generations(idle):
            ready = [one for one in generation if lost.isdisjoint(idle[one])]
            lost |= {*generation} - {*ready}
            for one, outcome in self._together(ready, self._begun):
                if isinstance(outcome, Failure):
                    failed[one] = outcome.failure()
                    lost.add(one)
        for one, problem in failed.items():
            if isinstance(problem, LockgateError):
                raise DependencyFailed(name, self._name(one), problem) from problem
            raise problem

    def _begun(self, container: str) -> None:
        try:
            self._over(container, Verb.START, super().start)
        except IllegalState:  # somebody else has started it meanwhile, if anything
            if not self._is(container, (Status.RUNNING,)):
                raise

    def _renewed(self, record: Record) -> None:
        """What waits to be started in namespaces of an earlier run of their owner is made anew."""
        if record.status is not Status.CREATED:
            return
        there = (self._glimpse(owner) for owner in owners(record.config))
        if not all(owner is None or lives_in(record, owner) for owner in there):
            super().cleanup(record.id)

    def _guests(self, container: str) -> tuple[Record, ...]:
        """Those that live in its namespaces now; what somebody did not live to finish with them is
        finished first, since nobody could tell."""
        records = (self._interpreter.sync(one.id) for one in self._guests_of(container))
        return tuple(record for record in records if record.status in LIVES)

    def _free_of_guests(self, verb: str, container: str) -> None:
        if guests := self._guests(container):
            by = tuple(guest.config.name for guest in guests)
            raise StillNeeded(verb, self._name(container), by)

    def _needs_of(self, container: str) -> tuple[str, ...]:
        record = self._glimpse(container)
        return needs(record.config) if record else ()

    def _is(self, container: str, statuses: Collection[Status]) -> bool:
        record = self._glimpse(container)
        return record is not None and self._fresh(record).status in statuses

    def _removed(self, container: str, force: bool, timeout: int | None) -> None:
        super().remove(container, force=force, timeout=timeout)
