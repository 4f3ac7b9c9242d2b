"""Directories that outlive containers."""

import time

import click

from lockgate.cli import exits, output
from lockgate.cli.params import JSON, NAMES, pairs
from lockgate.cli.session import Session, pass_session


@click.group(short_help="Directories that outlive containers.")
def volume() -> None:
    """Make volumes, list them, look at them, remove them."""


@volume.command(short_help="Make an empty volume.")
@click.argument("name", default="")
@click.option(
    "-l", "--label", "labels", metavar="K=V", multiple=True, callback=pairs, help="Any number."
)
@pass_session
def create(session: Session, name: str, labels: dict[str, str]) -> int:
    """Make the volume NAME, or one that is given a name, and print its name. The first container
    that mounts it while it is empty gives it what its image has there."""
    click.echo(session.engine.create_volume(name, labels=labels).name)
    return exits.OK


@volume.command(short_help="List the volumes there are.")
@click.option("-q", "--quiet", is_flag=True, help="Names only, one a line.")
@JSON
@pass_session
def ls(session: Session, quiet: bool, as_json: bool) -> int:
    """List the volumes there are, by name; also those that go with their containers."""
    from lockgate.cli import view

    volumes = session.engine.volumes()
    if as_json:
        output.as_json([view.volume(one) for one in volumes])
    elif quiet:
        click.echo("".join(f"{one.name}\n" for one in volumes), nl=False)
    else:
        now = time.time_ns()
        output.table(view.VOLUMES, [view.volume_row(one, now) for one in volumes])
    return exits.OK


@volume.command(short_help="Show volumes and who uses them, as JSON.")
@NAMES
@pass_session
def inspect(session: Session, names: tuple[str, ...]) -> int:
    """Print a JSON list with each volume and the containers made to use it. Those that cannot be
    shown are left out of the list and named on standard error."""
    from lockgate.cli import view

    engine = session.engine

    def shown(name: str) -> dict[str, object]:
        users = [one.config.name for one in engine.volume_users(name)]
        return {**view.volume(engine.volume(name)), "users": users}

    found, code = exits.gathered(names, shown)
    output.as_json(found)
    return code


@volume.command(short_help="Remove volumes no container uses, with all that is in them.")
@click.option("-f", "--force", is_flag=True, help="Remove the containers at rest that use them.")
@NAMES
@pass_session
def rm(session: Session, names: tuple[str, ...], force: bool) -> int:
    """Remove volumes and all that is in them. Refused while containers, running or not, are made
    to use them."""
    engine = session.engine
    return exits.each(names, lambda name: engine.remove_volume(name, force=force))
