"""What containers write, shown: their standard output on ours, their standard error on ours."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lockgate.effects.ports import LogLine
    from lockgate.engine import Engine

BRIEFLY, AT_MOST = 0.01, 0.2
"""Seconds after which one that writes nothing is looked at again, since it may have ended: soon
after it wrote something, for that is when most end, then ever more rarely."""


def show(lines: "Iterable[LogLine]", *, stamped: bool = False) -> None:
    """Write the lines as the container wrote them, colours and all; `stamped`: each with its time."""
    unfinished: set[str] = set()
    for line in lines:
        begins = line.stream not in unfinished
        text = f"{line.at} {line.text}" if stamped and begins else line.text
        (unfinished.add if line.partial else unfinished.discard)(line.stream)
        click.echo(text, nl=not line.partial, err=line.stream == "stderr", color=True)


def followed(engine: "Engine", reference: str) -> "Iterator[LogLine]":
    """What has been written, and what is, until the run has ended or the container is gone."""
    from lockgate.errors import NoSuchContainer
    from lockgate.lifecycle import LIVE

    record = engine.inspect(reference)
    offset, patience = 0, BRIEFLY
    while True:
        try:
            over = engine.inspect(record.id).status not in LIVE
        except NoSuchContainer:
            over = True
        lines, offset = engine.host.logs.read(record.config, offset)
        yield from lines
        if over and not lines:
            return
        patience = BRIEFLY if lines else min(2 * patience, AT_MOST)
        if not over:
            engine.host.logs.wait(record.config, offset, patience)
