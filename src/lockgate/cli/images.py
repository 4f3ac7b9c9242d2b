"""What containers are made from."""

import time

import click

from lockgate.cli import exits, output
from lockgate.cli.params import JSON, words
from lockgate.cli.session import Session, pass_session

IMAGE_NAMES = click.argument("names", metavar="NAME...", nargs=-1, required=True)


@click.group(short_help="What containers are made from.")
def image() -> None:
    """Import images, look at them, remove them."""


@image.command("import", short_help="Make an image from a layout, an archive or a directory.")
@click.argument("name")
@click.argument("source", metavar="ARCHIVE|DIR")
@click.option(
    "--command",
    metavar="LINE",
    callback=words,
    help="Default command, as a shell splits it, in place of the image's entrypoint and command.",
)
@click.option("-e", "--env", metavar="K=V", multiple=True, help="Default environment; any number.")
@click.option("-w", "--workdir", metavar="DIR", help="Default working directory.")
@click.option("-u", "--user", metavar="U[:G]", help="Default user.")
@click.option(
    "--ref", "reference", metavar="R", default="", help="Which image, where there are several."
)
@click.option(
    "--platform", metavar="OS/ARCH[/V]", default="", help="For which machine; left out: this one."
)
@pass_session
def import_image(
    session: Session,
    name: str,
    source: str,
    command: list[str] | None,
    env: tuple[str, ...],
    workdir: str | None,
    user: str | None,
    reference: str,
    platform: str,
) -> int:
    """Make the image NAME, and print its id: from an OCI image layout (a directory or an archive),
    a docker archive, or a root filesystem (a tar archive or a directory). What it is, is told by
    what is in it; what is left out here, is as the image has it.

    A name there is already is given the new meaning; containers made from the old one keep it.
    """
    made = session.engine.import_image(
        name,
        source,
        command=command,
        env=env or None,
        workdir=workdir,
        user=user,
        reference=reference,
        platform=platform,
    )
    click.echo(made.id)
    return exits.OK


@image.command(short_help="List the images there are.")
@JSON
@pass_session
def ls(session: Session, as_json: bool) -> int:
    """List the images there are, by name."""
    from lockgate.cli import view

    images = session.engine.images()
    if as_json:
        output.as_json([view.image(one) for one in images])
    else:
        now = time.time_ns()
        output.table(view.IMAGES, [view.image_row(one, now) for one in images])
    return exits.OK


@image.command(short_help="Show all there is to know of images, as JSON.")
@IMAGE_NAMES
@pass_session
def inspect(session: Session, names: tuple[str, ...]) -> int:
    """Show, as JSON, all there is to know of images: what they are made of, and how they want to
    be run. Those that cannot be shown are left out of the list and named on standard error."""
    from lockgate.cli import view

    engine = session.engine
    found, code = exits.gathered(names, lambda name: view.image(engine.image(name)))
    output.as_json(found)
    return code


@image.command(short_help="Remove images, and what only they have on disk.")
@click.option("-f", "--force", is_flag=True, help="Remove the containers made from them first.")
@IMAGE_NAMES
@pass_session
def rm(session: Session, names: tuple[str, ...], force: bool) -> int:
    """Remove images by name or id, and the layers no other image has. One that containers are made
    from stays, unless it has another name, or they are removed with it by force."""

    engine = session.engine
    return exits.each(names, lambda name: engine.remove_image(name, force=force))
