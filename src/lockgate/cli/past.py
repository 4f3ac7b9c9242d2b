"""Histories and the law: what happened, whether it would happen again, and what may happen."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.cli import exits, output
from lockgate.cli.params import NAME
from lockgate.cli.session import Session, pass_session

if TYPE_CHECKING:
    from lockgate.statemachine.history import Divergence, Entry
    from lockgate.statemachine.travel import Place


@click.command(short_help="Show what a container was told, and what followed.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines: the format of exports.")
@click.option("--mermaid", is_flag=True, help="A sequence diagram.")
@NAME
@pass_session
def history(session: Session, name: str, as_json: bool, mermaid: bool) -> int:
    """Show everything the container was told, in order, with what was then asked of the world and
    the digest of the record it led to. Also of a container that is gone."""
    from lockgate.cli import view
    from lockgate.statemachine.history import encode_entry
    from lockgate.statemachine.travel import drawn

    if as_json and mermaid:
        raise click.UsageError("give --json or --mermaid, one of them")
    entries = session.engine.history(name)
    if as_json:
        for entry in entries:
            click.echo(encode_entry(entry))
    elif mermaid:
        click.echo(drawn(_places(name, entries)), nl=False)
    else:
        output.table(view.ENTRIES, view.entry_rows(entries))
    return exits.OK


@click.command(short_help="Fold a history again, compare every entry.")
@click.argument("source", metavar="NAME|FILE")
@click.option("--at", type=click.IntRange(0), help="Print the record after this entry, as JSON.")
@click.option("--until", metavar="STATUS", help="Print the entry that first led to this status.")
@click.option("--against", metavar="NAME|FILE", help="Tell where that life goes another way.")
@pass_session
def replay(
    session: Session, source: str, at: int | None, until: str | None, against: str | None
) -> int:
    """Fold a history again and compare every entry with what was recorded: a container's, also of
    one that is gone, or what `history --json` wrote to FILE (- for standard input).

    A file of that name comes before a container, and needs none. Exits with 5, and tells where and
    how, if today's law does anything else than was recorded, or if the lives compared are not alike.
    """
    if sum(one is not None for one in (at, until, against)) > 1:
        raise click.UsageError("give one of --at, --until and --against")
    places = _places(source, _entries(session, source))
    if at is not None:
        return _shown(source, at, places)
    if until is not None:
        return _first(source, until, places)
    if against is not None:
        return _compared((source, places), (against, _places(against, _entries(session, against))))
    count, status = 0, "absent"
    for place in places:
        count, status = count + 1, str(place.record.status)
    plural = "y" if count == 1 else "ies"
    click.echo(f"{count} entr{plural}, equal at every entry, ends in {status}")
    return exits.OK


def _entries(session: Session, source: str) -> "Iterable[Entry]":
    is_file = source == "-" or Path(source).is_file()
    return _exported(source) if is_file else session.engine.history(source)


def _places(source: str, entries: "Iterable[Entry]") -> "Iterator[Place]":
    """Every place of a history; a divergence ends the command."""
    from lockgate.effects.config import Config
    from lockgate.statemachine.history import Divergence
    from lockgate.statemachine.record import newborn
    from lockgate.statemachine.travel import walk

    for place in walk(newborn(Config(id="")), entries):
        if isinstance(place, Divergence):
            click.echo("\n".join(_told(source, place)))
            raise click.exceptions.Exit(exits.DIVERGED)
        yield place


def _shown(source: str, at: int, places: "Iterator[Place]") -> int:
    from lockgate.statemachine.history import encode_record

    last = -1
    for place in places:
        last = place.entry.seq
        if last == at:
            click.echo(encode_record(place.record))
            return exits.OK
    raise exits.Problem(f"{source} has no entry {at}: it ends with {last}", exits.FAILURE)


def _first(source: str, wanted: str, places: "Iterator[Place]") -> int:
    from lockgate.statemachine.history import encode_entry
    from lockgate.statemachine.status import Status

    if wanted not in tuple(Status):
        raise click.UsageError(f"{wanted!r} is no status: {', '.join(Status)}")
    for place in places:
        if place.record.status == wanted:
            click.echo(encode_entry(place.entry))
            return exits.OK
    raise exits.Problem(f"{source} never was {wanted}", exits.FAILURE)


def _compared(one: "tuple[str, Iterator[Place]]", other: "tuple[str, Iterator[Place]]") -> int:
    from lockgate.statemachine.travel import parting, shape

    found = parting(one[1], other[1])
    if found is None:
        click.echo(f"{one[0]} and {other[0]} went the same way")
        return exits.OK
    click.echo(f"{one[0]} and {other[0]} part at entry {found.seq}")
    for (name, _), place in ((one, found.left), (other, found.right)):
        if place is None:
            click.echo(f"{name}: has ended")
        else:
            heard, asked, status = shape(place)
            click.echo(f"{name}: heard {heard}, asked for {', '.join(asked) or '-'}, is {status}")
    return exits.DIVERGED


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
