"""The commands that look and change nothing: what there is, how it is, what it has written."""

import time

import click

from lockgate.cli import exits, output
from lockgate.cli.params import JSON, NAME, NAMES
from lockgate.cli.session import Session, pass_session
from lockgate.cli.streams import followed, show


@click.command(short_help="List what is alive; with -a, all.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also what is at rest.")
@click.option("-q", "--quiet", is_flag=True, help="Ids only, whole, one a line.")
@JSON
@pass_session
def ps(session: Session, everything: bool, quiet: bool, as_json: bool) -> int:
    """List containers, oldest first: those not at rest, or with -a all.

    At rest are configured, created, stopped and exited, unless something is being done to them.
    """
    from lockgate.cli import view

    records = [one for one in session.engine.list() if everything or view.busy_or_live(one)]
    if as_json:
        output.as_json([view.container(one) for one in records])
    elif quiet:
        click.echo("".join(f"{one.id}\n" for one in records), nl=False)
    else:
        now = time.time_ns()
        output.table(view.CONTAINERS, [view.container_row(one, now) for one in records])
    return exits.OK


@click.command(short_help="Show all there is to know of containers, as JSON.")
@NAMES
@pass_session
def inspect(session: Session, names: tuple[str, ...]) -> int:
    """Print a JSON list with everything known of each container. Never waits for anybody.

    Those that cannot be shown are left out of the list and named on standard error.
    """
    from lockgate.cli import view

    engine = session.engine
    found, code = exits.gathered(names, lambda name: view.container(engine.inspect(name)))
    output.as_json(found)
    return code


@click.command(short_help="Show what a container has written.")
@click.option("-f", "--follow", is_flag=True, help="Go on until its run has ended.")
@click.option("-t", "--timestamps", is_flag=True, help="Each line with its time, RFC 3339.")
@NAME
@pass_session
def logs(session: Session, name: str, follow: bool, timestamps: bool) -> int:
    """Write what the container has written: its standard output on standard output, its standard
    error on standard error."""
    engine = session.engine
    show(followed(engine, name) if follow else engine.logs(name), stamped=timestamps)
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
