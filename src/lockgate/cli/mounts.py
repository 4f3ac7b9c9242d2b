"""`mount` and `unmount`: a container's root filesystem on this host, for its user."""

import click

from lockgate.cli import exits, output
from lockgate.cli.params import JSON
from lockgate.cli.session import Session, pass_session

NAMES = click.argument("names", metavar="[NAME...]", nargs=-1)


@click.command(short_help="Mount it for its user; alone: list what is mounted.")
@JSON
@NAMES
@pass_session
def mount(session: Session, names: tuple[str, ...], as_json: bool) -> int:
    """Mount the container's root filesystem, if it is not, and print where.

    Legal whatever it is doing. Each mount is counted and is to be given back by `unmount`; it
    outlasts the run and ends with a reboot. Without a NAME, list what is mounted: where, and how
    often by its user (0: by its run alone).
    """
    engine = session.engine
    if names:
        return exits.each(names, engine.mount, tell=True)
    from lockgate.cli import view

    records = engine.mounted()
    if as_json:
        output.as_json([view.mount(one) for one in records])
    else:
        output.table(view.MOUNTS, [view.mount_row(one) for one in records])
    return exits.OK


@click.command(short_help="Give back what `mount` gave.")
@click.option("-f", "--force", is_flag=True, help="All mounts at once, however many there are.")
@click.option("-a", "--all", "everything", is_flag=True, help="Whatever users have mounted.")
@NAMES
@pass_session
def unmount(session: Session, names: tuple[str, ...], force: bool, everything: bool) -> int:
    """Give back one mount of each container; with --force all of them, and what is left of any.

    Refused where its user has none. What a run needs stays until that is cleaned up.
    """
    if bool(names) == everything:
        raise click.UsageError("name containers, or say --all")
    engine = session.engine
    if everything:
        names = tuple(one.config.name for one in engine.mounted() if one.mounts)
    return exits.each(names, lambda name: engine.unmount(name, force=force))
