"""A host that exists in memory only: every port, deterministic, with a virtual clock."""

from lockgate.adapters.simulated.faults import DRIFTS, FaultPlan, Turn
from lockgate.adapters.simulated.host import SimulatedHost, Snapshot
from lockgate.adapters.simulated.world import Impossible, World, carried_out, died, seen

__all__ = [
    "DRIFTS",
    "FaultPlan",
    "Impossible",
    "SimulatedHost",
    "Snapshot",
    "Turn",
    "World",
    "carried_out",
    "died",
    "seen",
]
