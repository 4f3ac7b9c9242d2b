"""What is written on the command line, made into values: sizes, pairs, names."""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import click

SIZE_FORM = re.compile(r"(\d{1,19}(?:\.\d{1,9})?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def size(text: str) -> int:
    """Bytes: `1048576`, `64m`, `1.5g`, `512KiB`; a unit is a power of 1024. Raises `ValueError`."""
    form = SIZE_FORM.fullmatch(text.strip())
    if form is None:
        raise ValueError(f"{text!r} is no size: write bytes, or a number with k, m, g or t")
    number, unit = form.groups()
    return int(Fraction(number) * 2 ** UNITS[unit.lower()])


def as_size(ctx: click.Context, param: click.Parameter, value: str) -> int:
    try:
        return size(value)
    except ValueError as problem:
        raise click.BadParameter(str(problem), ctx, param) from None


def as_log_size(ctx: click.Context, param: click.Parameter, value: str | None) -> int:
    """`max-size=SIZE`: the only option logs have."""
    if value is None:
        return 0
    key, _, text = value.partition("=")
    if key != "max-size":
        raise click.BadParameter(f"{key!r} is no option of logs: write max-size=SIZE", ctx, param)
    return as_size(ctx, param, text)


def as_policy(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, int]:
    """`POLICY` or `on-failure:N`."""
    policy, colon, retries = value.partition(":")
    if not colon:
        return policy, 0
    if not (retries.isascii() and retries.isdecimal() and int(retries[:9])):
        raise click.BadParameter(f"{value!r}: write how often at most, as in on-failure:3")
    return policy, int(retries[:9])


AGO = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def as_moment(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """RFC 3339 (without an offset: UTC), or how long ago."""
    if value is None:
        return None
    if ago := AGO.fullmatch(value):
        return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * SECONDS[ago[2]])
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no time: write 2026-07-01T12:00:00Z, or how long ago: 90s, 10m, 2h, 1d",
            ctx,
            param,
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def words(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """A line as a shell splits it; None for one that was not given."""
    import shlex

    if value is None:
        return None
    try:
        return shlex.split(value)
    except ValueError as problem:
        raise click.BadParameter(f"{value!r}: {problem}", ctx, param) from None


def pairs(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """`K=V` given any number of times; the last one wins."""
    found: dict[str, str] = {}
    for entry in value:
        key, equals, text = entry.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{entry!r} is no pair: write KEY=VALUE", ctx, param)
        found[key] = text
    return found


def as_network(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> str | tuple[str, ...]:
    """One mode or network as it is, several networks as they come; none is the mode `none`."""
    match value:
        case ():
            return "none"
        case (one,):
            return one
        case _:
            return value


NAMES = click.argument("names", metavar="NAME...", nargs=-1, required=True)
"""Containers by name, id, or the beginning of an id that only one has."""

NAME = click.argument("name", metavar="NAME")

patience = click.option(
    "-t",
    "--timeout",
    metavar="S",
    type=int,
    help="Seconds of patience before SIGKILL; left out: as the container was made.",
)

JSON = click.option("--json", "as_json", is_flag=True, help="For scripts.")
