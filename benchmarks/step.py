"""One accepted `step` with its effects, beside a bare transition in three well-known libraries.

Ours returns the next record and the orders it wants carried out, everything a value; theirs only
move a state and ask for nothing. All are timed in one process, in turns. A rival repeats one transition;
so does ours with each of a life's steps by itself, and then with that life from its beginning to its end,
in which no step finds what the processor and the interpreter have learned from the one before.
"""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

from lockgate.effects.config import Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import Created, Done, Exited, Launched, Mounted, Saved
from lockgate.statemachine import (
    Create,
    Died,
    Pause,
    Record,
    Remove,
    Start,
    Step,
    Unpause,
    newborn,
    step,
)

ROUNDS, CALLS = 151, 700  # short rounds: what interrupts us meets few of them
EACH = "lockgate: each of 14 steps by itself, mean"
LIFE = "lockgate: the same as one life, mean"
PREPARED = (
    Done(2, Mounted("/merged")),
    Done(3, Saved("0" * 64)),
    Done(4, Created(Process(2, 3, "boot"), Process(1, 2, "boot"))),
)


def told(record: Record, *inputs: Any) -> Record:
    for given in inputs:
        answer = step(record, given)
        assert isinstance(answer, Step), answer
        record = answer.record
    return record


def ours() -> dict[str, list[Callable[[], object]]]:
    config = Config(id="c" * 64, name="web", command=("sleep", "1"))
    configured = told(newborn(config), Create(config), Done(1))
    launching = told(configured, Start(), *PREPARED)
    running = told(launching, Done(5, Launched(5)))
    start, pause, launched = Start(), Pause(), Done(5, Launched(5))
    dead = Died(1, Exited(0, 6))
    life = [start, *PREPARED, launched, pause, Done(6), Unpause(), Done(7), dead, Remove()]
    life += [Done(8), Done(9), Done(10)]
    assert told(configured, *life).gone

    places = [configured]
    for given in life:
        places.append(told(places[-1], given))

    def lived() -> None:
        record = configured
        for given in life:
            record = step(record, given).record  # type: ignore[union-attr]

    return {
        EACH: [partial(step, *one) for one in zip(places, life, strict=False)],
        LIFE: [lived],
        "lockgate: start accepted, mount asked for": [partial(step, configured, start)],
        "lockgate: pause accepted, freeze asked for": [partial(step, running, pause)],
        "lockgate: outcome heard, running": [partial(step, launching, launched)],
    }


def transitions_() -> Callable[[], object]:
    from transitions import Machine

    class Model:
        ping: Callable[[], bool]

    model = Model()
    Machine(
        model,
        states=["a", "b"],
        initial="a",
        transitions=[["ping", "a", "b"], ["ping", "b", "a"]],
        auto_transitions=False,
    )
    return lambda: model.ping()


def automat_() -> Callable[[], object]:
    from automat import MethodicalMachine

    class Model:
        machine = MethodicalMachine()

        @machine.state(initial=True)
        def a(self) -> None: ...

        @machine.state()
        def b(self) -> None: ...

        @machine.input()
        def ping(self) -> None: ...

        a.upon(ping, enter=b, outputs=[])
        b.upon(ping, enter=a, outputs=[])

    model = Model()
    return lambda: model.ping()


def statemachine_() -> Callable[[], object]:
    from statemachine import State, StateMachine  # noqa: TID251 -- theirs, from PyPI

    class Model(StateMachine):
        a = State(initial=True)
        b = State()
        ping = a.to(b) | b.to(a)

    model = Model()
    return lambda: model.ping()


def main() -> None:
    contenders = ours() | {
        "Automat: bare transition": [automat_()],
        "transitions: bare transition": [transitions_()],
        "python-statemachine: bare transition": [statemachine_()],
    }
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, calls in contenders.items():
            seconds = sum(timeit.timeit(call, number=CALLS) for call in calls) / CALLS
            samples[name].append(seconds * 1e6 / (14 if name == LIFE else len(calls)))
    print(f"{'':46} {'median':>9} {'min':>9}  µs")
    for name, times in samples.items():
        print(f"{name:46} {statistics.median(times):9.2f} {min(times):9.2f}")


if __name__ == "__main__":
    main()
