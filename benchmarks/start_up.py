"""How long a person waits for `lockgate --help`, beside the interpreter alone and podman's."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15


def main() -> None:
    lockgate = str(Path(sys.executable).parent / "lockgate")
    contenders = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import lockgate": [sys.executable, "-c", "import lockgate"],
        "import lockgate.engine": [sys.executable, "-c", "import lockgate.engine"],
        "lockgate --help": [lockgate, "--help"],
    }
    if shutil.which("podman"):
        contenders["podman --help"] = ["podman", "--help"]
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, command in contenders.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            samples[name].append((time.perf_counter() - began) * 1e3)
    for name, times in samples.items():
        print(f"{name:24} {statistics.median(times):8.1f} ms")


if __name__ == "__main__":
    main()
