"""Network namespaces, and what is plugged into them."""

from lockgate.adapters.network.namespaces import Namespaces

__all__ = ["Namespaces"]
