"""The commands that move containers there are. Each does all that are named, prints the name of
each on success, and leaves what to say and which code to exit with to `exits.each`."""

from functools import partial
from typing import TYPE_CHECKING

import click

from lockgate.cli import exits
from lockgate.cli.choosing import chosen
from lockgate.cli.params import patience
from lockgate.cli.session import Session, pass_session

if TYPE_CHECKING:
    from lockgate.engine import Engine


@click.command(short_help="Prepare everything, up to a process that waits.")
@chosen
@pass_session
def init(session: Session, names: tuple[str, ...]) -> int:
    """Mount, plug in and create: everything up to a process that waits to be started.

    Legal from configured, stopped and exited. `start` then lets it run.
    """
    return exits.each(names, session.engine.init)


@click.command(short_help="Let its process run.")
@chosen
@pass_session
def start(session: Session, names: tuple[str, ...]) -> int:
    """Let the container's process run; what `init` does is done first where it is missing.

    What it needs is started before. Legal from configured, created, stopped and exited. A start
    that fails gives back what it took.
    """
    return exits.each(names, session.engine.start, turns=session.engine.turns(names))


@click.command(short_help="Freeze all its processes.")
@chosen
@pass_session
def pause(session: Session, names: tuple[str, ...]) -> int:
    """Freeze all processes of the container. Legal while it is running."""
    return exits.each(names, session.engine.pause)


@click.command(short_help="Let what is frozen go on.")
@chosen
@pass_session
def unpause(session: Session, names: tuple[str, ...]) -> int:
    """Let all processes of the container go on. Legal while it is paused."""
    return exits.each(names, session.engine.unpause)


@click.command(short_help="Stop it if it runs, and start it.")
@patience
@chosen
@pass_session
def restart(session: Session, names: tuple[str, ...], timeout: int | None) -> int:
    """End the container as `stop` would, if it runs, and start it as a new run.

    Legal from configured, created, running, stopped and exited.
    """
    restart = partial(session.engine.restart, timeout=timeout)
    return exits.each(names, restart, turns=session.engine.turns(names))


@click.command(short_help="Ask it to end, have patience, then SIGKILL.")
@patience
@chosen
@pass_session
def stop(session: Session, names: tuple[str, ...], timeout: int | None) -> int:
    """Send the stop signal, wait, and send SIGKILL to what is still there.

    Several containers are waited for side by side. Meanwhile others may inspect, signal, kill or
    stop them too; the shorter patience wins. Stopping what has ended already is no error.
    """
    engine = session.engine

    def act(name: str) -> None:
        from lockgate.errors import AlreadyStopped

        try:
            engine.stop(name, timeout)
        except AlreadyStopped as note:
            exits.say(str(note))

    return exits.each(names, act, turns=engine.turns(names)[::-1])


@click.command(short_help="Send it SIGKILL, or the signal named.")
@click.option(
    "-s",
    "--signal",
    metavar="SIG",
    default="KILL",
    show_default=True,
    help="A signal by name or number: TERM, SIGUSR1, 15.",
)
@chosen
@pass_session
def kill(session: Session, names: tuple[str, ...], signal: str) -> int:
    """Send a signal to the container's first process.

    After SIGKILL the end is on record when this returns; another signal changes nothing by itself.
    """
    return exits.each(names, partial(session.engine.kill, signal=signal))


@click.command(short_help="Wait until it has ended, print its exit code.")
@click.option(
    "--condition",
    "conditions",
    metavar="STATE",
    multiple=True,
    help="Wait for this state, or `removed`, and print it; several: for any.",
)
@chosen
@pass_session
def wait(session: Session, names: tuple[str, ...], conditions: tuple[str, ...]) -> int:
    """Wait until the container has ended and print its exit code, a line for each.

    It is -1 where nobody saw the end and 0 for what never ran. One that is gone answers, too; one
    that was made with --rm is removed now.
    """
    engine = session.engine
    if conditions:
        return exits.each(names, lambda name: engine.wait_for(name, conditions), tell=True)

    def act(name: str) -> int:
        code = engine.wait(name)
        _departed(engine, name)
        return code

    return exits.each(names, act, tell=True)


def _departed(engine: "Engine", name: str) -> None:
    """Now that its end has been seen, remove it, if that was its maker's wish."""
    from lockgate.errors import IllegalState, NoSuchContainer

    try:
        record = engine.inspect(name)
        if record.config.auto_remove and record.exit_code is not None:
            engine.remove(record.id)
    except (NoSuchContainer, IllegalState):
        pass  # somebody else removed it, or has started it again


@click.command(short_help="Give it another name.")
@click.argument("reference", metavar="NAME")
@click.argument("name", metavar="NEW-NAME")
@pass_session
def rename(session: Session, reference: str, name: str) -> int:
    """Give the container another name, whatever it is doing; the old one is free then.

    Its history is found by either. /etc/hosts in the container tells of the new one from its next run on.
    """
    return exits.each((reference,), lambda one: session.engine.rename(one, name))


@click.command(short_help="Give back what its run held, and keep it.")
@chosen
@pass_session
def cleanup(session: Session, names: tuple[str, ...]) -> int:
    """Give back mounts, network and the runtime's object; keep the container.

    Legal from configured, created, stopped and exited.
    """
    return exits.each(names, session.engine.cleanup)


@click.command(short_help="After a reboot: clean up, and start what is owed.")
@pass_session
def refresh(session: Session) -> int:
    """Finish what was interrupted, give back what ended runs still hold, complete removals, and do
    what restart policies owe. To be called once after each boot of the host; harmless at any time.
    """
    code = exits.OK
    for problem in session.engine.refresh().values():
        told = exits.report(problem)
        code = code or told
    return code


@click.command(short_help="Remove it; its history stays.")
@click.option("-f", "--force", is_flag=True, help="End first what is still alive.")
@click.option("--depend", is_flag=True, help="Remove first what needs it.")
@patience
@chosen
@pass_session
def rm(
    session: Session, names: tuple[str, ...], force: bool, depend: bool, timeout: int | None
) -> int:
    """Remove the container and all it has on disk; its history stays and can be replayed.

    Legal from configured, created, stopped and exited; with --force from everywhere.
    """
    engine = session.engine
    remove = partial(engine.remove, force=force, timeout=timeout, depend=depend)
    return exits.each(names, remove, turns=engine.turns(names)[::-1])
