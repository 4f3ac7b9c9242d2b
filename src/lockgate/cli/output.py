"""Tables and JSON. On a terminal tables are drawn with colours; elsewhere they are plain columns,
the same ones every time, two blanks apart: made for `awk` and for the eye."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import click

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "running": "green",
        "ok": "green",
        "paused": "cyan",
        "created": "blue",
        "stopping": "yellow",
        "removing": "yellow",
        "warn": "yellow",
        "unknown": "bold red",
        "missing": "bold red",
        "stopped": "dim",
        "exited": "dim",
    }
)
"""Of the first word of a cell, below one of these titles."""

COLOURED = ("STATE", "VERDICT")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A header, and a line for each row; None is an empty cell."""
    cells = [[cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _drawn(header, cells)
    else:
        click.echo("\n".join(plain(header, cells)))


def cell(value: object) -> str:
    """One line without control characters: containers choose their own names and commands."""
    text = "-" if value is None or value == "" else str(value)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def plain(header: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _drawn(header: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in header:
        drawn.add_column(title, overflow="fold")
    for line in cells:
        drawn.add_row(*(Text(text, _colour(title, text)) for title, text in zip(header, line)))
    Console(highlight=False).print(drawn)


def _colour(title: str, text: str) -> str:
    return COLOURS.get(text.partition(" ")[0], "") if title in COLOURED else ""


def as_json(value: object) -> None:
    """One JSON document, indented."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def as_json_line(value: object) -> None:
    """One line of JSON Lines."""
    import msgspec

    click.echo(msgspec.json.encode(value))
