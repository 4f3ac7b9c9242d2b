"""The models by name, so that a counterexample can say in which it was found."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from lockgate.effects.config import SHAREABLE, SHARED, Config, Namespaces, VolumeMount
from lockgate.testing.containers import (
    BARE,
    CHECKED,
    CHECKPOINTS,
    DEFERRED,
    FEWER,
    LENDING,
    LIMITS,
    OWN,
    SOME,
    OneContainer,
)
from lockgate.testing.explore import Model
from lockgate.testing.households import KEEPING, Households
from lockgate.testing.mutants import MUTANTS, Mutant, mutated
from lockgate.testing.operators import TwoOperators
from lockgate.testing.order import Orders

LOCKS = "two operations on a pod, their locks"
"""Made from what threads did: no two processes would make the same, so it is walked alone."""

SHORT = (
    "one container, nothing goes wrong",
    "one container, bare",
    "one container, all faults",
    "one container, health checks",
    "two operators, either may die",
    LOCKS,
    "one container, always restarted",
    "one container, restarted once",
    "one container, removed by itself",
    "one container, volumes",
    "two containers, one volume",
)
"""What takes less than a minute; the others take several."""

_ONE = Config(id="a", name="a", rootfs="/simulated", network="private")
_OTHER = Config(id="b", name="b", rootfs="/simulated", network=f"{SHARED}a", requires=("a",))
_CALLS = ("create", "start", "stop", "restart", "remove")
_LIFE = ("create", "start", "stop", "remove")

_DATA = VolumeMount(destination="/data", volume="data")
_KEEPER = Config(id="a", name="a", rootfs="/simulated", mounts=(*OWN, _DATA))
_USER = Config(id="b", name="b", rootfs="/simulated", mounts=(replace(_DATA, existing=True),))
_LENDER = replace(_KEEPER, namespaces=Namespaces(ipc=SHAREABLE))
_GUEST = replace(_USER, namespaces=Namespaces(ipc=f"{SHARED}a"))

WHOLE = (
    "one container, all faults",
    "one container, health checks",
    "one container, checkpoints",
    "one container, checkpoints and health checks",
    "one container, limits",
    "one container, deferred network",
)
"""Those that together must use every row of the law."""

MODELS: Mapping[str, Callable[[], Model[Any]]] = MappingProxyType(
    {
        "one container, nothing goes wrong": partial(OneContainer, faults=False, config=LENDING),
        "one container, bare": partial(OneContainer, faults=False, config=BARE),
        "one container, all faults": partial(OneContainer, config=LENDING),
        "one container, health checks": partial(OneContainer, mounts=0, config=CHECKED),
        "one container, checkpoints": partial(
            OneContainer, mounts=0, commands=FEWER, besides=CHECKPOINTS
        ),
        "one container, checkpoints and health checks": partial(
            OneContainer,
            faults=False,
            mounts=0,
            config=replace(CHECKED, deferred_network=True),
            besides=CHECKPOINTS,
        ),
        "one container, limits": partial(OneContainer, mounts=0, commands=SOME, besides=LIMITS),
        "one container, deferred network": partial(
            OneContainer, mounts=0, config=DEFERRED, commands=FEWER
        ),
        "two operators, either may die": partial(TwoOperators, faults=False),
        "two operators, all faults": TwoOperators,
        LOCKS: Orders,
        "one container, always restarted": partial(
            Households, (replace(_ONE, restart="always"),), execs=True
        ),
        "one container, restarted once": partial(
            Households, (replace(_ONE, restart="on-failure", restart_retries=1),), execs=True
        ),
        "one container, removed by itself": partial(
            Households, (replace(_ONE, auto_remove=True),), execs=True
        ),
        "two containers, one needs the other": partial(Households, (_ONE, _OTHER)),
        "two containers, two operators": partial(
            Households, (_ONE, _OTHER), verbs=_CALLS, others=("start", "stop", "remove")
        ),
        "two containers, two things go wrong": partial(
            Households,
            (_ONE, _OTHER),
            troubles=2,
            turns=("half",),
            verbs=("create", "start", "stop", "remove"),
        ),
        "two containers, half of what was volatile": partial(
            Households,
            (replace(_ONE, restart="always"), _OTHER),
            troubles=0,
            halves=True,
        ),
        "two containers, always restarted": partial(
            Households,
            (replace(_ONE, restart="always"), replace(_OTHER, restart="always")),
            troubles=0,
        ),
        "one container, volumes": partial(
            Households, (_KEEPER,), volumes=("data",), verbs=(*_LIFE, *KEEPING)
        ),
        "two containers, one volume": partial(
            Households,
            (_KEEPER, _USER),
            volumes=("data",),
            verbs=(*_LIFE, *KEEPING),
            others=("create", "remove", *KEEPING),
        ),
        "two containers, one memory": partial(
            Households, (_LENDER, _GUEST), volumes=("data",), verbs=_LIFE, turns=("half",)
        ),
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
    """The model in which somebody should notice this mutant."""
    made: Callable[..., Model[Any]] = MODELS[mutant.model or "one container, all faults"]
    if mutant.checked:
        return OneContainer(step=mutated(mutant), mounts=0, config=CHECKED)
    return made(step=mutated(mutant))


def mutant_model(mutant: Mutant) -> str:
    return f"mutant: {mutant.name}"
