"""What containers are plugged into."""

import click

from lockgate.cli import exits, output
from lockgate.cli.params import JSON, NAME, NAMES
from lockgate.cli.session import Session, pass_session


@click.group(short_help="What containers are plugged into.")
def network() -> None:
    """Make networks, list them, look at them, remove them."""


@network.command(short_help="Make a bridge network on this host.")
@click.option("--subnet", metavar="CIDR", default="", help="Left out: one that is free.")
@click.option("--gateway", metavar="IP", default="", help="Left out: the subnet's first address.")
@click.option("--internal", is_flag=True, help="Its containers reach each other and nothing else.")
@click.option("--dns", metavar="IP", multiple=True, help="A name server to ask; any number.")
@NAME
@pass_session
def create(
    session: Session, name: str, subnet: str, gateway: str, internal: bool, dns: tuple[str, ...]
) -> int:
    """Make the network NAME, and print its subnet. Nothing stands on the host for it before a
    container is started in it."""
    made = session.engine.create_network(
        name, subnet=subnet, gateway=gateway, internal=internal, dns=dns
    )
    click.echo(", ".join(made.subnets))
    return exits.OK


@network.command(short_help="List the networks there are.")
@JSON
@pass_session
def ls(session: Session, as_json: bool) -> int:
    """List the networks there are, by name."""
    from lockgate.cli import view

    networks = session.engine.networks()
    if as_json:
        output.as_json([view.network(one) for one in networks])
    else:
        output.table(view.NETWORKS, [view.network_row(one) for one in networks])
    return exits.OK


@network.command(short_help="Show networks and who is plugged into them, as JSON.")
@NAMES
@pass_session
def inspect(session: Session, names: tuple[str, ...]) -> int:
    """Print a JSON list with each network and the containers made to use it.

    Those that cannot be shown are left out of the list and named on standard error.
    """
    from lockgate.cli import view

    engine, code = session.engine, exits.OK
    found: list[dict[str, object]] = []
    for name in names:
        try:
            found.append(view.network(engine.network(name)) | view.users(engine.users(name), name))
        except Exception as problem:
            told = exits.report(problem)
            code = code or told
    output.as_json(found)
    return code


@network.command(short_help="Remove networks no container uses.")
@NAMES
@pass_session
def rm(session: Session, names: tuple[str, ...]) -> int:
    """Remove networks, and what stands on the host for them. Refused while containers, running or
    not, are made to use them."""
    return exits.each(names, session.engine.remove_network)
