"""`exec` and `attach`: a process that joins a container, and being connected to its first."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from lockgate.cli import exits, terminal
from lockgate.cli.session import Session, pass_session
from lockgate.cli.terminal import DETACH

if TYPE_CHECKING:
    from lockgate.engine import Engine
    from lockgate.statemachine.record import Record


KEYS = click.option(
    "--detach-keys",
    metavar="KEYS",
    default=DETACH,
    show_default=True,
    help="What leaves it to itself; empty: nothing does.",
)


@click.command(short_help="Be connected to what a container reads and writes.")
@click.option("--no-stdin", is_flag=True, help="Only what it writes.")
@KEYS
@click.argument("name", metavar="NAME")
@pass_session
def attach(session: Session, name: str, no_stdin: bool, detach_keys: str) -> int:
    """Be connected to a container's first process until that ends, and exit with its code; or until
    the detach keys are typed. Legal while it is created or running.

    Input reaches one that was made with -i or -t; the end of it is passed on. Without a terminal it
    ends for all who are attached when one of them leaves.
    """
    engine = session.engine
    record = engine.inspect(name)
    if relayed(engine, record, detach_keys, not no_stdin):
        return exits.OK
    return engine.wait(record.id)


def relayed(
    engine: "Engine",
    record: "Record",
    detach_keys: str,
    given: bool,
    begin: Callable[[], object] = lambda: None,
) -> bool:
    """Attach, `begin`, and carry bytes until it ends; whether the person left before that.

    `given`: our standard input is its own; a terminal is lent to what wants one.
    """
    try:
        keys = terminal.keys(detach_keys)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    reads = given and (record.config.stdin or record.config.terminal)
    lent = reads and record.config.terminal and sys.stdin.isatty()
    attached = engine.attach(record.id)
    begin()
    with ExitStack() as stack:
        resized: Callable[[], None] = lambda: None  # noqa: E731
        if lent:
            stack.enter_context(terminal.raw(0))
            resized = stack.enter_context(terminal.sized(0, attached.resize))
        return attached.relay(0 if reads else None, 1, 2, keys if lent else b"", resized)


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
