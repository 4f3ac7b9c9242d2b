"""`--storage`: what keeps images and layers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from lockgate import Engine
from lockgate.cli.app import cli


@pytest.mark.parametrize(
    ("words", "environment", "expected"),
    [
        ((), {}, None),
        (("--storage", "containers-storage"), {}, "containers-storage"),
        ((), {"LOCKGATE_STORAGE": "overlay"}, "overlay"),
    ],
)
def test_it_is_the_engines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    environment: dict[str, str],
    expected: str | None,
) -> None:
    wished: list[str | None] = []

    @contextmanager
    def opened(root: Path, *, storage: str | None = None, **others: object) -> Iterator[Engine]:
        wished.append(storage)
        yield Engine.simulated()

    monkeypatch.setattr(Engine, "open", opened)
    line = ["--root", str(tmp_path), *words, "volume", "ls"]
    assert CliRunner(env=environment).invoke(cli, line).exit_code == 0
    assert wished == [expected]
