"""What happened to others does not happen here: each incident that can be told is played."""

from pathlib import Path

import pytest
from tests.incidents.notation import Stage
from tests.incidents.scenarios import INCIDENTS, Incident, table

ROOT = Path(__file__).parents[2]
TOLD = [one for one in INCIDENTS if one.steps]


@pytest.mark.parametrize("incident", TOLD, ids=lambda one: one.id)
def test_incident(incident: Incident) -> None:
    stage = Stage()
    try:
        for line in incident.steps.split("\n"):
            if line.strip():
                stage.play(line.strip())
    finally:
        stage.close()


def test_each_is_told_or_explained() -> None:
    for one in INCIDENTS:
        assert bool(one.steps) != bool(one.why), one.id
    numbers = [one.id for one in INCIDENTS]
    assert numbers == sorted(set(numbers)) and len(numbers) == 122


def test_where_they_are_covered_elsewhere_there_is_such_a_place() -> None:
    for one in INCIDENTS:
        for word in one.why.replace(",", " ").split():
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), (one.id, word)


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "reference" / "incidents.md").read_text()
    assert table() in page, "python -m tests.incidents.scenarios prints the table"


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        (["create", "is running"], "it is configured"),
        (["create", "fails start"], "succeeded"),
        (["create", "refused start"], "was accepted"),
        (["create", "start", "gone"], "something is left"),
        (["create", "start", "dies after Freeze in stop"], "never got"),
    ],
)
def test_the_notation_can_complain(steps: list[str], complaint: str) -> None:
    stage = Stage()
    try:
        with pytest.raises(AssertionError, match=complaint):
            for line in steps:
                stage.play(line)
    finally:
        stage.close()
