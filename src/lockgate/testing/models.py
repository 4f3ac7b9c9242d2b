"""The models by name, so that a counterexample can say in which it was found."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from lockgate.testing.containers import (
    CHECKED,
    CHECKPOINTS,
    FEWER,
    LIMITS,
    OneContainer,
)
from lockgate.testing.explore import Model
from lockgate.testing.mutants import MUTANTS, Mutant, mutated
from lockgate.testing.operators import TwoOperators

SHORT = (
    "one container, nothing goes wrong",
    "one container, all faults",
    "two operators, either may die",
)
"""What takes seconds; the others take minutes."""

WHOLE = (
    "one container, all faults",
    "one container, health checks",
    "one container, checkpoints",
    "one container, checkpoints and health checks",
    "one container, limits",
)
"""Those that together must use every row of the law."""

MODELS: Mapping[str, Callable[[], Model[Any]]] = MappingProxyType(
    {
        "one container, nothing goes wrong": partial(OneContainer, faults=False),
        "one container, all faults": OneContainer,
        "one container, health checks": partial(OneContainer, mounts=0, config=CHECKED),
        "one container, checkpoints": partial(
            OneContainer, mounts=0, commands=FEWER, besides=CHECKPOINTS
        ),
        "one container, checkpoints and health checks": partial(
            OneContainer, faults=False, mounts=0, config=CHECKED, besides=CHECKPOINTS
        ),
        "one container, limits": partial(OneContainer, mounts=0, commands=FEWER, besides=LIMITS),
        "two operators, either may die": partial(TwoOperators, faults=False),
        "two operators, all faults": TwoOperators,
    }
)


def model(name: str) -> Model[Any]:
    """The model of this name; one of a mutant is named after it. Raises `LookupError`."""
    for mutant in MUTANTS:
        if name == mutant_model(mutant):
            return broken(mutant)
    if name not in MODELS:
        raise LookupError(f"there is no model {name!r}; there are: {', '.join(MODELS)}")
    return MODELS[name]()


def broken(mutant: Mutant) -> Model[Any]:
    """The model it is looked for in, of the machine that it breaks."""
    made: Callable[..., Model[Any]] = MODELS[mutant.model]
    return made(step=mutated(mutant))


def mutant_model(mutant: Mutant) -> str:
    return f"mutant: {mutant.name}"
