"""The examples do what they say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from lockgate import Engine, LockgateError

EXAMPLES = Path(__file__).parents[2] / "examples"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nothing_runs_here(*where: object, **wishes: object) -> None:
    raise LockgateError("there is no runtime")


def test_all_of_them_are_known_here() -> None:
    known = {"whole_life", "test_an_engine", "ci_runner", "read_a_history"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == known


def test_a_small_engine_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert loaded("test_an_engine").main() == 0
    told = capsys.readouterr().out
    assert told.count("stop where it is paused: stopped, not refused") == 2
    way = [told.rindex(f"<Verb.{verb}") for verb in ("START", "PAUSE", "STOP")]
    assert way == sorted(way) and told.count("<Verb.") < 8


def test_two_histories_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert loaded("read_a_history").main() == 0
    told = capsys.readouterr().out
    assert "they part at entry 6" in told and "no space left on device" in told
    assert "world--xmachine: failed" in told


@pytest.mark.parametrize("name", ["whole_life", "ci_runner"])
def test_where_there_is_no_runtime_it_says_so(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Engine, "open", nothing_runs_here)
    assert loaded(name).main() == 0
    assert "SIMULATED" in capsys.readouterr().out


@pytest.mark.real
@pytest.mark.usefixtures("runtime")
class TestOnThisHost:
    def test_a_whole_life(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert loaded("whole_life").main() == 0
        told = capsys.readouterr().out
        assert "SIMULATED" not in told and "and it ends absent again" in told

    def test_a_runner_of_jobs(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert loaded("ci_runner").main() == 3
        told = capsys.readouterr().out
        assert "integration  | cannot reach the database" in told
        assert "lint         passed" in told and "integration  FAILED with 3" in told
