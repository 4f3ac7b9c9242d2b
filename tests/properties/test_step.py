"""The machine as a function: total, deterministic, never mutating, the same after a round trip."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lockgate.statemachine import history
from lockgate.statemachine.inputs import Input, Revive
from lockgate.statemachine.law import PLANS
from lockgate.statemachine.record import RESOURCES, Answer, Record, Refused, Step, newborn
from lockgate.statemachine.status import Presence, Status, Verb
from lockgate.statemachine.step import admissible, step
from lockgate.testing import strategies

Life = tuple[Record, Sequence[Input]]


def answers(life: Life) -> list[tuple[Record, Input, Answer]]:
    record, told = life
    seen: list[tuple[Record, Input, Answer]] = []
    for given_input in told:
        answer = step(record, given_input)
        seen.append((record, given_input, answer))
        if isinstance(answer, Step):
            record = answer.record
    return seen


@given(strategies.histories(), st.data())
def test_every_status_answers_every_input(life: Life, data: st.DataObject) -> None:
    record = history.fold(*life)
    given_input = data.draw(strategies.inputs(record.config))
    assert isinstance(step(record, given_input), Step | Refused)


@given(strategies.histories())
def test_the_same_record_and_input_give_the_same_answer_and_stay_as_they_were(life: Life) -> None:
    for record, given_input, answer in answers(life):
        before = msgspec.json.encode((record, given_input))
        assert step(record, given_input) == answer
        assert msgspec.json.encode((record, given_input)) == before


@given(strategies.histories())
def test_a_refusal_names_what_is_admissible_and_only_that(life: Life) -> None:
    for record, _, answer in answers(life):
        if isinstance(answer, Refused):
            assert answer.verb not in answer.admissible
            assert answer.admissible == admissible(record)
            assert answer.status is record.status


@given(strategies.histories())
def test_what_is_acquired_is_uncertain_until_heard_of(life: Life) -> None:
    for _, _, answer in answers(life):
        if isinstance(answer, Step):
            for order in answer.record.pending:
                if order.effect.resource:
                    presence = getattr(answer.record, order.effect.resource)
                    stays = order.effect.replaces and presence is Presence.PRESENT
                    assert presence is Presence.UNCERTAIN or stays


@given(strategies.histories())
def test_tickets_are_never_used_twice(life: Life) -> None:
    given_out: set[int] = set()
    for record, _, answer in answers(life):
        if isinstance(answer, Step) and answer.record.status is not Status.UNKNOWN:
            fresh = {o.ticket for o in answer.orders} - {o.ticket for o in record.pending}
            assert not fresh & given_out
            given_out |= fresh


@given(strategies.histories())
def test_an_operation_has_orders_out_and_orders_have_an_operation(life: Life) -> None:
    for _, _, answer in answers(life):
        if isinstance(answer, Step):
            assert bool(answer.record.todo) == bool(answer.record.pending)
            assert bool(answer.record.todo) == bool(answer.record.operation)


@given(strategies.histories())
def test_records_and_entries_survive_a_round_trip(life: Life) -> None:
    for seq, (_, given_input, answer) in enumerate(answers(life)):
        if isinstance(answer, Step):
            encoded = history.encode_record(answer.record)
            assert history.decode_record(encoded) == answer.record
            entry = history.entry(seq, 5, given_input, answer, encoded)
            assert history.decode_entry(history.encode_entry(entry)) == entry
            assert hash(answer.record) == hash(history.decode_record(encoded))


@given(st.sampled_from(list(Status)), st.data())
def test_a_plan_exists_exactly_where_a_resting_record_accepts(
    status: Status, data: st.DataObject
) -> None:
    config = data.draw(strategies.configs)
    command = data.draw(strategies.commands(config))
    presences = dict.fromkeys(RESOURCES, data.draw(st.sampled_from(list(Presence))))
    record = msgspec.structs.replace(newborn(config), status=status, **presences)
    if isinstance(command, Revive):  # legal only while it is owed
        owing = msgspec.structs.replace(config, restart="always")
        record = msgspec.structs.replace(record, config=owing, exit_code=0)
    if command.verb in (Verb.UNMOUNT, Verb.FORCE_UNMOUNT):  # of what its user holds
        record = msgspec.structs.replace(record, mounts=data.draw(st.integers(1, 2)))
    if command.verb is Verb.RESTORE:  # of what there may be
        record = msgspec.structs.replace(record, checkpoint=Presence.PRESENT)
    accepted = isinstance(step(record, command), Step)
    assert accepted == ((command.verb, status) in PLANS)
    assert (command.verb in admissible(record)) == accepted
    assert isinstance(command.verb, Verb)
