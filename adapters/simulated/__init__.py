"""A host that exists in memory only: every port, deterministic, with a virtual clock."""

from lockgate.adapters.simulated.host import SimulatedHost
from lockgate.adapters.simulated.world import Impossible, World, carried_out, died, seen

__all__ = ["Impossible", "SimulatedHost", "World", "carried_out", "died", "seen"]
