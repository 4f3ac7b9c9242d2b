"""`unshare`: where an ordinary user's containers are, for a command of his."""

import os
from pathlib import Path

import click

from lockgate.cli import exits
from lockgate.cli.session import Session, pass_session


@click.command(
    short_help="Run a command where a user's containers are.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("--end", is_flag=True, help="End these namespaces, where nothing else is in them.")
@click.argument("command", metavar="[COMMAND]...", nargs=-1, type=click.UNPROCESSED)
@pass_session
def unshare(session: Session, command: tuple[str, ...], end: bool) -> None:
    """Run a command, or a shell, in the user and mount namespaces of an ordinary user's containers.

    Their files belong there to whom they belong inside, and what is mounted can be seen. Programs
    that embed the engine may be begun so. For root the command is run as it is.
    """
    from lockgate import rootless

    if end and command:
        raise click.UsageError("--end goes with no command")
    if end:
        if others := rootless.end(session.root):
            listed = ", ".join(map(str, others[:5]))
            raise exits.Problem(f"others are in there (process {listed})", exits.ILLEGAL)
        return
    rootless.enter(session.root)
    words = command or (os.environ.get("SHELL") or "/bin/sh",)
    try:
        os.execvp(words[0], words)
    except FileNotFoundError:
        raise exits.Problem(f"{words[0]}: there is no such command", exits.NOT_FOUND) from None
    except OSError as problem:
        reason = f"{Path(words[0])}: {problem.strerror}"
        raise exits.Problem(reason, exits.NOT_EXECUTABLE) from None
