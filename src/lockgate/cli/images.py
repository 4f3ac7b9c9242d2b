"""What containers are made from."""

import time

import click

from lockgate.cli import exits, output
from lockgate.cli.params import JSON
from lockgate.cli.session import Session, pass_session


@click.group(short_help="What containers are made from.")
def image() -> None:
    """Import images and list them."""


@image.command("import", short_help="Make an image from a tar archive or a directory.")
@click.argument("name")
@click.argument("source", metavar="TAR|DIR")
@click.option(
    "--command", metavar="LINE", default="", help="Default command, as a shell splits it."
)
@click.option("-e", "--env", metavar="K=V", multiple=True, help="Default environment; any number.")
@click.option("-w", "--workdir", metavar="DIR", default="/", help="Default working directory.")
@click.option("-u", "--user", metavar="U[:G]", default="", help="Default user.")
@pass_session
def import_image(
    session: Session,
    name: str,
    source: str,
    command: str,
    env: tuple[str, ...],
    workdir: str,
    user: str,
) -> int:
    """Make the image NAME from a tar archive or a directory, and print its id.

    A name there is already is given the new meaning; containers made from the old one keep it.
    """
    made = session.engine.import_image(
        name, source, command=_words(command), env=env, workdir=workdir, user=user
    )
    click.echo(made.id)
    return exits.OK


def _words(line: str) -> list[str]:
    import shlex

    try:
        return shlex.split(line)
    except ValueError as problem:
        raise click.BadParameter(f"{line!r}: {problem}", param_hint="--command") from None


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
