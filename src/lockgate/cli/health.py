"""Health checks on the command line: how they are wished for, and one run by hand.

What they become is imported where it is made: help and mistyped options need not wait for it.
"""

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from lockgate.cli import exits
from lockgate.cli.session import Session, pass_session

if TYPE_CHECKING:
    from lockgate.effects.health import HealthCheck

DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)", re.ASCII)
SECOND = 10**9
UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}
ACTIONS = ("none", "kill", "stop", "restart")


def duration(text: str) -> int:
    """Nanoseconds: `500ms`, `1.5s`, `1m30s`, `0`. Raises `ValueError`."""
    found = DURATION.findall(text)
    if text != "0" and "".join(number + unit for number, unit in found) != (text or "?"):
        raise ValueError(f"{text!r} is no duration: write 500ms, 30s, 1m30s or 2h")
    return int(sum(Fraction(number) * UNITS[unit] for number, unit in found) * SECOND)


def as_duration(ctx: click.Context, param: click.Parameter, value: str) -> int:
    try:
        return duration(value)
    except ValueError as problem:
        raise click.BadParameter(str(problem), ctx, param) from None


def test(text: str) -> tuple[str, ...]:
    """A line for the shell, or a list of words as JSON (MAP L-145): `["CMD", …]` and
    `["CMD-SHELL", LINE]`, too. Empty for `none`. Raises `ValueError`."""
    import msgspec

    words = [text]
    if text.startswith("["):
        try:
            words = msgspec.json.decode(text, type=list[str])
        except msgspec.DecodeError as problem:
            raise ValueError(f"{text!r}: {problem}") from None
    elif text.split(" ", 1)[0] == "CMD-SHELL":
        words = text.split(" ", 1)
    match words:
        case ["none" | "NONE"]:
            return ()
        case ["CMD-SHELL", *line]:
            return ("/bin/sh", "-c", " ".join(line))
        case ["CMD", *command]:
            return tuple(command)
        case [line] if not text.startswith("["):
            return ("/bin/sh", "-c", line)
        case _:
            return tuple(words)


def as_test(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    try:
        return test(value) if value is not None else ()
    except ValueError as problem:
        raise click.BadParameter(str(problem), ctx, param) from None


def _time(name: str, default: str, help: str) -> Any:
    return click.option(
        name, metavar="T", default=default, show_default=True, callback=as_duration, help=help
    )


HEALTH = (
    click.option(
        "--health-cmd",
        metavar="LINE",
        callback=as_test,
        help="Run in it again and again; 0 is health. A line for its shell, or words as JSON.",
    ),
    _time("--health-interval", "30s", "From the end of one check to the next."),
    _time("--health-timeout", "30s", "After that a check is killed, and has failed."),
    click.option(
        "--health-retries",
        metavar="N",
        type=click.IntRange(1),
        default=3,
        show_default=True,
        help="Failures in a row that make it unhealthy.",
    ),
    _time("--health-start-period", "0s", "How long failures do not count."),
    click.option(
        "--health-on-failure",
        type=click.Choice(ACTIONS),
        default="none",
        show_default=True,
        help="What becomes of it when it is unhealthy.",
    ),
    click.option(
        "--health-startup-cmd",
        metavar="LINE",
        callback=as_test,
        help="Checked first, until it has passed.",
    ),
    _time("--health-startup-interval", "30s", "As above, for that one."),
    _time("--health-startup-timeout", "30s", "As above, for that one."),
    click.option(
        "--health-startup-retries",
        metavar="N",
        type=click.IntRange(0),
        default=0,
        help="Failures in a row after which it is started anew; 0: never.",
    ),
    click.option(
        "--health-startup-success",
        metavar="N",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Successes in a row that count as started.",
    ),
)
"""For `create` and `run`."""


def wished(asked: dict[str, Any]) -> "HealthCheck | None":
    """Take what is about health out of `asked`; None where no check is wished for."""
    from lockgate.effects.health import HealthCheck, StartupCheck

    given = {name: asked.pop(name) for name in [*asked] if name.startswith("health_")}
    command = given["health_cmd"]
    startup = given["health_startup_cmd"]
    if not command:
        if startup:
            raise click.UsageError("--health-startup-cmd goes before --health-cmd: give both")
        return None
    return HealthCheck(
        command=command,
        interval=given["health_interval"],
        timeout=given["health_timeout"],
        retries=given["health_retries"],
        start_period=given["health_start_period"],
        on_failure=given["health_on_failure"],
        startup=StartupCheck(
            command=startup,
            interval=given["health_startup_interval"],
            timeout=given["health_startup_timeout"],
            retries=given["health_startup_retries"],
            successes=given["health_startup_success"],
        )
        if startup
        else None,
    )


@click.group(short_help="Run the health check of a container.")
def healthcheck() -> None:
    """Health checks: see --health-cmd of `create`."""


@healthcheck.command("run", short_help="Run the check that is next, now.")
@click.argument("name", metavar="NAME")
@pass_session
def run(session: Session, name: str) -> int:
    """Run the check that is next, now, and do what follows from it. Exits with 0 when it passed and
    with 1 when it did not; what it wrote is shown.
    """
    result = session.engine.check(name)
    click.echo(result.output, nl=not result.output.endswith("\n"))
    return exits.OK if result.passed else exits.FAILURE
