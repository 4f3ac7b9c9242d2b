"""Containers that live together, moved as one: each command does all pods that are named, and says
of which container what went wrong."""

import time
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, TypeVar

import click

from lockgate.cli import exits, output
from lockgate.cli.params import JSON, NAMES, as_network, as_size, pairs, patience
from lockgate.cli.session import Session, pass_session

if TYPE_CHECKING:
    from lockgate.engine.pods import Outcomes

T = TypeVar("T")


def chosen(command: Callable[..., T]) -> Callable[..., T]:
    """Gives a command its `names`: those it was given, or with --all those there are."""

    @click.argument("names", metavar="[POD]...", nargs=-1)
    @click.option("-a", "--all", "everything", is_flag=True, help="All there are.")
    @wraps(command)
    def wrapped(names: Sequence[str], everything: bool, **rest: object) -> T:
        if bool(names) == everything:
            raise click.UsageError("name pods, or give --all: one of them")
        if everything:
            session = click.get_current_context().find_object(Session)
            assert session is not None
            names = tuple(one.name for one in session.engine.pods())
        return command(names=tuple(names), **rest)

    return wrapped


def moved(names: Sequence[str], act: "Callable[[str], Outcomes]") -> int:
    """Do it to all of them, side by side, and print the names of those of which nothing went wrong; the
    code is the first failure's."""
    from returns.result import Failure, Success

    from lockgate.side_by_side import side_by_side

    code = exits.OK
    for name, outcome in side_by_side(names, act):
        match outcome:
            case Success(told):
                problems: list[Exception] = [
                    one.failure() for one in told.values() if isinstance(one, Failure)
                ]
            case Failure(Exception() as problem):
                problems = [problem]
            case _:
                raise AssertionError(f"a Result is a Success or a Failure, not {outcome!r}")
        for problem in problems:
            said = exits.report(problem)
            code = code or said
        if not problems:
            click.echo(name)
    return code


@click.group(short_help="Containers that live together.")
def pod() -> None:
    """Make pods, move them, look at them, remove them.

    A pod is a set of containers in the same namespaces: made with `create --pod`, they reach each
    other over localhost. A POD is its name, its id, or the beginning of an id.
    """


@pod.command(short_help="Make a pod; nothing runs yet.")
@click.option("--name", metavar="N", default="", help="Its name; left out: the id's beginning.")
@click.option(
    "--share",
    metavar="KIND,…",
    default="net,ipc,uts",
    show_default=True,
    help="The namespaces its containers live in: net, ipc, uts, pid.",
)
@click.option(
    "--exit-policy",
    metavar="POLICY",
    default="continue",
    show_default=True,
    help="When the last of them has ended: continue, or stop.",
)
@click.option(
    "--net",
    "--network",
    "network",
    metavar="NET",
    multiple=True,
    callback=as_network,
    help="private [the default], host, or any number of NAME[:ip=A,mac=A,alias=N].",
)
@click.option(
    "-p",
    "--publish",
    "ports",
    metavar="[IP:]HOST:POD[/udp]",
    multiple=True,
    help="A port of the host that leads to one of the pod; any number.",
)
@click.option("--hostname", metavar="H", default="", help="Left out: the name.")
@click.option(
    "-l", "--label", "labels", metavar="K=V", multiple=True, callback=pairs, help="Any number."
)
@click.option("--dns", metavar="IP", multiple=True, help="A name server; any number.")
@click.option("--dns-search", metavar="DOMAIN", multiple=True, help="A domain to search.")
@click.option("--dns-option", metavar="OPT", multiple=True, help="An option of resolv.conf.")
@click.option(
    "--infra-image",
    "image",
    metavar="NAME",
    default="",
    help="An image whose command waits, in place of a program of our own.",
)
@click.option(
    "-m", "--memory", metavar="SIZE", default="0", callback=as_size, help="Of all its containers."
)
@click.option("--cpus", metavar="N", default="", help="Processors' worth of time, of all.")
@click.option("--pids-limit", "pids", metavar="N", type=int, default=0, help="Threads, of all.")
@click.argument("called", metavar="[NAME]", required=False, default="")
@pass_session
def create(
    session: Session,
    /,
    called: str,
    name: str,
    share: str,
    network: str | tuple[str, ...],
    dns: tuple[str, ...],
    dns_search: tuple[str, ...],
    dns_option: tuple[str, ...],
    cpus: str,
    **asked: object,
) -> int:
    """Make a pod, and print its id. Networks and published ports are the pod's."""
    from lockgate.cli.isolation import cpus as quota
    from lockgate.effects.network import Dns

    try:
        asked |= quota(cpus)
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint="--cpus") from None
    if name and called:
        raise click.UsageError("one name is enough: as NAME, or with --name")
    made = session.engine.create_pod(
        name=name or called,
        share=share.split(","),
        network="" if network == "none" else network,
        dns=Dns(dns, dns_search, dns_option),
        **asked,  # type: ignore[arg-type]
    )
    click.echo(made.id)
    return exits.OK


@pod.command(short_help="Start its containers, in their order.")
@chosen
@pass_session
def start(session: Session, names: tuple[str, ...]) -> int:
    """Start all containers of a pod: init containers first, one after the other to their ends; if one of
    these fails the others are not started. What runs is left alone."""
    return moved(names, session.engine.start_pod)


@pod.command(short_help="Stop all its containers.")
@patience
@chosen
@pass_session
def stop(session: Session, names: tuple[str, ...], timeout: int | None) -> int:
    """Stop all containers of a pod, those that need others before these."""
    return moved(names, partial(session.engine.stop_pod, timeout=timeout))


@pod.command(short_help="Send its containers SIGKILL, or the signal named.")
@click.option("-s", "--signal", metavar="SIG", default="KILL", show_default=True)
@chosen
@pass_session
def kill(session: Session, names: tuple[str, ...], signal: str) -> int:
    """Send a signal to the first process of each container of a pod that runs."""
    return moved(names, partial(session.engine.kill_pod, signal=signal))


@pod.command(short_help="Freeze what runs in it.")
@chosen
@pass_session
def pause(session: Session, names: tuple[str, ...]) -> int:
    """Freeze all containers of a pod that run."""
    return moved(names, session.engine.pause_pod)


@pod.command(short_help="Let what is frozen in it go on.")
@chosen
@pass_session
def unpause(session: Session, names: tuple[str, ...]) -> int:
    """Let all containers of a pod that are paused go on."""
    return moved(names, session.engine.unpause_pod)


@pod.command(short_help="Stop it, and start it as a new run.")
@patience
@chosen
@pass_session
def restart(session: Session, names: tuple[str, ...], timeout: int | None) -> int:
    """Stop a pod and start it again, with all that holds it together."""
    return moved(names, partial(session.engine.restart_pod, timeout=timeout))


@pod.command(short_help="Remove it and its containers.")
@click.option("-f", "--force", is_flag=True, help="End first what is still alive.")
@patience
@chosen
@pass_session
def rm(session: Session, names: tuple[str, ...], force: bool, timeout: int | None) -> int:
    """Remove a pod and all its containers; their histories stay. Refused while any of them runs."""
    return moved(names, partial(session.engine.remove_pod, force=force, timeout=timeout))


@pod.command(short_help="List the pods there are.")
@click.option("-q", "--quiet", is_flag=True, help="Ids only, whole, one a line.")
@JSON
@pass_session
def ps(session: Session, quiet: bool, as_json: bool) -> int:
    """List the pods there are, oldest first, and how they are."""
    from lockgate.cli import view

    there = session.engine.pods()
    if as_json:
        output.as_json([view.pod(one) for one in there])
    elif quiet:
        click.echo("".join(f"{one.id}\n" for one in there), nl=False)
    else:
        now = time.time_ns()
        output.table(view.PODS, [view.pod_row(one, now) for one in there])
    return exits.OK


@pod.command(short_help="Show pods and their containers, as JSON.")
@NAMES
@pass_session
def inspect(session: Session, names: tuple[str, ...]) -> int:
    """Print a JSON list with each pod and its containers.

    Those that cannot be shown are left out of the list and named on standard error.
    """
    from lockgate.cli import view

    found, code = exits.gathered(names, lambda name: view.pod(session.engine.pod(name)))
    output.as_json(found)
    return code
