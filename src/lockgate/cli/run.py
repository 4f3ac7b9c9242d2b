"""`create` and `run`: one set of wishes, and what it means to stay with a container to its end.

The rule of staying: while we do, the signals that would end us are the container's.
"""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import click

from lockgate.cli import exits
from lockgate.cli.health import HEALTH, wished
from lockgate.cli.joining import KEYS, relayed
from lockgate.cli.params import as_log_size, as_network, as_policy, as_size, pairs, words
from lockgate.cli.session import Session, pass_session
from lockgate.cli.streams import show
from lockgate.cli.wishes import ISOLATION

if TYPE_CHECKING:
    from lockgate.engine import Engine
    from lockgate.statemachine.record import Record

PASSED_ON = (signal.SIGINT, signal.SIGTERM)
ENOUGH = 3
"""The signal that is passed on as SIGKILL: by then, the container has shown that it will not go."""

UNKNOWN = -1
"""The exit code of an end that nobody saw."""

WISHES = (
    click.argument("command", metavar="[--] [CMD]...", nargs=-1, type=click.UNPROCESSED),
    click.option("--name", metavar="N", default="", help="Its name; left out: the id's beginning."),
    click.option("--image", metavar="NAME", default="", help="The image it is made from, …"),
    click.option("--rootfs", metavar="DIR", default="", help="… or a root filesystem, in place."),
    click.option(
        "--entrypoint",
        metavar="LINE",
        callback=words,
        help="Before the command, as a shell splits it, in place of the image's; '' for none.",
    ),
    click.option(
        "--net",
        "--network",
        "network",
        metavar="NET",
        multiple=True,
        callback=as_network,
        help="none [the default], host, private, container:C, or any number of NAME[:ip=A,mac=A,alias=N].",
    ),
    click.option(
        "-p",
        "--publish",
        "ports",
        metavar="[IP:]HOST:CTR[/udp]",
        multiple=True,
        help="A port of the host that leads to one of the container; any number.",
    ),
    click.option(
        "-m",
        "--memory",
        metavar="SIZE",
        default="0",
        callback=as_size,
        help="Limit: bytes, or 64m, 1.5g.",
    ),
    click.option("-e", "--env", metavar="K=V", multiple=True, help="Environment; any number."),
    click.option("-w", "--workdir", metavar="DIR", default="", help="Where its process begins."),
    click.option("-u", "--user", metavar="U[:G]", default="", help="Name or number, group too."),
    click.option("--hostname", metavar="H", default="", help="Left out: the id's beginning."),
    click.option("--stop-signal", metavar="S", default="", help="What `stop` sends [TERM]."),
    click.option(
        "--stop-timeout",
        metavar="S",
        type=int,
        default=10,
        show_default=True,
        help="Seconds from the stop signal to SIGKILL.",
    ),
    click.option(
        "--log-opt",
        "log_size",
        metavar="max-size=SIZE",
        callback=as_log_size,
        help="Its log is begun anew after so much.",
    ),
    click.option(
        "-l", "--label", "labels", metavar="K=V", multiple=True, callback=pairs, help="Any number."
    ),
    click.option(
        "--annotation",
        "annotations",
        metavar="K=V",
        multiple=True,
        callback=pairs,
        help="For the OCI runtime; any number.",
    ),
    click.option(
        "--requires",
        metavar="NAME",
        multiple=True,
        help="A container that is to run while this one does; any number, or with commas.",
    ),
    click.option("--pod", metavar="POD", default="", help="The pod it lives in."),
    click.option(
        "--init-ctr",
        "init",
        type=click.Choice(["always", "once"]),
        default=None,
        help="It runs to its end before the others of its pod: each time, or once.",
    ),
    click.option("-i", "--interactive", "stdin", is_flag=True, help="It reads what we are given."),
    click.option("-t", "--tty", "terminal", is_flag=True, help="It has a terminal."),
    click.option("--rm", "auto_remove", is_flag=True, help="Remove it when its run is over."),
    click.option(
        "--restart",
        metavar="POLICY",
        default="no",
        callback=as_policy,
        help="Another run after each: no, on-failure[:N], always, unless-stopped.",
    ),
)
"""Parameters of the names and types that `Engine.create` has, but for `restart`."""

ITS_OWN = {"allow_interspersed_args": False}
"""From the first word of the container's command on, options are the container's."""


def wanted(asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, as arguments of `Engine.create`; `on-failure:3` is two of them."""
    from lockgate.cli.isolation import grouped

    policy, retries = asked.pop("restart")
    named = [one for entry in asked.pop("requires") for one in entry.split(",")]
    changed = {"restart": policy, "restart_retries": retries, "requires": named}
    changed |= {"health": wished(asked), "init": asked.pop("init") or ""}
    return grouped(asked) | changed


def wishes(command: Callable[..., int]) -> Callable[..., int]:
    for one in reversed((*WISHES, *HEALTH, *ISOLATION)):
        command = one(command)
    return command


@click.command(short_help="Make a container; nothing runs yet.", context_settings=ITS_OWN)
@wishes
@pass_session
def create(session: Session, /, **asked: Any) -> int:
    """Make a container: claim its name, make its writable layer. Prints the id; nothing runs yet.

    What is left out is taken from the image.
    """
    click.echo(session.engine.create(**wanted(asked)).id)
    return exits.OK


@click.command(short_help="Make a container, start it, stay to its end.", context_settings=ITS_OWN)
@click.option("-d", "--detach", is_flag=True, help="Print the id and leave it running.")
@KEYS
@wishes
@pass_session
def run(session: Session, /, detach: bool, detach_keys: str, **asked: Any) -> int:
    """Make a container, start it, show what it writes, and exit with its exit code.

    SIGINT and SIGTERM are passed on to it; the third one as SIGKILL. What goes wrong before it
    runs has codes of its own: 126 if the command cannot be executed, 127 if it was not found, 125
    for all else.
    """
    try:
        engine = session.engine
        record = engine.create(**wanted(asked))
        with ExitStack() as stack:
            if record.config.auto_remove:
                stack.callback(_removed, engine, record.id)
            if not detach and (record.config.stdin or record.config.terminal):
                engine.init(record.id)
                begin = partial(engine.start, record.id)
                if not relayed(engine, record, detach_keys, True, begin):
                    return _code(engine, record)
                stack.pop_all()  # whoever has left it to itself means it to live on
                return exits.OK
            if not detach:
                return _stayed(engine, record)
            engine.start(record.id)
            stack.pop_all()  # it lives on, and so does the wish
            click.echo(record.id)
            return exits.OK
    except Exception as problem:
        told = exits.of_run(problem)
        if told is None:
            raise
        raise told from problem


def _stayed(engine: "Engine", record: "Record") -> int:
    """Start it, show what it writes, and return its exit code."""
    with Signals() as signals:
        engine.start(record.id)
        signals.go_to(engine, record.id)
        show(engine.logs(record.id, follow=True))
        return _code(engine, record)


def _code(engine: "Engine", record: "Record") -> int:
    code = engine.wait(record.id)
    if code != UNKNOWN:
        return code
    reason = engine.inspect(record.id).exit_reason
    name = record.config.name
    raise exits.Problem(f"how container {name} ended is not known: {reason}", exits.NOT_RUN)


def _removed(engine: "Engine", container: str) -> None:
    from lockgate.errors import NoSuchContainer

    try:
        engine.remove(container, force=True)
    except NoSuchContainer:
        pass  # somebody else was faster
    except Exception as problem:
        exits.report(problem)  # the exit code stays the container's


# ---- signals -----------------------------------------------------------------------------


class Signals:
    """SIGINT and SIGTERM, noted from here on, and passed on once there is somebody to take them.

    The handlers only take note, since whoever they interrupt may hold the container's lock: it
    takes another thread to ask the engine for anything.
    """

    def __enter__(self) -> "Signals":
        self._noted: SimpleQueue[int | None] = SimpleQueue()
        self._carrier: Thread | None = None
        self._before = {one: signal.signal(one, self._note) for one in PASSED_ON}
        return self

    def __exit__(self, *reason: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)
        self._noted.put(None)
        if self._carrier:
            self._carrier.join()

    def _note(self, number: int, frame: object) -> None:
        self._noted.put(number)

    def go_to(self, engine: "Engine", container: str) -> None:
        self._carrier = Thread(target=self._carry, args=(engine, container), daemon=True)
        self._carrier.start()

    def _carry(self, engine: "Engine", container: str) -> None:
        from lockgate.errors import LockgateError

        for count, number in enumerate(iter(self._noted.get, None), start=1):
            try:
                engine.kill(container, signal.SIGKILL if count >= ENOUGH else number)
            except LockgateError:
                pass  # it has ended, or is gone: nobody is left to hear it
