"""Programs of ours that nobody here has begun: whom a monitor calls, who sees to health."""

from pathlib import Path


def at_work(module: str, container: str) -> list[int]:
    """The processes that run `python -m module` for this container. A monitor, which has the line of
    whom it will call among its own words, is none of them."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it has just ended
            ours = module.encode() in line and container.encode() in line
            if ours and b"conmon\0-" not in line:
                found.append(int(entry.name))
    return found
