"""What containers use: their processes, and what these take from the host."""

import click

from lockgate.cli import exits, output
from lockgate.cli.choosing import chosen
from lockgate.cli.params import JSON, NAME
from lockgate.cli.session import Session, pass_session


@click.command(short_help="Show the processes of a container.")
@JSON
@NAME
@pass_session
def top(session: Session, name: str, as_json: bool) -> int:
    """Show the processes of a container's run, by their pids on this host."""
    from lockgate.cli import view

    found = session.engine.top(name)
    if as_json:
        output.as_json(found)
    else:
        output.table(view.PROCESSES, [view.process_row(one) for one in found])
    return exits.OK


@click.command(short_help="Show what containers use of this host.")
@JSON
@chosen
@pass_session
def stats(session: Session, names: tuple[str, ...], as_json: bool) -> int:
    """Show what containers use: processor time so far, memory, threads, bytes from and to disks.

    What the host does not count, and what does not run, is left empty.
    """
    from lockgate.cli import view

    engine = session.engine
    found, code = exits.gathered(names, lambda name: (engine.inspect(name), engine.usage(name)))
    if as_json:
        output.as_json([view.usage(record, used) for record, used in found])
    else:
        output.table(view.USAGE, [view.usage_row(record, used) for record, used in found])
    return code
