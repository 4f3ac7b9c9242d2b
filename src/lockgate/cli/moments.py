"""`checkpoint`, `restore`, `update`: a run written down, gone on with, and held to other limits."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from lockgate.cli import exits
from lockgate.cli.choosing import chosen, chosen_or
from lockgate.cli.params import NAMES, as_size
from lockgate.cli.session import Session, pass_session

TCP = click.option("--tcp-established", is_flag=True, help="With open connections, too.")
UNLIMITED = "-1"


@click.command(short_help="Write its processes down, to go on later.")
@click.option("-R", "--leave-running", is_flag=True, help="They run on.")
@TCP
@click.option("-k", "--keep", is_flag=True, help="Keep criu's log and statistics beside it.")
@click.option(
    "-e",
    "--export",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Make an archive of it besides.",
)
@chosen
@pass_session
def checkpoint(
    session: Session,
    names: tuple[str, ...],
    leave_running: bool,
    tcp_established: bool,
    keep: bool,
    export: Path | None,
) -> int:
    """Write all processes of the container down, so that `restore` can go on with them; they end,
    and what the run held is given back.

    Legal while it is running. Needs a criu that works with this kernel: see `doctor`. A checkpoint
    that fails changes nothing. An archive holds the processes and not the root filesystem.
    """
    _one_file(names, export, "--export")
    act = partial(
        session.engine.checkpoint,
        leave_running=leave_running,
        tcp_established=tcp_established,
        keep=keep,
        export=export,
    )
    return exits.each(names, act)


@click.command(short_help="Go on where its checkpoint was taken.")
@TCP
@click.option("-k", "--keep", is_flag=True, help="Keep the checkpoint, to go on from it again.")
@click.option(
    "-i",
    "--import",
    "source",
    metavar="FILE",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Take it from this archive; left without NAME, into a new container.",
)
@click.option("--name", "-n", metavar="N", default="", help="Of the new one, if not as the old.")
@click.option("--ignore-static-ip", is_flag=True, help="It may have any other address.")
@click.option("--ignore-static-mac", is_flag=True, help="Likewise.")
@chosen_or(lambda asked: asked["source"] is not None)
@pass_session
def restore(
    session: Session, /, names: tuple[str, ...], source: Path | None, name: str, **asked: Any
) -> int:
    """Go on with the processes of the container where its checkpoint was taken, as a new run.

    Legal from configured, stopped and exited, where there is a checkpoint. It has its addresses again.
    One that fails gives back what it took. With --import and no NAME a container is made as the
    archive says, but for what would be this host's. Whoever wrote an archive decides what the processes do.
    """
    _one_file(names, source, "--import")
    engine = session.engine
    if source is not None and not names:
        click.echo(engine.restore_archive(source, name=name, **asked).id)
        return exits.OK
    if name:
        raise click.UsageError("--name is for a new container: give --import, and no NAME")
    act = partial(engine.restore, source=source, **asked)
    return exits.each(names, act, turns=engine.turns(names))


def _one_file(names: tuple[str, ...], file: Path | None, option: str) -> None:
    if file is not None and len(names) > 1:
        raise click.UsageError(f"{option} is for one container, not {len(names)}")


# ---- limits ------------------------------------------------------------------------------


def as_limit(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A size; none at all where it is -1."""
    if value is None:
        return None
    return 0 if value.strip() == UNLIMITED else as_size(ctx, param, value)


def as_swap(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    return int(UNLIMITED) if value.strip() == UNLIMITED else as_size(ctx, param, value)


def as_cpus(ctx: click.Context, param: click.Parameter, value: str | None) -> dict[str, int]:
    """As `create` has them; 0 lifts the limit."""
    from lockgate.cli.isolation import cpus

    if value is None:
        return {}
    try:
        return cpus(value) or {"cpu_quota": 0}
    except ValueError as problem:
        raise click.BadParameter(str(problem), ctx, param) from None


@click.command(short_help="Change what it may use.")
@click.option("-m", "--memory", metavar="SIZE", callback=as_limit, help="Bytes, 64m; -1: any.")
@click.option("--memory-swap", metavar="SIZE", callback=as_swap, help="Together; -1: any.")
@click.option("--memory-reservation", metavar="SIZE", callback=as_limit, help="Soft limit.")
@click.option("--cpus", metavar="N", callback=as_cpus, help="As in 1.5; 0: any.")
@click.option("-c", "--cpu-shares", metavar="N", type=int, help="Weight among others.")
@click.option("--cpuset-cpus", metavar="SET", help="Processors, as in 0-2,7.")
@click.option("--cpuset-mems", metavar="SET", help="Memory nodes, likewise.")
@click.option("--pids-limit", "pids", metavar="N", type=int, help="Threads; 0 or -1: any.")
@NAMES
@pass_session
def update(session: Session, /, names: tuple[str, ...], cpus: dict[str, int], **asked: Any) -> int:
    """Change what the container may use, now and in runs to come. What is not named stays.

    Legal wherever it is not on its way somewhere. Where the host refuses one limit, none has changed.
    """
    return exits.each(names, partial(session.engine.update, **asked | cpus))
