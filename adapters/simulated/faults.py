"""What goes wrong in a simulated world, by plan: the same plan, the same faults, every time.

A plan says how the n-th effect of a kind turns out. What the world is like half way through an
effect, and what others may do to it behind our back, is here too, as functions of worlds.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from msgspec.structs import replace

from lockgate.adapters.simulated.world import World, died, lends_memory, own_volumes
from lockgate.effects import model as e
from lockgate.effects.config import Config

Turn: TypeAlias = Literal[
    "done",
    "refused",  # nothing happened, and that is said
    "dirty",  # nothing happened, but nobody can be sure
    "after",  # it happened, and failed afterwards
    "half",  # some of it happened
    "late",  # no answer in time; it happens all the same, before the next look
    "twice",  # it happened twice, or others had done it before
    "reverts",  # it succeeded, and the world went back on it at once
    "scarce",  # no space
    "denied",  # not permitted, or the file system is read-only now
]
"""How an effect turns out (FAULTS §3.1)."""

TURNS: tuple[Turn, ...] = get_args(Turn)


class FaultPlan:
    """`turns`: how the n-th effect of a kind, from 1, turns out; `rate`: how likely any other is
    to go wrong, by a random choice that depends on `seed` alone."""

    def __init__(
        self,
        turns: Mapping[tuple[type[e.AnyEffect], int], Turn] | None = None,
        *,
        seed: int = 0,
        rate: float = 0.0,
        choices: tuple[Turn, ...] = TURNS,
    ) -> None:
        self._turns = dict(turns or {})
        self._random, self._rate, self._choices = Random(seed), rate, choices
        self._passed: Counter[type[e.AnyEffect]] = Counter()

    def turn(self, effect: e.AnyEffect) -> Turn:
        """How this effect, the next of its kind, turns out."""
        kind = type(effect)
        self._passed[kind] += 1
        planned = self._turns.get((kind, self._passed[kind]))
        if planned is not None:
            return planned
        if self._rate and self._random.random() < self._rate:
            return self._random.choice(self._choices)
        return "done"

    def way(self, ways: int) -> int:
        """In which of so many ways something is done by half, from 0."""
        return self._random.randrange(ways) if self._rate else 0

    def cease(self) -> None:
        """From now on nothing goes wrong."""
        self._turns, self._rate = {}, 0.0


def halves(world: World, effect: e.AnyEffect, config: Config) -> tuple[World, ...]:
    """The worlds there may be when whoever carried this out was stopped in the middle of it, each once."""
    return tuple(dict.fromkeys(_halves(world, effect, config)))


def _halves(world: World, effect: e.AnyEffect, config: Config) -> Iterator[World]:
    match effect:
        case e.CreateLayer():  # its volumes one after another
            own = own_volumes(config)
            for made in range(max(1, len(own))):
                there = (one for one in own if one in world.volumes or one in own[:made])
                yield replace(world, layer=True, volumes=tuple(there))
        case e.DeleteLayer() if not (world.mounted or world.alive or world.held):
            for left in range(len(world.volumes)):
                yield replace(world, spec=False, volumes=world.volumes[len(world.volumes) - left :])
            yield replace(world, layer=False)  # a store of others is told first
        case e.JoinNetwork():
            yield replace(world, network=True)
            if lends_memory(config):
                yield replace(world, shm=True)
        case e.LeaveNetwork() if world.shm:
            yield replace(world, network=False, plugged=0)
            yield replace(world, shm=False)
        case _:
            yield _half(world, effect)


def _half(world: World, effect: e.AnyEffect) -> World:
    """Of what can be stopped in one place only."""
    match effect:
        case e.CreateRuntime(_, epoch) if world.mounted and not world.alive:
            begun = replace(world, runtime="created", epoch=epoch, monitor=False, code=None)
            return replace(begun, owes=epoch)
        case e.RestoreRuntime(_, epoch) if world.mounted and world.dump and not world.alive:
            begun = replace(world, runtime="running", epoch=epoch, monitor=False, code=None)
            return replace(begun, owes=epoch)
        case e.CheckpointRuntime(_, epoch) if world.runtime == "running" and world.epoch == epoch:
            return replace(world, frozen=True)  # whoever writes it down freezes it first
        case e.DeleteRuntime(_, _, True) if world.alive:
            return replace(died(world, 137), monitor=False)
        case e.Freeze() if world.runtime == "running":
            return replace(world, frozen=True)
        case _:
            return world  # one system call, or a file that is renamed into place


def reverted(world: World, effect: e.AnyEffect) -> World:
    """The world after somebody else undid at once what has just succeeded."""
    match effect:
        case e.CreateRuntime() | e.StartRuntime() | e.Thaw() if world.alive:
            return died(world, 1)
        case _:
            return world


# ---- what others do to it ----------------------------------------------------------------


def _unmounted(world: World) -> World:
    return replace(world, mounted=False)


def _network_gone(world: World) -> World:
    return replace(world, network=False)


def _killed(world: World) -> World:
    return died(world, 137) if world.alive else world


def _monitor_killed(world: World) -> World:
    return replace(world, monitor=False)


def _both_killed(world: World) -> World:
    return _killed(_monitor_killed(world))


def _layer_gone(world: World) -> World:
    """Removed by hand; what is mounted stays, for whoever lives on it, and so do its volumes."""
    return replace(world, layer=False, spec=False, held=False)


def _renamed(world: World) -> World:
    """Its folder has another name now, and what is mounted there went with it."""
    return replace(_layer_gone(world), mounted=False)


def _held(world: World) -> World:
    return replace(world, held=world.layer)


def _let_go(world: World) -> World:
    return replace(world, held=False)


def _report_lost(world: World) -> World:
    return replace(world, reported=False)


def _state_damaged(world: World) -> World:
    return replace(world, damaged=world.runtime != "absent")


def _frozen(world: World) -> World:
    return replace(world, frozen=world.runtime == "running")


def _deleted(world: World) -> World:
    """By hand, as a runtime's `delete --force` does it."""
    gone = replace(world, runtime="absent", epoch=0, frozen=False, monitor=False, watched=0)
    return replace(gone, code=None, reported=False, damaged=False)


DRIFTS: Mapping[str, Callable[[World], World]] = MappingProxyType(
    {
        "unmounted": _unmounted,
        "network gone": _network_gone,
        "layer gone": _layer_gone,
        "renamed": _renamed,
        "held elsewhere": _held,
        "let go": _let_go,
        "killed": _killed,
        "monitor killed": _monitor_killed,
        "both killed": _both_killed,
        "report lost": _report_lost,
        "runtime state damaged": _state_damaged,
        "frozen": _frozen,
        "deleted from the runtime": _deleted,
    }
)
"""What an administrator, another engine or the kernel may do (FAULTS §3.8)."""
