"""Histories and the law: what happened, whether it would happen again, and what may happen."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.cli import exits, output
from lockgate.cli.params import NAME
from lockgate.cli.session import Session, pass_session

if TYPE_CHECKING:
    from lockgate.statemachine.history import Divergence, Entry


@click.command(short_help="Show what a container was told, and what followed.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines: the format of exports.")
@NAME
@pass_session
def history(session: Session, name: str, as_json: bool) -> int:
    """Show everything the container was told, in order, with what was then asked of the world and
    the digest of the record it led to. Also of a container that is gone."""
    from lockgate.cli import view
    from lockgate.statemachine.history import encode_entry

    entries = session.engine.history(name)
    if as_json:
        for entry in entries:
            click.echo(encode_entry(entry))
    else:
        output.table(view.ENTRIES, view.entry_rows(entries))
    return exits.OK


@click.command(short_help="Fold a history again, compare every entry.")
@click.argument("source", metavar="NAME|FILE")
@pass_session
def replay(session: Session, source: str) -> int:
    """Fold a history again and compare every entry with what was recorded: a container's, also of
    one that is gone, or what `history --json` wrote to FILE (- for standard input).

    A file of that name comes before a container, and needs none. Exits with 5, and tells where and
    how, if today's law does anything else than was recorded.
    """
    from returns.result import Failure, Success

    from lockgate.effects.config import Config
    from lockgate.statemachine import history as histories
    from lockgate.statemachine.record import Record, newborn

    is_file = source == "-" or Path(source).is_file()
    entries = tuple(_exported(source) if is_file else session.engine.history(source))
    match histories.replay(newborn(Config(id="")), entries):
        case Success(Record(status=status)):
            count = len(entries)
            plural = "y" if count == 1 else "ies"
            click.echo(f"{count} entr{plural}, equal at every entry, ends in {status}")
            return exits.OK
        case Failure(histories.Divergence() as divergence):
            click.echo("\n".join(_told(source, divergence)))
            return exits.DIVERGED
        case other:
            raise AssertionError(f"a Result is a Success or a Failure, not {other!r}")


def _exported(source: str) -> "Iterator[Entry]":
    """The entries of a file in the export format; blank lines mean nothing."""
    from msgspec import DecodeError

    from lockgate.statemachine.history import decode_entry

    with click.open_file(source, "rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield decode_entry(line)
                except (DecodeError, UnicodeDecodeError, RecursionError) as problem:
                    raise exits.Problem(
                        f"{source}, line {number}, is no entry of a history: {problem}; "
                        "`lockgate history --json` writes what can be replayed",
                        exits.FAILURE,
                    ) from problem


def _told(source: str, divergence: "Divergence") -> Iterator[str]:
    """Where it went another way, and how: `expected` is on record, `got` is what happens now."""
    from msgspec.json import encode

    yield f"{source} diverges at entry {divergence.seq}: {divergence.what}"
    for what, orders in (("expected", divergence.expected), ("got", divergence.got)):
        yield f"{what:<8}  {encode(orders).decode()}"


@click.command(short_help="Draw the law: its states, or the legality matrix.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot", "svg", "matrix"]),
    default="mermaid",
    show_default=True,
    help="Mermaid, Graphviz, a picture by the program `dot`, or a Markdown table.",
)
def diagram(form: str) -> int:
    """Draw the law from its own tables: the states and what leads from one to another, or with
    --format matrix what every command does in every state."""
    from lockgate.statemachine import diagram as drawn

    match form:
        case "matrix":
            text = drawn.matrix()
        case "mermaid":
            text = drawn.mermaid()
        case "svg":
            text = _picture(drawn.dot())
        case _:
            text = drawn.dot()
    click.echo(text, nl=False)
    return exits.OK


def _picture(text: str) -> str:
    """SVG, by Graphviz."""
    import sh

    try:
        return str(sh.Command("dot")("-Tsvg", _in=text, _tty_out=False))
    except sh.CommandNotFound:
        raise exits.Problem(
            "there is no program `dot` to draw with: install graphviz, "
            "or take --format dot or mermaid",
            exits.FAILURE,
        ) from None
    except sh.ErrorReturnCode as failed:
        reason = failed.stderr.decode(errors="replace")
        raise exits.Problem(f"`dot` could not draw it: {reason}", exits.FAILURE) from None
