"""Which kernel files a container does not see, or cannot write (OCI runtime spec "Linux":
`maskedPaths`, `readonlyPaths`)."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from lockgate.effects.config import Security

ALL = "ALL"
MASKED = (
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
)
READONLY = (
    "/proc/asound",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)


def masked(security: Security) -> list[str]:
    """Those that look empty. What was masked by name stays so, whatever is unmasked."""
    return list(dict.fromkeys((*_shown(MASKED, security), *security.mask)))


def readonly(security: Security) -> list[str]:
    return list(_shown(READONLY, security))


def _shown(hidden: Iterable[str], security: Security) -> Iterable[str]:
    if security.privileged or ALL in security.unmask:
        return ()
    return (path for path in hidden if not any(fnmatchcase(path, one) for one in security.unmask))
