"""An ordinary user's containers: the namespaces they live in, and what the host allows him."""

from lockgate.adapters.rootless.delegation import delegated
from lockgate.adapters.rootless.entering import enter
from lockgate.adapters.rootless.holder import dismiss, generation
from lockgate.adapters.rootless.permission import Obstacle, obstacles, of_the_host

__all__ = ["Obstacle", "delegated", "dismiss", "enter", "generation", "obstacles", "of_the_host"]
