"""From what a caller wrote to what the engine believes: every wish checked once, at the door."""

import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from lockgate.effects.config import Attachment, PortMapping, RestartPolicy, Transport
from lockgate.effects.health import SECOND, HealthCheck, OnFailure, StartupCheck
from lockgate.errors import InvalidArgument

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
USER = re.compile(r"[a-zA-Z0-9_.-]+(:[a-zA-Z0-9_.-]+)?\Z")
MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}\Z", re.IGNORECASE)
"""Of one interface: the group bit is not set."""
PORT = re.compile(
    r"((?P<ip>[0-9.]+):|\[(?P<ip6>[0-9a-fA-F:]+)\]:)?(?P<host>\d{1,5}):(?P<inside>\d{1,5})"
    r"(/(?P<transport>tcp|udp|sctp))?\Z",
    re.ASCII,
)
REAL_TIME = re.compile(r"(SIGRTMIN(?=\+)|SIGRTMAX(?=-))([+-]\d{1,2})\Z", re.ASCII)
MAX_NAME = 128
MAX_TIMEOUT = 10 * 365 * 24 * 3600
"""Seconds. Ten years: longer is a mistake, not patience."""
MIN_MEMORY = 4 * 2**20

Wishes: TypeAlias = str | Attachment | Iterable[str | Attachment]


def name(value: str) -> str:
    if not NAME.match(value) or len(value) > MAX_NAME:
        raise InvalidArgument(
            f"{value[:MAX_NAME]!r} cannot be a name: use letters, digits, '_', '.', '-', beginning "
            f"with a letter or digit, at most {MAX_NAME}"
        )
    return value


def seconds(value: int | None, what: str = "timeout") -> int | None:
    if value is not None and not 0 <= value <= MAX_TIMEOUT:
        raise InvalidArgument(
            f"a {what} of {value} seconds makes no sense: give 0 to {MAX_TIMEOUT}"
        )
    return value


def signal_number(value: int | str) -> int:
    """`15`, `"15"`, `"TERM"`, `"SIGTERM"`, `"RTMIN+3"`, in any case."""
    text = str(value).strip().upper()
    if text.isascii() and text.isdigit():
        number = int(text[:4])
    else:
        full = text if text.startswith("SIG") else f"SIG{text}"
        found = REAL_TIME.match(full)
        near, distance = (found[1], int(found[2])) if found else (full, 0)
        number = int(getattr(signal.Signals, near, 0)) + distance
    if not 1 <= number < signal.NSIG:
        raise InvalidArgument(
            f"{value!r} is no signal: give a name such as TERM or SIGUSR1, or 1 to {signal.NSIG - 1}"
        )
    return number


def words(value: Sequence[str] | str, what: str) -> tuple[str, ...]:
    if isinstance(value, str):
        raise InvalidArgument(f"the {what} is a list of words, not one string: {value!r}")
    for word in value:
        if "\0" in word:
            raise InvalidArgument(f"the {what} holds a NUL byte: {word!r}")
    return tuple(value)


def environment(value: Mapping[str, str] | Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        mapping = cast(Mapping[str, str], value)  # an Iterable[str] might be one of other values
        pairs = tuple(f"{key}={text}" for key, text in mapping.items())
    else:
        pairs = tuple(value)
    for pair in pairs:
        key, equals, _ = pair.partition("=")
        if not key or not equals or "\0" in pair:
            raise InvalidArgument(f"{pair!r} is no environment entry: write NAME=VALUE")
    return pairs


def pairs(value: Mapping[str, str], what: str) -> tuple[tuple[str, str], ...]:
    for key, text in value.items():
        if not key or "\0" in key + text:
            raise InvalidArgument(f"{key!r} is no {what}: the key is empty or holds a NUL byte")
    return tuple(sorted(value.items()))


def restart(policy: str, retries: int) -> RestartPolicy:
    policies = get_args(RestartPolicy)
    if policy not in policies:
        raise InvalidArgument(f"{policy!r} is no restart policy: {', '.join(policies)}")
    if retries < 0 or (retries and policy != "on-failure"):
        raise InvalidArgument(f"{retries} retries make no sense with {policy!r}: only on-failure")
    return cast(RestartPolicy, policy)


def user(value: str) -> str:
    if value and not USER.match(value):
        raise InvalidArgument(f"{value!r} is no user: write NAME|UID[:GROUP|GID]")
    return value


def workdir(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise InvalidArgument(f"the working directory {value!r} is not an absolute path")
    return value


def attachments(value: Wishes) -> tuple[Attachment, ...]:
    """Networks by name, each once; `web`, `web:ip=10.0.0.2,mac=02:00:00:00:00:01,alias=db`."""
    wishes = (value,) if isinstance(value, str | Attachment) else tuple(value)
    found = tuple(one if isinstance(one, Attachment) else attachment(one) for one in wishes)
    names = [one.network for one in found]
    for one in found:
        if names.count(one.network) > 1:
            raise InvalidArgument(f"the network {one.network!r} is given twice")
    return found


def attachment(text: str) -> Attachment:
    """`NAME[:ip=ADDRESS,mac=ADDRESS,alias=NAME]`; any number of aliases."""
    network, _, wishes = text.partition(":")
    ip, mac, aliases = "", "", list[str]()
    for wish in filter(None, wishes.split(",")):
        key, _, given = wish.partition("=")
        match key:
            case "ip":
                ip = address(given)
            case "mac" if MAC.match(given):
                mac = given.lower()
            case "alias":
                aliases.append(name(given))
            case _:
                raise InvalidArgument(
                    f"{wish!r} is no wish of network {network!r}: write ip=ADDRESS, "
                    "mac=02:00:00:00:00:01 or alias=NAME"
                )
    return Attachment(name(network), ip, mac, tuple(aliases))


def ports(value: Iterable[str | PortMapping]) -> tuple[PortMapping, ...]:
    if isinstance(value, str):
        raise InvalidArgument(f"ports are a list, not one string: {value!r}")
    return tuple(one if isinstance(one, PortMapping) else port(one) for one in value)


def port(text: str) -> PortMapping:
    """`[ADDRESS:]HOST:CONTAINER[/tcp|udp|sctp]`; an IPv6 address in brackets."""
    form = PORT.match(text)
    if form is None:
        raise InvalidArgument(
            f"{text!r} publishes no port: write [ADDRESS:]HOST:CONTAINER[/tcp|udp|sctp]"
        )
    host, inside = int(form["host"]), int(form["inside"])
    if not (0 < host < 2**16 and 0 < inside < 2**16):
        raise InvalidArgument(f"{text!r}: a port is a number from 1 to 65535")
    at = form["ip"] or form["ip6"] or ""
    transport = cast(Transport, form["transport"] or "tcp")
    return PortMapping(host, inside, address(at) if at else "", transport)


def subnet(value: str) -> str:
    try:
        found = ip_network(value)
    except ValueError as problem:
        raise InvalidArgument(f"{value!r} is no subnet: {problem}") from None
    if found.num_addresses < 4:
        raise InvalidArgument(f"the subnet {value} has no room for a gateway and a container")
    return str(found)


def address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise InvalidArgument(f"{value!r} is no IP address") from None


def memory(value: int) -> int:
    if value and not MIN_MEMORY <= value < 2**63:
        raise InvalidArgument(
            f"a memory limit of {value} bytes makes no sense: give 0 (none) or at least {MIN_MEMORY}"
        )
    return value


MIN_LOG = 4096
"""Bytes: a log has room for some lines, or it is of no use."""


def log_size(value: int) -> int:
    if value and not MIN_LOG <= value < 2**63:
        raise InvalidArgument(
            f"a log of at most {value} bytes makes no sense: give 0 (no limit) or at least {MIN_LOG}"
        )
    return value


def rootfs(value: str | Path) -> str:
    path = Path(value).absolute()
    if not path.is_dir():
        raise InvalidArgument(f"the root filesystem {str(path)!r} is not a directory")
    return str(path.resolve())


LONGEST = 10**9 * SECOND
"""A duration, in nanoseconds: some thirty years."""

KEPT, WRITTEN = 1000, 1 << 20
"""Results of health checks that may be kept, and bytes of what they wrote, in all."""


def health(check: HealthCheck | Literal["none"] | None) -> HealthCheck | None:
    """`none` is no check, whatever the image says."""
    if check is None or check == "none":
        return None
    _checkable("health check", check)
    if not 0 <= check.start_period <= LONGEST:
        raise InvalidArgument("the start period of a health check is 0 or more, at most 30 years")
    if check.retries < 1:
        raise InvalidArgument("a health check makes unhealthy after one failure at the earliest")
    if check.on_failure not in get_args(OnFailure):
        raise InvalidArgument(
            f"what becomes of an unhealthy container is one of {', '.join(get_args(OnFailure))}, "
            f"not {check.on_failure!r}"
        )
    if not (1 <= check.keep <= KEPT and check.size >= 0 and check.keep * check.size <= WRITTEN):
        raise InvalidArgument(
            f"of health checks 1 to {KEPT} results are kept, with {WRITTEN} bytes of output in all"
        )
    if startup := check.startup:
        _checkable("start-up check", startup)
        if startup.retries < 0 or startup.successes < 1:
            raise InvalidArgument("a start-up check has passed after one success at the earliest")
    return check


def _checkable(what: str, check: HealthCheck | StartupCheck) -> None:
    if not words(check.command, f"command of a {what}"):
        raise InvalidArgument(f"a {what} needs a command")
    if not (0 < check.interval <= LONGEST and 0 < check.timeout <= LONGEST):
        raise InvalidArgument(
            f"interval and timeout of a {what} are more than nothing, at most 30 years"
        )
