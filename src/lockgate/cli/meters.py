"""What containers use: their processes, and what these take from the host."""

import click

from lockgate.cli import exits, output
from lockgate.cli.choosing import chosen
from lockgate.cli.params import JSON, NAME
from lockgate.cli.session import Session, pass_session


@click.command(short_help="Show the processes of a container.")
@JSON
@NAME
@click.argument("fields", metavar="[FIELD]...", nargs=-1)
@pass_session
def top(session: Session, name: str, fields: tuple[str, ...], as_json: bool) -> int:
    """Show the processes of a container's run, by their pids on this host.

    FIELD: pid, ppid, uid, state, cpu, memory, command; besides elapsed, inside (its pid there), tty.
    """
    from lockgate.cli import view

    if unknown := [one for one in fields if one not in view.PROCESSES]:
        raise click.UsageError(
            f"{unknown[0]!r} is nothing to show; there are: {', '.join(view.PROCESSES)}"
        )
    shown = fields or view.USUAL
    found = session.engine.top(name)
    if as_json:
        output.as_json(found)
    else:
        rows = [view.process_row(one, shown) for one in found]
        output.table(tuple(map(str.upper, shown)), rows)
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
