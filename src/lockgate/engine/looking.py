"""Looking at containers without disturbing them: what they wrote, changed and went through."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from returns.result import Result

from lockgate.adapters.filesystem import replacing
from lockgate.effects.config import Config
from lockgate.effects.ports import Change, Event, LogLine, Mark, Sizes
from lockgate.effects.usage import Running, Usage
from lockgate.engine.core import Core, faults_raised
from lockgate.errors import NoSuchContainer
from lockgate.statemachine import history as histories
from lockgate.statemachine.history import Divergence, Entry
from lockgate.statemachine.record import Record, newborn
from lockgate.statemachine.spec.files import PLACES
from lockgate.statemachine.status import LIVE

BRIEFLY, AT_MOST = 0.01, 0.2
"""Seconds after which one that writes nothing is looked at again, since it may have ended: soon
after it wrote something, for that is when most end, then ever more rarely."""


class Looking(Core):
    """Logs, contents, events, histories."""

    def logs(
        self,
        reference: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[LogLine]:
        """What it has written: the last `tail` lines of it (`None`: all), from and up to a moment;
        with `follow` also what it writes, until its run has ended or it is gone."""
        record = self.inspect(reference)
        mark = None if tail is None else self.host.logs.last(record.config, max(0, tail))
        for line in self._written(record, mark, follow):
            at = _moment(line.at) if since or until else None
            if at is not None and until is not None and at > until:
                return
            if at is None or since is None or at >= since:
                yield line

    def _written(self, record: Record, mark: Mark | None, follow: bool) -> Iterator[LogLine]:
        patience = BRIEFLY
        while True:
            over = not follow or self._at_rest(record.id)
            lines, mark = self.host.logs.read(record.config, mark)
            yield from lines
            if over and not lines:
                return
            patience = BRIEFLY if lines else min(2 * patience, AT_MOST)
            if not over:
                self.host.logs.wait(record.config, mark, patience)

    def _at_rest(self, container: str) -> bool:
        try:
            return self.inspect(container).status not in LIVE
        except NoSuchContainer:
            return True

    def export(self, reference: str, target: str | Path | int) -> None:
        """Its root file system as a tar archive, whatever it is doing, without pausing it.

        `target` is an open descriptor, or a file that is made, or replaced when all is written,
        with the permissions 0600. Raises `OperationFailed`; then no file is made.
        """
        config = self.inspect(reference).config
        with faults_raised("export", config.name, "container"):
            if isinstance(target, int):
                with open(target, "wb", closefd=False) as out:
                    self.host.contents.export(config, out)
            else:
                with replacing(Path(target)) as out:
                    self.host.contents.export(config, out)

    def diff(self, reference: str) -> tuple[Change, ...]:
        """What is otherwise than in its image, by path; what was made to be mounted on is not."""
        config = self.inspect(reference).config
        with faults_raised("compare", config.name, "container"):
            changes = self.host.contents.changes(config)
        covered = PLACES | {mount.destination for mount in config.mounts}
        return tuple(one for one in changes if one.kind != "A" or one.path not in covered)

    def sizes(self, reference: str) -> Sizes:
        """What it has written, and what its image brought."""
        config = self.inspect(reference).config
        with faults_raised("measure", config.name, "container"):
            return self.host.contents.sizes(config)

    def usage(self, reference: str) -> Usage:
        """What it uses of its host; nothing counts where nothing runs."""
        return self.host.meters.measure(self.inspect(reference).config)

    def top(self, reference: str) -> tuple[Running, ...]:
        """The processes of its run, by pid on this host."""
        return self.host.meters.processes(self.inspect(reference).config)

    def events(self, after: int = 0) -> Iterator[Event]:
        """What has happened, engine-wide, in order; numbers are gapless."""
        return self.host.store.events(after)

    def follow(self, after: int = 0, timeout: float | None = None) -> Iterator[Event]:
        """Events as they happen; ends after `timeout` seconds without any."""
        last = time.monotonic()
        while True:
            for event in self.host.store.events(after):
                after, last = event.number, time.monotonic()
                yield event
            if timeout is not None and time.monotonic() - last > timeout:
                return
            self.host.store.wait_events(after, 1.0 if timeout is None else min(timeout, 1.0))

    def history(self, reference: str) -> Iterator[Entry]:
        """The container's inputs with the orders they led to; also of one that is gone."""
        container = self.resolve(reference, past=True)
        return map(histories.decode_entry, self.host.store.history(container))

    def replay(self, reference: str) -> Result[Record, Divergence]:
        """Fold the history again and compare every entry with what was recorded."""
        container = self.resolve(reference, past=True)
        entries = map(histories.decode_entry, self.host.store.history(container))
        return histories.replay(newborn(Config(id=container)), entries)


def _moment(text: str) -> datetime | None:
    """RFC 3339, in nanoseconds or not; None for what a monitor would not write."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
