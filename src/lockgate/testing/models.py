"""The models by name, so that a counterexample can say in which it was found."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from lockgate.testing.containers import CHECKED, OneContainer
from lockgate.testing.explore import Model
from lockgate.testing.mutants import MUTANTS, Mutant, mutated
from lockgate.testing.operators import TwoOperators
from lockgate.testing.order import Orders

LOCKS = "two operations on a pod, their locks"
"""Made from what threads did: no two processes would make the same, so it is walked alone."""

SHORT = (
    "one container, nothing goes wrong",
    "one container, all faults",
    "two operators, either may die",
    LOCKS,
)
"""What takes seconds; the others take minutes."""

MODELS: Mapping[str, Callable[[], Model[Any]]] = MappingProxyType(
    {
        "one container, nothing goes wrong": partial(OneContainer, faults=False),
        "one container, all faults": OneContainer,
        "one container, health checks": partial(OneContainer, mounts=0, config=CHECKED),
        "two operators, either may die": partial(TwoOperators, faults=False),
        "two operators, all faults": TwoOperators,
        LOCKS: Orders,
    }
)


def model(name: str) -> Model[Any]:
    """The model of this name; one of a mutant is named after it. Raises `LookupError`."""
    for mutant in MUTANTS:
        if name == mutant_model(mutant):
            return OneContainer(step=mutated(mutant))
    if name not in MODELS:
        raise LookupError(f"there is no model {name!r}; there are: {', '.join(MODELS)}")
    return MODELS[name]()


def mutant_model(mutant: Mutant) -> str:
    return f"mutant: {mutant.name}"
