"""An OCI runtime under conmon: containers that run for real."""

from lockgate.adapters.oci.choice import Chosen, choose
from lockgate.adapters.oci.conmon import ConmonRuntime

__all__ = ["Chosen", "ConmonRuntime", "choose"]
