"""What containers write, shown: their standard output on ours, their standard error on ours."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lockgate.effects.ports import LogLine


def show(lines: "Iterable[LogLine]", *, stamped: bool = False) -> None:
    """Write the lines as the container wrote them, colours and all; `stamped`: each with its time."""
    unfinished: set[str] = set()
    for line in lines:
        begins = line.stream not in unfinished
        text = f"{line.at} {line.text}" if stamped and begins else line.text
        (unfinished.add if line.partial else unfinished.discard)(line.stream)
        click.echo(text, nl=not line.partial, err=line.stream == "stderr", color=True)
