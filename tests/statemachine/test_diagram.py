"""What is drawn is what the machine does."""

import re

import pytest

from lockgate.statemachine import diagram
from lockgate.statemachine.law import ADMISSIBLE, EDGES, PLANS, STAGES
from lockgate.statemachine.status import Status, Verb

CELLS = {
    (verb, status): cell.strip()
    for verb, line in zip(Verb, diagram.matrix().splitlines()[2:], strict=True)
    for status, cell in zip(Status, line.strip("| ").split(" | ")[1:], strict=True)
}


@pytest.mark.parametrize("status", Status)
def test_the_matrix_refuses_what_the_law_refuses(status: Status) -> None:
    allowed = tuple(verb for verb in Verb if CELLS[verb, status] != "✗")
    assert allowed == ADMISSIBLE[status]


def test_a_cell_tells_the_way() -> None:
    assert CELLS[Verb.START, Status.CONFIGURED] == "created → running"
    assert CELLS[Verb.STOP, Status.EXITED] == "stays"


def test_every_move_of_the_law_is_an_arrow_and_every_arrow_a_move() -> None:
    drawn = {
        (source, dest, milestone)
        for source, dest, label in re.findall(
            r"^    (\S+) -> (\S+) \[label=\"(.*)\"\];$", diagram.dot(), re.MULTILINE
        )
        for milestone in label.split(", ")
    }
    assert drawn == {
        (str(source), str(dest), milestone)
        for (source, milestone), dest in EDGES.items()
        if source is not dest
    }


def test_mermaid_draws_the_same_arrows() -> None:
    arrows = re.findall(r"^    (\S+) --> (\S+) : ", diagram.mermaid(), re.MULTILINE)
    dots = re.findall(r"^    (\S+) -> (\S+) ", diagram.dot(), re.MULTILINE)
    as_drawn = [tuple("[*]" if end == "absent" else end for end in arrow) for arrow in dots]
    assert arrows == as_drawn


def test_the_page_tells_of_every_status_stage_and_plan() -> None:
    page = diagram.page()
    for name in (*Status, *STAGES):
        assert f"| **{name}** |" in page
    for verb, status in PLANS:
        assert f"| **{verb}** | {status} |" in page
