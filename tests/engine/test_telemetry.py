"""What is told of an engine's work: a span for each command and effect, and a record for each."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from lockgate import Engine, IllegalState, OperationFailed, Record, telemetry
from lockgate.aio import AsyncEngine
from lockgate.effects.model import CreateRuntime, StartRuntime
from lockgate.effects.outcome import PortError

from .conftest import Simulation

STARTING = {"Mount", "JoinNetwork", "WriteSpec", "CreateRuntime", "StartRuntime"}


class Heard:
    """The spans that have ended, oldest first."""

    def __init__(self, exporter: InMemorySpanExporter, tracer: trace.Tracer) -> None:
        self._exporter, self.tracer = exporter, tracer

    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        (found,) = [one for one in self.spans() if one.name == f"lockgate.{name}"]
        return found

    def below(self, above: ReadableSpan) -> set[str]:
        found = [one for one in self.spans() if one.parent and one.parent.span_id == _id(above)]
        return {one.name.removeprefix("lockgate.") for one in found}


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """A tracer of this test's own: the process can be given one only once."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield Heard(exporter, provider.get_tracer("test"))
    provider.shutdown()


def about(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(f"lockgate.{name}")


class TestSpans:
    def test_one_for_a_command_and_one_for_each_effect_below_it(
        self, engine: Engine, heard: Heard
    ) -> None:
        web = engine.create(name="web", image="busybox", network="private")
        engine.start("web")
        assert heard.below(heard.named("create")) == {"CreateLayer"}
        start = heard.named("start")
        assert heard.below(start) == STARTING  # though two of them are side by side
        assert (about(start, "container"), about(start, "status")) == (web.id, "running")
        made = heard.named("CreateRuntime")
        assert (about(made, "operation"), about(made, "epoch")) == ("start", 1)
        assert about(made, "container_name") == "web"

    def test_a_command_is_part_of_what_its_caller_does(
        self, engine: Engine, web: Record, heard: Heard
    ) -> None:
        with heard.tracer.start_as_current_span("theirs") as theirs:
            engine.start("web")
        parent = heard.named("start").parent
        assert parent is not None and parent.span_id == theirs.get_span_context().span_id

    def test_many_at_once_and_asyncio_too(
        self, simulation: Simulation, engine: Engine, web: Record, heard: Heard
    ) -> None:
        async def play() -> None:
            with heard.tracer.start_as_current_span("theirs"):
                await AsyncEngine(engine).start("web")

        asyncio.run(play())
        assert heard.named("start").parent is not None

    def test_a_fault_is_an_error_of_its_effect_and_of_its_command(
        self, simulation: Simulation, engine: Engine, web: Record, heard: Heard
    ) -> None:
        simulation.trouble[CreateRuntime] = PortError("denied", "no permission", dirty=False)
        with pytest.raises(OperationFailed):
            engine.start("web")
        for name in ("CreateRuntime", "start"):
            span = heard.named(name)
            assert span.status.status_code is StatusCode.ERROR
            assert span.status.description == "no permission"
            assert (about(span, "fault"), about(span, "dirty")) == ("denied", False)
        assert heard.named("Unmount").status.status_code is StatusCode.UNSET

    def test_a_refusal_is_no_error(self, engine: Engine, web: Record, heard: Heard) -> None:
        with pytest.raises(IllegalState):
            engine.pause("web")
        span = heard.named("pause")
        assert (about(span, "refused"), about(span, "status")) == (True, "configured")
        assert span.status.status_code is StatusCode.UNSET

    def test_a_look_that_finishes_what_was_interrupted_is_told(
        self, engine: Engine, web: Record, heard: Heard
    ) -> None:
        engine.sync("web")
        assert about(heard.named("sync"), "status") == "configured"

    def test_what_is_told_of_is_not_disturbed(
        self, engine: Engine, web: Record, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine.start("web")
        engine.replay("web").unwrap()
        monkeypatch.delitem(sys.modules, telemetry.API)
        before = len(heard.spans())
        engine.stop("web")
        assert len(heard.spans()) == before  # nobody can have set a tracer: nobody is told


class TestRecords:
    def test_of_each_command_and_effect(
        self, engine: Engine, web: Record, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG, logger="lockgate"):
            engine.start("web")
        *effects, command = caplog.records
        assert {vars(one)["effect"] for one in effects} == STARTING - {"JoinNetwork"}
        for one in (*effects, command):
            facts = vars(one)
            assert (facts["container"], facts["container_name"]) == (web.id, "web")
            assert (facts["operation"], facts["epoch"]) == ("start", 1)
        assert command.levelno == logging.INFO and command.getMessage() == "web: start: running"
        assert vars(effects[0])["seconds"] >= 0

    def test_of_what_went_wrong_and_was_refused(
        self,
        simulation: Simulation,
        engine: Engine,
        web: Record,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        simulation.trouble[StartRuntime] = PortError("failed", "broken", dirty=False)
        with caplog.at_level(logging.INFO, logger="lockgate"):
            with pytest.raises(OperationFailed):
                engine.start("web")
            with pytest.raises(IllegalState):
                engine.pause("web")
        told = [(one.levelname, vars(one).get("fault"), one.getMessage()) for one in caplog.records]
        assert told == [
            ("WARNING", "failed", "web: StartRuntime failed: broken"),
            ("ERROR", "failed", f"{web.id[:12]}: start failed: broken"),
            ("INFO", None, f"{web.id[:12]}: pause refused: it is configured"),
        ]


PROGRAM = """
import sys
from lockgate import Engine
with Engine.simulated() as engine:
    engine.import_image("busybox", "/")
    engine.create(name="web", image="busybox", command=["true"])
    engine.host.simulation.before = lambda effect: (_ for _ in ()).throw(OSError("broken"))
    try:
        engine.start("web")
    except Exception as problem:
        print(problem)
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


def test_nothing_is_loaded_and_nothing_printed_unless_somebody_listens() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["cannot start container web: broken", "[]"]
    assert done.stderr == ""
