"""Small files kept with a container, out of its reach."""

import sys
from pathlib import Path

import click

from lockgate.cli import exits, output
from lockgate.cli.params import JSON, NAME
from lockgate.cli.session import Session, pass_session

FILE = click.argument("artifact", metavar="ARTIFACT")


@click.group(short_help="Small files kept with a container.")
def artifact() -> None:
    """Keep small files with a container, under names, and find them again. The container never
    sees them; they go when it is removed."""


@artifact.command(short_help="Keep a file under a name.")
@NAME
@FILE
@click.argument("source", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@pass_session
def add(session: Session, name: str, artifact: str, source: str) -> int:
    """Keep the content of FILE (`-`: of standard input) as ARTIFACT of the container NAME; 1 MiB at
    most. What had that name is replaced."""
    content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    session.engine.put_artifact(name, artifact, content)
    click.echo(artifact)
    return exits.OK


@artifact.command(short_help="Write its content to standard output.")
@NAME
@FILE
@pass_session
def get(session: Session, name: str, artifact: str) -> int:
    """Write the content of an artifact to standard output."""
    click.echo(session.engine.artifact(name, artifact), nl=False)
    return exits.OK


@artifact.command(short_help="List what is kept with a container.")
@JSON
@NAME
@pass_session
def ls(session: Session, name: str, as_json: bool) -> int:
    """List the artifacts of a container, one a line."""
    found = session.engine.artifacts(name)
    if as_json:
        output.as_json(found)
    else:
        click.echo("".join(f"{one}\n" for one in found), nl=False)
    return exits.OK


@artifact.command(short_help="Remove artifacts of a container.")
@NAME
@click.argument("artifacts", metavar="ARTIFACT...", nargs=-1, required=True)
@pass_session
def rm(session: Session, name: str, artifacts: tuple[str, ...]) -> int:
    """Remove artifacts of the container NAME."""
    return exits.each(artifacts, lambda one: session.engine.remove_artifact(name, one))
