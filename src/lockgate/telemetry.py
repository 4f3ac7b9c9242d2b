"""What an engine does, told to whoever listens: a span for each command and each effect of it
(OpenTelemetry), and a record for each in the logger `lockgate`.

Nobody listens unless somebody said so. Where the program we are part of has not loaded
OpenTelemetry's API, nobody can have set a tracer, and a span is a look into `sys.modules`; nothing is
imported for it. Records have no handler of their own.
"""

import logging
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from returns.result import Failure, Result, Success

from lockgate.effects.interpreter import Gate, Interpreter
from lockgate.effects.model import Order
from lockgate.effects.outcome import Failed, Fault, Outcome
from lockgate.statemachine.inputs import Input
from lockgate.statemachine.record import Record, Refused

if TYPE_CHECKING:
    from opentelemetry.trace import Span

CarryOut: TypeAlias = Callable[[Record, Order], Outcome]
Facts: TypeAlias = dict[str, str | int | bool]

LOGGER = "lockgate"
PREFIX = "lockgate."
"""Of the names of spans and of their attributes."""

API = "opentelemetry.trace"

logging.getLogger(LOGGER).addHandler(logging.NullHandler())  # else warnings go to stderr


class Telling:
    """One span; nothing where nobody listens."""

    def __init__(self, span: "Span | None" = None) -> None:
        self._span = span

    def told(self, facts: Facts) -> None:
        if self._span is not None:
            self._span.set_attributes({PREFIX + name: fact for name, fact in facts.items()})

    def failed(self, fault: Fault) -> None:
        if self._span is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_status(Status(StatusCode.ERROR, fault.reason))
            self.told({"fault": fault.kind, "dirty": fault.dirty})


NOBODY = Telling()


@contextmanager
def span(name: str, facts: Facts) -> Generator[Telling]:
    """A span of this name, the current one until the end of the block. An exception is noted in it, and
    flies on."""
    if API not in sys.modules:
        yield NOBODY
        return
    from opentelemetry import trace

    attributes = {PREFIX + key: fact for key, fact in facts.items()}
    with trace.get_tracer(LOGGER).start_as_current_span(
        PREFIX + name, attributes=attributes
    ) as own:
        yield Telling(own)


def performed(record: Record, order: Order, carry_out: CarryOut) -> Outcome:
    """Carry out an order, and tell of it."""
    effect = type(order.effect).__name__
    verb = str(record.operation.verb) if record.operation else ""
    facts: Facts = {
        **_about(record),
        "operation": verb,
        "effect": effect,
        "ticket": order.ticket,
        "again": order.again,
    }
    began = time.perf_counter()
    with span(effect, facts) as telling:
        outcome = carry_out(record, order)
        if isinstance(outcome, Failed):
            telling.failed(outcome.fault)
    log = logging.getLogger(LOGGER)
    level = logging.WARNING if isinstance(outcome, Failed) else logging.DEBUG
    if log.isEnabledFor(level):
        extra: dict[str, object] = {**facts, "seconds": time.perf_counter() - began}
        if isinstance(outcome, Failed):
            fault = outcome.fault
            extra |= {"fault": fault.kind, "dirty": fault.dirty}
            log.log(
                level, "%s: %s failed: %s", record.config.name, effect, fault.reason, extra=extra
            )
        else:
            log.log(level, "%s: %s", record.config.name, effect, extra=extra)
    return outcome


class ToldInterpreter(Interpreter[Record, Input, Refused]):
    """An interpreter of whose commands is told."""

    def submit(
        self,
        container: str,
        command: Input,
        timeout: float | None = None,
        gate: Gate | None = None,
    ) -> Result[Record, Refused | Fault]:
        verb = _verb(command)
        with span(verb, {"container": container, "operation": verb}) as telling:
            result = super().submit(container, command, timeout, gate)
            _ended(container, verb, result, telling)
            return result

    def sync(self, container: str, timeout: float | None = None) -> Record:
        with span("sync", {"container": container, "operation": "sync"}) as telling:
            record = super().sync(container, timeout)
            telling.told({**_about(record), "status": str(record.status)})
            return record


def _ended(
    container: str, verb: str, result: Result[Record, Refused | Fault], telling: Telling
) -> None:
    log = logging.getLogger(LOGGER)
    match result:
        case Success(Record() as record):
            facts: Facts = {**_about(record), "operation": verb, "status": str(record.status)}
            telling.told(facts)
            log.info("%s: %s: %s", record.config.name, verb, record.status, extra=facts)
        case Failure(Refused() as refusal):
            facts = {"container": container, "operation": verb, "status": str(refusal.status)}
            telling.told({"refused": True, "status": str(refusal.status)})
            log.info("%s: %s refused: it is %s", container[:12], verb, refusal.status, extra=facts)
        case Failure(Fault() as fault):
            facts = {"container": container, "operation": verb, "fault": fault.kind}
            telling.failed(fault)
            log.error("%s: %s failed: %s", container[:12], verb, fault.reason, extra=facts)
        case _:
            raise AssertionError(f"a Result is a Success or a Failure, not {result!r}")


def _about(record: Record) -> Facts:
    return {"container": record.id, "container_name": record.config.name, "epoch": record.epoch}


def _verb(command: Input) -> str:
    return str(getattr(command, "verb", "")) or str(type(command).__struct_config__.tag)
