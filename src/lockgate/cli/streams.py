"""What containers write, shown: their standard output on ours, their standard error on ours."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lockgate.effects.ports import LogLine
    from lockgate.engine import Engine

GLANCE = 0.2
"""Seconds between two looks at what a container has written."""


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

    container = engine.resolve(reference)
    shown = 0
    while True:
        try:
            over = engine.inspect(container).status not in LIVE
            for line in islice(engine.logs(container), shown, None):
                shown += 1
                yield line
        except NoSuchContainer:
            return
        if over:
            return
        time.sleep(GLANCE)
