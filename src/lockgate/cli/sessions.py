"""`session`: processes that were left to themselves in a container, found again."""

import click

from lockgate.cli import exits, output
from lockgate.cli.params import JSON, NAME
from lockgate.cli.session import Session, pass_session
from lockgate.cli.streams import show

ID = click.argument("session_id", metavar="SESSION")


@click.group(short_help="Processes that have joined a container.")
def session() -> None:
    """Find processes again that `exec` has begun in the newest run of a container. SESSION is the
    id that `exec --detach` prints, or its beginning. They end with the run, and are forgotten with it."""


@session.command(short_help="Those of the newest run.")
@JSON
@NAME
@pass_session
def ls(session: Session, name: str, as_json: bool) -> int:
    """List the sessions of the newest run, oldest first, and how they stand."""
    from lockgate.cli import view

    found = session.engine.sessions(name)
    if as_json:
        output.as_json([view.session(one) for one in found])
    else:
        output.table(view.SESSIONS, [view.session_row(one) for one in found])
    return exits.OK


@session.command(short_help="Wait until it has ended, print its exit code.")
@NAME
@ID
@pass_session
def wait(session: Session, name: str, session_id: str) -> int:
    """Wait until a session has ended and print its exit code: -1 where nobody saw the end."""
    click.echo(session.engine.exec_wait(name, session_id))
    return exits.OK


@session.command(short_help="Send its process a signal.")
@click.option("-s", "--signal", metavar="SIG", default="KILL", show_default=True, help="Which.")
@NAME
@ID
@pass_session
def kill(session: Session, name: str, session_id: str, signal: str) -> int:
    """Send the process of a session a signal, and no other process."""
    session.engine.exec_kill(name, session_id, signal)
    click.echo(session_id)
    return exits.OK


@session.command(short_help="Show what it has written.")
@click.option("-t", "--timestamps", is_flag=True, help="Each line with its time, RFC 3339.")
@NAME
@ID
@pass_session
def logs(session: Session, name: str, session_id: str, timestamps: bool) -> int:
    """Write what a session that was left to itself has written so far, each stream on its own."""
    show(session.engine.exec_output(name, session_id), stamped=timestamps)
    return exits.OK
