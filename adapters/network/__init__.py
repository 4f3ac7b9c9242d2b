"""Network namespaces, and what is plugged into them."""

from lockgate.adapters.network.book import NetworkBook
from lockgate.adapters.network.choice import network
from lockgate.adapters.network.namespaces import Namespaces

__all__ = ["Namespaces", "NetworkBook", "network"]
