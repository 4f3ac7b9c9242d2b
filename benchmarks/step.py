"""One accepted `step` with its effects, beside a bare transition in three well-known libraries.

Ours returns the next record and the orders it wants carried out, everything a value; theirs only
move a state and ask for nothing. All are timed in one process, in turns. A rival repeats one transition;
so does ours with each of a life's steps by itself, and then with that life from its beginning to its end,
in which no step finds what the processor and the interpreter have learned from the one before.
"""

from __future__ import annotations

import statistics
from timeit import Timer
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


def timed(statement: str, **names: Any) -> Timer:
    """With nothing of ours between it and the clock."""
    return Timer(statement, globals=names)


def one(record: Record, given: Any) -> Timer:
    return timed("step(record, given)", step=step, record=record, given=given)


def ours() -> dict[str, list[Timer]]:
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
        EACH: list(map(one, places, life)),
        LIFE: [timed("lived()", lived=lived)],
        "lockgate: start accepted, mount asked for": [one(configured, start)],
        "lockgate: pause accepted, freeze asked for": [one(running, pause)],
        "lockgate: outcome heard, running": [one(launching, launched)],
    }


def transitions_() -> Timer:
    from transitions import Machine

    class Model: ...

    model = Model()
    Machine(
        model,
        states=["a", "b"],
        initial="a",
        transitions=[["ping", "a", "b"], ["ping", "b", "a"]],
        auto_transitions=False,
    )
    return timed("model.ping()", model=model)


def automat_() -> Timer:
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
    return timed("model.ping()", model=model)


def statemachine_() -> Timer:
    from statemachine import State, StateMachine  # noqa: TID251 -- theirs, from PyPI

    class Model(StateMachine):
        a = State(initial=True)
        b = State()
        ping = a.to(b) | b.to(a)

    model = Model()
    return timed("model.ping()", model=model)


def main() -> None:
    contenders = ours() | {
        "Automat: bare transition": [automat_()],
        "transitions: bare transition": [transitions_()],
        "python-statemachine: bare transition": [statemachine_()],
    }
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, timers in contenders.items():
            seconds = sum(timer.timeit(CALLS) for timer in timers) / CALLS
            samples[name].append(seconds * 1e6 / (14 if name == LIFE else len(timers)))
    print(f"{'':46} {'median':>9} {'min':>9}  µs")
    for name, times in samples.items():
        print(f"{name:46} {statistics.median(times):9.2f} {min(times):9.2f}")


if __name__ == "__main__":
    main()
