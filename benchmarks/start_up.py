"""How long a person waits for `lockgate --help` and `lockgate ps`, beside the interpreter alone and podman's."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
        compare(folder)


def compare(folder: str) -> None:
    lockgate = str(Path(sys.executable).parent / "lockgate")
    contenders = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import lockgate": [sys.executable, "-c", "import lockgate"],
        "import lockgate.engine": [sys.executable, "-c", "import lockgate.engine"],
        "lockgate --help": [lockgate, "--help"],
        "lockgate ps": [lockgate, "--root", folder, "ps"],
    }
    if shutil.which("podman"):
        contenders["podman --help"] = ["podman", "--help"]
        contenders["podman ps"] = ["podman", "--root", folder, "ps"]
    # installed packages have their bytecode; so has ours, after the first round
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, command in contenders.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment)
            samples[name].append((time.perf_counter() - began) * 1e3)
    for name, times in samples.items():
        print(f"{name:24} {statistics.median(times[1:]):8.1f} ms")


if __name__ == "__main__":
    main()
