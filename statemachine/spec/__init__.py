"""The OCI spec of one run, as a pure function of the config and what was looked up for it.

Facts come in (where the root filesystem is mounted, the container's own accounts, the host's
devices and limits), a spec and the files it names go out; same facts, same bytes. Whether a wish
makes sense by itself was checked at the front door; whether this host can fulfil it is judged here,
and a no is `PortError(dirty=False)` (BEHAVIOUR §3 "Spec generation"; OCI runtime spec
"Configuration").
"""

from lockgate.statemachine.spec.generate import environment, generate
from lockgate.statemachine.spec.users import resolve_user

__all__ = ["environment", "generate", "resolve_user"]
