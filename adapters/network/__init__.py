"""Network namespaces, and what is plugged into them."""

from lockgate.adapters.network.book import NetworkBook
from lockgate.adapters.network.choice import DRIVERS, choose_driver, network
from lockgate.adapters.network.namespaces import Namespaces

__all__ = ["DRIVERS", "Namespaces", "NetworkBook", "choose_driver", "network"]
