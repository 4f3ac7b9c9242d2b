"""What this machine offers, and what is installed on it."""

import platform

import click

import lockgate
from lockgate.cli import exits, output
from lockgate.cli.params import JSON
from lockgate.cli.session import Session, pass_session


@click.command(short_help="Check what this machine offers, advise.")
@JSON
@pass_session
def doctor(session: Session, as_json: bool) -> int:
    """Look at what containers need of this machine: kernel, runtime, monitor, rights. Changes
    nothing; exits with 1 if something is missing."""
    from lockgate.adapters.doctor import survey

    report = survey(session.root)
    if as_json:
        output.as_json(report.checks)
    else:
        rows = [(one.verdict, one.name, one.found, one.advice) for one in report.checks]
        output.table(("VERDICT", "CHECK", "FOUND", "ADVICE"), rows)
    return exits.OK if report.ready else exits.FAILURE


@click.command(short_help="Tell the versions: of lockgate, its law, Python.")
def version() -> int:
    """Tell the versions that a report of a problem should name."""
    from lockgate.statemachine.law import LAW

    click.echo(f"lockgate {lockgate.__version__}, law {LAW}, Python {platform.python_version()}")
    return exits.OK
