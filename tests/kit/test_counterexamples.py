"""A counterexample can be kept, walked again, and made a test."""

from pathlib import Path

import pytest

from lockgate.testing.__main__ import main
from lockgate.testing.counterexamples import Counterexample, follow, found, load, save, walk
from lockgate.testing.explore import Broken, explore
from lockgate.testing.models import model, mutant_model
from lockgate.testing.mutants import MUTANTS

NAME = mutant_model(MUTANTS[1])


@pytest.fixture(scope="module")
def example() -> Counterexample:
    return found(NAME, explore(model(NAME)))


def test_it_is_one_line_to_read(example: Counterexample) -> None:
    assert "\n" not in str(example)
    assert str(example).startswith("P26: ")
    assert str(example).endswith(": create -> CreateLayer -> init")


def test_it_is_saved_and_replayed(
    example: Counterexample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.jsonl"
    save(example, model(NAME), path)
    assert load(path) == example
    assert main(["--replay", str(path)]) == 1
    said = capsys.readouterr().out
    assert f"still broken: {example.problem}" in said
    assert "configured | layer" in said, "the places on the way are told"


def test_on_the_shipped_machine_it_holds(
    example: Counterexample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mended.jsonl"
    shipped = Counterexample(
        model="one container, all faults", problem="P01: it was", moves=("create", "CreateLayer")
    )
    save(shipped, model(shipped.model), path)
    assert main(["--replay", str(path)]) == 0
    assert "holds now: P01: it was" in capsys.readouterr().out


def test_as_a_test_it_fails_for_as_long_as_the_promise_is_broken(example: Counterexample) -> None:
    names: dict[str, object] = {}
    source = example.as_test()
    exec(compile(source, "a test", "exec"), names)
    [test] = [value for name, value in names.items() if name.startswith("test_")]
    assert callable(test)
    with pytest.raises(Broken, match=example.problem):
        test()


def test_no_words_of_a_promise_keep_it_from_being_a_test() -> None:
    strange = Counterexample(model="'m\"", problem='P26: "no"\n"""', moves=('a "b"', "c'd\\"))
    names: dict[str, object] = {}
    exec(compile(strange.as_test(), "a test", "exec"), names)
    assert names["MOVES"] == strange.moves


def test_a_move_that_is_not_possible_any_more_is_named() -> None:
    with pytest.raises(LookupError, match=r"no move .unpause. here any more, but: .*create"):
        follow(model("one container, all faults"), ["unpause"])


def test_it_is_drawn(
    example: Counterexample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.jsonl"
    save(example, model(NAME), path)
    assert main(["--draw", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "flowchart TD"
    assert [line.partition('"')[2].partition('"')[0] for line in lines[2:-1]] == [*example.moves]
    assert lines[-1] == f'  at3 --x broken(["{example.problem}"])'
    path.write_bytes(b"")
    assert main(["--draw", str(path)]) == 2


def test_mutants_that_somebody_notices_are_told_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgate.testing.__main__.MUTANTS", MUTANTS[1:3])
    assert main(["--mutants", "--save", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("caught") == 2
    for kept in tmp_path.iterdir():
        assert main(["--replay", str(kept)]) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff\n", b'{"model":"none","problem":"","moves":[]}']
)
def test_what_is_no_counterexample_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert main(["--replay", str(path)]) == 2


def test_every_place_on_the_way_is_told() -> None:
    places = [str(node) for _, node in walk(model("one container, all faults"), ["create"])]
    assert places == ["absent layer? allot: CreateLayer | nothing"]
