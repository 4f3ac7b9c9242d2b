"""`exec`: a process that joins a running container."""

import sys

import click

from lockgate.cli import exits
from lockgate.cli.session import Session, pass_session


@click.command(
    "exec",
    short_help="Run a process in a running container.",
    context_settings={"allow_interspersed_args": False},
)
@click.option("-d", "--detach", is_flag=True, help="Leave it to itself, print its session's id.")
@click.option("-i", "--interactive", is_flag=True, help="Give it our standard input.")
@click.option("-t", "--tty", is_flag=True, help="Give it our terminal.")
@click.option("-e", "--env", metavar="K=V", multiple=True, help="Environment; any number.")
@click.option("-w", "--workdir", metavar="DIR", default="", help="Where it begins.")
@click.option("-u", "--user", metavar="U[:G]", default="", help="Name or number, group too.")
@click.option("--privileged", is_flag=True, help="With every capability.")
@click.argument("name", metavar="NAME")
@click.argument("command", metavar="CMD...", nargs=-1, required=True)
@pass_session
def exec_(
    session: Session,
    name: str,
    command: tuple[str, ...],
    detach: bool,
    interactive: bool,
    tty: bool,
    env: tuple[str, ...],
    workdir: str,
    user: str,
    privileged: bool,
) -> int:
    """Run a process beside the container's own, and exit with its code.

    Legal while it is running. What is left out is as the container has it. 125: it could not be run;
    126: its command cannot be executed; 127: there is no such command.
    """
    if detach and (interactive or tty):
        raise click.UsageError("what is detached has neither input nor terminal")
    if tty and not sys.stdin.isatty():
        raise click.UsageError("-t needs a terminal, and standard input is none")
    wishes = {"env": env, "workdir": workdir, "user": user, "privileged": privileged}
    engine = session.engine
    try:
        if detach:
            click.echo(engine.exec(name, command, **wishes).id)  # type: ignore[arg-type]
            return exits.OK
        with open("/dev/null", "rb") as nothing:  # noqa: PTH123 -- a descriptor is wanted
            streams = (0 if interactive or tty else nothing.fileno(), 1, 2)
            return engine.call(name, command, streams, terminal=tty, **wishes)  # type: ignore[arg-type]
    except Exception as problem:
        raise exits.of_run(problem) or problem from None
