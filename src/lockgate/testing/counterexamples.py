"""A broken promise as something to keep: the shortest way there, saved, replayed, made a test.

A counterexample is the name of a model and the labels of its moves. Saved, it is JSON Lines: a head,
then one line for each move with the place it led to, in words, so that it can be read without us.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from lockgate.testing.explore import Broken, Model, Node, Report


class Counterexample(Struct, frozen=True, kw_only=True):
    """`model`: its name in `lockgate.testing.models`; `problem`: the promise that was broken."""

    model: str
    problem: str
    moves: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.problem}: {' -> '.join(self.moves)}"

    def as_test(self) -> str:
        """A pytest test that fails while the promise is broken."""
        name = "".join(c if c.isalnum() else "_" for c in self.problem.lower())[:60].strip("_")
        moves = "".join(f"    {_quoted(move)},\n" for move in self.moves)
        return (
            "from lockgate.testing.counterexamples import follow\n"
            "from lockgate.testing.models import model\n\n"
            f"MOVES = (\n{moves})\n\n\n"
            f"def test_{name}() -> None:\n"
            f"    follow(model({_quoted(self.model)}), MOVES)  # {' '.join(self.problem.split())}\n"
        )


def _quoted(text: str) -> str:
    """As a string of Python, whatever it holds."""
    return msgspec.json.encode(text).decode()


class _Line(Struct, frozen=True):
    move: str
    place: str


def found(model: str, report: Report[Node]) -> Counterexample:
    """What an exploration of the model of this name found."""
    return Counterexample(model=model, problem=report.problem, moves=report.path)


def walk(model: Model[Node], moves: Sequence[str]) -> Iterator[tuple[str, Node]]:
    """Every move from the model's first beginning, and the place it led to. Raises `LookupError`
    where a move is not possible (any more), `Broken` as soon as a promise is."""
    node = next(iter(model.begin()))
    for move in moves:
        model.always(node)
        possible = dict(model.moves(node))
        if move not in possible:
            here = ", ".join(possible)
            raise LookupError(f"there is no move {move!r} here any more, but: {here}")
        node = possible[move]
        yield move, node
    model.always(node)
    dict(model.moves(node))
    model.drains(node)


def follow(model: Model[Any], moves: Sequence[str]) -> None:
    """Walk there, for nothing but the promises on the way."""
    for _ in walk(model, moves):
        pass


def drawn(example: Counterexample, model: Model[Any]) -> str:
    """A Mermaid flow chart: every place on the way, the moves between them, and what is broken."""
    lines = ["flowchart TD", f'  at0["{_plain(str(next(iter(model.begin()))))}"]']
    passed = 0
    try:
        for passed, (move, place) in enumerate(walk(model, example.moves), 1):
            lines.append(
                f'  at{passed - 1} -->|"{_plain(move)}"| at{passed}["{_plain(str(place))}"]'
            )
    except Broken:
        pass  # as it should
    lines.append(f'  at{passed} --x broken(["{_plain(example.problem)}"])')
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """What Mermaid takes for text and nothing else."""
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace("`", "'")


def save(example: Counterexample, model: Model[Any], path: Path) -> None:
    lines = [msgspec.json.encode(example)]
    try:
        for move, node in walk(model, example.moves):
            lines.append(msgspec.json.encode(_Line(move, str(node))))
    except Broken:
        pass  # as it should
    path.write_bytes(b"\n".join(lines) + b"\n")


def load(path: Path) -> Counterexample:
    """Raises `OSError`, or `msgspec.DecodeError` for a file that holds no counterexample."""
    return msgspec.json.decode(path.read_bytes().partition(b"\n")[0], type=Counterexample)
