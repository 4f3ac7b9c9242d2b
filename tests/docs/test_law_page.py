"""The page of the law is what the tables say."""

from pathlib import Path

from lockgate.statemachine.diagram import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "law.md"


def test_it_is_current() -> None:
    assert PAGE.read_text() == page(), "the law has changed: make docs"
