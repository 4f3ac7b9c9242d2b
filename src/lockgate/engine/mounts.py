"""A container's root filesystem on this host, for its user: mounted, counted, given back."""

from lockgate.engine.core import Core
from lockgate.statemachine.inputs import Mount, Unmount
from lockgate.statemachine.record import Record


class Mounts(Core):
    """Mounts that its user asks for. They outlast runs and end with a reboot."""

    def mount(self, reference: str) -> str:
        """The directory where its root filesystem is to be seen, for as long as its user wants.

        Legal whatever it is doing, but for being removed. Each call is one mount more, to be given
        back by one `unmount`; a container that runs is mounted already, and stays so for the user
        when its run is over. It is not removed meanwhile, except by force.
        """
        return self._command(reference, Mount()).mountpoint

    def unmount(self, reference: str, *, force: bool = False) -> Record:
        """Give one mount back; with `force` all of them, and where nothing runs whatever is left of
        any. What its own run needs stays until that is cleaned up.

        Raises `NotMounted` and `StillMounted`, both `IllegalState`.
        """
        return self._command(reference, Unmount(force))

    def mounted(self) -> tuple[Record, ...]:
        """The containers that are mounted, for their users or for a run, oldest first."""
        return tuple(record for record in self.list() if record.mountpoint)
