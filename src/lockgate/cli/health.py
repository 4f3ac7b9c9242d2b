"""Health checks on the command line: how they are wished for, and one run by hand."""

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import click

from lockgate.cli import exits
from lockgate.cli.params import NAME
from lockgate.cli.session import Session, pass_session

if TYPE_CHECKING:
    from lockgate.effects.health import HealthCheck

SECOND = 1_000_000_000
ON_FAILURE = ("none", "kill", "stop", "restart")
"""As `lockgate.effects.health` has them; the help page loads nothing of it."""

DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)", re.ASCII)
UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}


def duration(text: str) -> int:
    """Nanoseconds: `500ms`, `1.5s`, `1m30s`, `0`. Raises `ValueError`."""
    found = DURATION.findall(text)
    if text != "0" and "".join(number + unit for number, unit in found) != (text or "?"):
        raise ValueError(f"{text!r} is no duration: write 500ms, 30s, 1m30s or 2h")
    return int(sum(Fraction(number) * UNITS[unit] for number, unit in found) * SECOND)


def as_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else duration(value)
    except ValueError as problem:
        raise click.BadParameter(str(problem), ctx, param) from None


def test(text: str) -> tuple[str, ...]:
    """A line for the shell, or a list of words as JSON (MAP L-145): `["CMD", …]` and
    `["CMD-SHELL", LINE]`, too. Empty for `none`. Raises `ValueError`."""
    import msgspec

    from lockgate.effects.health import command_of

    if text in ("none", "NONE"):
        return ()
    if not text.startswith("["):
        return command_of(("CMD-SHELL", text.removeprefix("CMD-SHELL ")))
    try:
        return command_of(tuple(msgspec.json.decode(text, type=list[str])))
    except msgspec.DecodeError as problem:
        raise ValueError(f"{text!r}: {problem}") from None


def as_test(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    try:
        return None if value is None else test(value)
    except ValueError as problem:
        raise click.BadParameter(str(problem), ctx, param) from None


def _test(name: str, help: str) -> Any:
    return click.option(name, metavar="LINE", callback=as_test, help=help)


def _time(name: str, help: str) -> Any:
    return click.option(name, metavar="T", callback=as_duration, help=help)


def _count(name: str, least: int, help: str) -> Any:
    return click.option(name, metavar="N", type=click.IntRange(least), help=help)


HEALTH = (
    _test(
        "--health-cmd",
        "Run in it again and again; 0 is health. A line for its shell, or words as JSON; none: not "
        "even that of the image.",
    ),
    _time("--health-interval", "From the end of one check to the next [30s]."),
    _time("--health-timeout", "After that a check is killed, and has failed [30s]."),
    _count("--health-retries", 1, "Failures in a row that make it unhealthy [3]."),
    _time("--health-start-period", "How long failures do not count [0]."),
    click.option(
        "--health-on-failure",
        type=click.Choice(ON_FAILURE),
        help="What becomes of it when it is unhealthy [none].",
    ),
    _count("--health-max-log-count", 1, "Results that are kept [5]."),
    _count("--health-max-log-size", 0, "Bytes that are kept of what each wrote [500]."),
    _test("--health-startup-cmd", "Checked first, until it has passed."),
    _time("--health-startup-interval", "As above, for that one [30s]."),
    _time("--health-startup-timeout", "As above, for that one [30s]."),
    _count(
        "--health-startup-retries",
        0,
        "Failures in a row after which it is started anew; 0: never [0].",
    ),
    _count("--health-startup-success", 1, "Successes in a row that count as started [1]."),
    click.option("--no-healthcheck", is_flag=True, help="The same as --health-cmd none."),
)
"""For `create` and `run`."""

NAMES = {
    "cmd": "command",
    "success": "successes",
    "max_log_count": "keep",
    "max_log_size": "size",
}
"""What an option's name is as a field, where that is another."""


def wished(asked: dict[str, Any]) -> "HealthCheck | Literal['none'] | None":
    """Take what is about health out of `asked`; None where nothing is said of it."""
    off = asked.pop("no_healthcheck")
    names = [name for name in asked if name.startswith("health_")]
    given = {name: value for name in names if (value := asked.pop(name)) is not None}
    if off or given.get("health_cmd") == ():
        if len(given) > (0 if off else 1):
            raise click.UsageError("no health check is wished for, and something is said of it")
        return "none"
    if not given:
        return None
    return _check(given)


def _check(given: dict[str, Any]) -> "HealthCheck":
    from lockgate.effects.health import HealthCheck, StartupCheck

    if "health_cmd" not in given:
        first = next(iter(given)).replace("_", "-")
        raise click.UsageError(f"--{first} says how a check is run: say which, with --health-cmd")
    startup = {name: given.pop(name) for name in [*given] if name.startswith("health_startup_")}
    if startup and not startup.get("health_startup_cmd"):
        first = next(iter(startup)).replace("_", "-")
        raise click.UsageError(f"--{first} wants a --health-startup-cmd")
    started = StartupCheck(**_fields("health_startup_", startup)) if startup else None
    return HealthCheck(**_fields("health_", given), startup=started)


def _fields(prefix: str, given: dict[str, Any]) -> dict[str, Any]:
    short = ((name.removeprefix(prefix), value) for name, value in given.items())
    return {NAMES.get(name, name): value for name, value in short}


@click.group()
def healthcheck() -> None:
    """Health checks: wished for with --health-cmd, run while it runs, and shown by inspect."""


@healthcheck.command("run", short_help="Run the check that is next, now.")
@NAME
@pass_session
def run(session: Session, name: str) -> int:
    """Run the check that is next, now, and do what follows from it. Exits with 0 when it passed and
    with 1 when it did not; what it wrote is shown.
    """
    result = session.engine.check(name)
    click.echo(result.output, nl=not result.output.endswith("\n"))
    return exits.OK if result.passed else exits.FAILURE
