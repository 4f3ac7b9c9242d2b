"""The commands that look and change nothing: what there is, how it is, what it has written."""

import sys
import time
from datetime import datetime

import click

from lockgate.cli import exits, output
from lockgate.cli.choosing import FILTER, Filters, passing
from lockgate.cli.params import JSON, NAME, NAMES, as_moment
from lockgate.cli.session import Session, pass_session
from lockgate.cli.streams import show


@click.command(short_help="List what is alive; with -a, all.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also what is at rest.")
@click.option("-q", "--quiet", is_flag=True, help="Ids only, whole, one a line.")
@FILTER
@JSON
@pass_session
def ps(session: Session, everything: bool, quiet: bool, filters: Filters, as_json: bool) -> int:
    """List containers, oldest first: those not at rest, or with -a all.

    At rest are configured, created, stopped and exited, unless something is being done to them.
    """
    from lockgate.cli import view

    there = passing(session.engine.list(), filters)
    records = [one for one in there if everything or "status" in filters or view.busy_or_live(one)]
    if as_json:
        output.as_json([view.container(one, session.engine.busy(one.id)) for one in records])
    elif quiet:
        click.echo("".join(f"{one.id}\n" for one in records), nl=False)
    else:
        now = time.time_ns()
        rows = [view.container_row(one, now, session.engine.busy(one.id)) for one in records]
        output.table(view.CONTAINERS, rows)
    return exits.OK


@click.command(short_help="Show all there is to know of containers, as JSON.")
@click.option("-s", "--size", "sized", is_flag=True, help="Also how much it has written, in bytes.")
@NAMES
@pass_session
def inspect(session: Session, names: tuple[str, ...], sized: bool) -> int:
    """Print a JSON list with everything known of each container. Never waits for anybody.

    Those that cannot be shown are left out of the list and named on standard error.
    """
    from lockgate.cli import view

    engine = session.engine

    def shown(name: str) -> dict[str, object]:
        record = engine.inspect(name)
        known = view.container(record, engine.busy(record.id)) | view.checks(engine.checks(name))
        return known | view.sizes(engine.sizes(name)) if sized else known

    found, code = exits.gathered(names, shown)
    output.as_json(found)
    return code


@click.command(short_help="Show what is otherwise than in its image.")
@JSON
@NAME
@pass_session
def diff(session: Session, name: str, as_json: bool) -> int:
    """Show the paths a container has added (A), changed (C) and deleted (D), compared with its
    image. A directory has changed when anything in it has."""
    from lockgate.cli import view

    changes = session.engine.diff(name)
    if as_json:
        output.as_json([view.change(one) for one in changes])
    else:
        for one in changes:
            click.echo(f"{one.kind} {output.cell(one.path)}")
    return exits.OK


@click.command(short_help="Its root filesystem, as a tar archive.")
@click.option(
    "-o", "--output", "target", metavar="FILE", help="Left out: standard output, if no terminal."
)
@NAME
@pass_session
def export(session: Session, name: str, target: str | None) -> int:
    """Write the container's root filesystem as a tar archive. It may run meanwhile, and goes on
    doing so. A file appears when it is complete, and not otherwise."""
    if target is None and sys.stdout.isatty():
        raise click.UsageError("an archive is nothing for a terminal: give --output, or a pipe")
    session.engine.export(name, sys.stdout.fileno() if target is None else target)
    return exits.OK


@click.command(short_help="Show what a container has written.")
@click.option("-f", "--follow", is_flag=True, help="Go on until its run has ended.")
@click.option("-t", "--timestamps", is_flag=True, help="Each line with its time, RFC 3339.")
@click.option("-n", "--tail", metavar="N", type=click.IntRange(0), help="The last lines only.")
@click.option(
    "--since", metavar="T", callback=as_moment, help="RFC 3339, or how long ago: 90s, 10m, 2h, 1d."
)
@click.option("--until", metavar="T", callback=as_moment, help="The same.")
@NAME
@pass_session
def logs(
    session: Session,
    name: str,
    follow: bool,
    timestamps: bool,
    tail: int | None,
    since: datetime | None,
    until: datetime | None,
) -> int:
    """Write what the container has written: its standard output on standard output, its standard
    error on standard error."""
    lines = session.engine.logs(name, follow=follow, tail=tail, since=since, until=until)
    show(lines, stamped=timestamps)
    return exits.OK


@click.command(short_help="Show what has happened, to all containers.")
@click.option("-f", "--follow", is_flag=True, help="Go on as it happens, until interrupted.")
@click.option(
    "--since", metavar="NUMBER", type=click.IntRange(min=0), default=0, help="Only what came after."
)
@JSON
@pass_session
def events(session: Session, follow: bool, since: int, as_json: bool) -> int:
    """Show what has happened in this folder, in order. Events are numbered without gaps, so that
    who remembers the last number misses nothing. With --json, one JSON document a line."""
    from lockgate.cli import view

    engine = session.engine
    if not as_json:
        click.echo(view.EVENTS)
    for event in engine.follow(since) if follow else engine.events(since):
        if as_json:
            output.as_json_line(view.event(event))
        else:
            click.echo(view.event_line(event))
    return exits.OK
