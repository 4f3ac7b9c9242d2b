"""Through a history: to any entry, to where something became true, to where two lives part."""

import pytest
from msgspec.structs import replace
from returns.result import Failure, Success

from lockgate.effects.outcome import Done, Exited, Failed, Fault
from lockgate.statemachine import inputs as i
from lockgate.statemachine.history import Divergence, Entry, encode_record, entry
from lockgate.statemachine.record import Record, Step, newborn
from lockgate.statemachine.status import Status
from lockgate.statemachine.step import step
from lockgate.statemachine.travel import Parting, Place, at, drawn, first, parting, shape, walk

from .conftest import CONFIG, FACTS

BLANK = newborn(CONFIG)


def written(*inputs: i.Input, config: i.Create | None = None) -> list[Entry]:
    """What an engine would write down; every order succeeds unless its outcome is given."""
    record, entries = BLANK, list[Entry]()

    def tell(given: i.Input) -> None:
        nonlocal record
        answer = step(record, given)
        assert isinstance(answer, Step), answer
        record = answer.record
        entries.append(entry(len(entries), 10, given, answer, encode_record(record)))

    told = [config or i.Create(CONFIG), *inputs]
    while told:
        tell(told.pop(0))
        while record.pending and not (told and isinstance(told[0], Failed)):
            order = record.pending[0]
            tell(Done(order.ticket, FACTS.get(type(order.effect).__name__)))
    return entries


LIFE = written(i.Start(), i.Pause(), i.Unpause(), i.Died(1, Exited(7, 9)))


def places(entries: list[Entry], blank: Record = BLANK) -> list[Place]:
    found = list(walk(blank, entries))
    assert all(isinstance(place, Place) for place in found), found
    return [place for place in found if isinstance(place, Place)]


def test_a_walk_passes_every_entry() -> None:
    assert [place.entry for place in places(LIFE)] == LIFE
    assert places(LIFE)[-1].record.status is Status.STOPPED


def test_a_walk_ends_where_the_law_would_do_otherwise() -> None:
    *_, last = walk(BLANK, [*LIFE[:3], replace(LIFE[3], digest="0" * 16), *LIFE[4:]])
    assert isinstance(last, Divergence)
    assert last.seq == 3


class TestAt:
    def test_an_entry(self) -> None:
        assert at(BLANK, LIFE, 0).unwrap().status is Status.ABSENT
        assert at(BLANK, LIFE, 1).unwrap().status is Status.CONFIGURED
        assert at(BLANK, LIFE, len(LIFE) - 1) == Success(places(LIFE)[-1].record)

    def test_one_that_is_not_there(self) -> None:
        end = f"there is no such entry: the history ends with {len(LIFE) - 1}"
        assert at(BLANK, LIFE, 99).failure() == Divergence(99, end)
        assert at(BLANK, [], 0).failure().what.endswith("ends with -1")

    def test_one_behind_a_divergence(self) -> None:
        assert at(BLANK, [LIFE[0], LIFE[2]], 2).failure().seq == 2


class TestFirst:
    def test_where_something_became_true(self) -> None:
        place = first(BLANK, LIFE, lambda record: record.status is Status.PAUSED).unwrap()
        assert place is not None
        assert place.record.status is Status.PAUSED
        before = at(BLANK, LIFE, place.entry.seq - 1).unwrap()
        assert before.status is not Status.PAUSED

    def test_where_it_never_was(self) -> None:
        assert first(BLANK, LIFE, lambda record: record.oom_killed) == Success(None)

    def test_it_is_not_looked_for_behind_a_divergence(self) -> None:
        found = first(BLANK, [LIFE[1]], lambda record: True)
        assert isinstance(found, Failure) and found.failure().seq == 1


class TestParting:
    def test_the_same_life_has_none(self) -> None:
        assert parting(places(LIFE), places(LIFE)) is None

    def test_names_and_times_are_nobodys_business(self) -> None:
        other = replace(CONFIG, id="beef", name="other")
        theirs = written(*(line.given for line in LIFE if line.given in (i.Start(), i.Pause())))
        ours = [replace(line, at=line.at + 5) for line in theirs]
        elsewhere = written(i.Start(), i.Pause(), config=i.Create(other))
        assert parting(places(ours), places(elsewhere, newborn(other))) is None

    def test_another_command(self) -> None:
        here, there = places(LIFE), places(written(i.Start(), i.Kill()))
        found = parting(here, there)
        assert found is not None
        assert found.left and found.right
        assert (found.left.entry.given, found.right.entry.given) == (i.Pause(), i.Kill())
        assert here[: found.seq] == there[: found.seq]

    def test_what_is_heard_asked_for_and_true_is_compared(self) -> None:
        (place,) = places(LIFE)[:1]
        assert shape(place) == ("Create", ("CreateLayer",), "absent")

    def test_one_that_ended_before(self) -> None:
        here = places(LIFE)
        assert parting(here, here[:4]) == Parting(4, here[4], None)
        assert parting(here[:4], here) == Parting(4, None, here[4])

    def test_as_its_user_compares(self) -> None:
        there = places(written(i.Start(), i.Kill()))
        assert parting(places(LIFE)[:5], there[:5], lambda place: shape(place)[0]) is None


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ((i.Start(),), "user->>machine: start"),
        ((i.Start(),), "machine->>world: CreateRuntime (5)"),
        ((i.Start(),), "Note over machine: running"),
        ((i.Start(), i.Died(1, Exited(7, 9))), "world-->>machine: run 1 ended with 7"),
        ((i.Start(), i.Checked(1, 9, True)), "world-->>machine: health check passed"),
        ((i.Start(), i.SessionBegan(1, "a" * 64)), "world: session aaaaaaaaaaaa began"),
        (
            (i.Start(), i.SessionBegan(1, "a" * 64), i.SessionEnded(1, "a" * 64, Exited(3, 9))),
            "world: session aaaaaaaaaaaa ended with 3",
        ),
        ((i.Renamed("app"),), "user->>machine: rename to app"),
        ((i.Start(), i.Checked(1, 9, False)), "world-->>machine: health check failed"),
        ((i.Start(), Failed(2, Fault("failed", "no; space\n#left"))), "failed (2): no, space left"),
        ((i.Start(), Failed(2, Fault("failed", "no"))), "machine->>world: Unmount (5, again)"),
        ((i.Booted("another"),), "  Note left of machine: the host was restarted"),
        ((i.Salvaged(CONFIG, 9),), "  Note left of machine: salvaged"),
        ((i.Resumed(),), "  Note left of machine: resumed"),
    ],
)
def test_a_picture(told: tuple[i.Input, ...], line: str) -> None:
    picture = drawn(places(written(*told)))
    head = ("user", "machine", "world")
    assert picture.startswith(
        "sequenceDiagram\n" + "".join(f"  participant {one}\n" for one in head)
    )
    assert any(one.startswith("  ") and one.endswith(line) for one in picture.split("\n"))
    assert picture.endswith("\n") and not picture.endswith("\n\n")


def test_a_status_is_drawn_when_it_changes() -> None:
    lines = drawn(places(LIFE)).split("\n")
    told = [line.removeprefix("  Note over machine: ") for line in lines if " over " in line]
    assert told == ["absent", "configured", "created", "running", "paused", "running", "stopped"]
