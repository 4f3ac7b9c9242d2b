"""Importing an OCI image layout of several layers: lockgate beside umoci, same input, in turns.

umoci unpacks into one tree and notes down what it unpacked; lockgate unpacks each layer for
itself, checks the same digests and syncs to disk. `python benchmarks/images.py [ROUNDS]`, as root.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lockgate.adapters.storage import Images

LAYERS = 5
FILES = 400
"""In each layer; most are small, as in real root file systems."""

SIZES = (300, 1_000, 3_000, 12_000, 60_000, 400_000)
WEIGHTS = (30, 30, 20, 12, 7, 1)


def layer(number: int, dice: random.Random) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in range(20):
            made = tarfile.TarInfo(f"usr/lib/{number}/{folder}")
            made.type, made.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(made)
        for file in range(FILES):
            (size,) = dice.choices(SIZES, WEIGHTS)
            words = dice.randbytes(size // 3).hex().encode()  # compresses as text does
            info = tarfile.TarInfo(f"usr/lib/{number}/{file % 20}/file-{file}")
            info.size, info.mtime = len(words), 1_600_000_000
            tar.addfile(info, io.BytesIO(words))
    return buffer.getvalue()


def write_layout(top: Path) -> Path:
    dice = random.Random(1)

    def blob(data: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        place = top / "blobs/sha256" / digest
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    kind = "application/vnd.oci.image"
    plain = [layer(number, dice) for number in range(LAYERS)]
    layers = [blob(gzip.compress(one, 6), f"{kind}.layer.v1.tar+gzip") for one in plain]
    diff_ids = [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in plain]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    configuration = {
        "os": "linux",
        "architecture": machine,
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    config = blob(json.dumps(configuration).encode(), f"{kind}.config.v1+json")
    manifest = json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode()
    named = {"annotations": {"org.opencontainers.image.ref.name": "latest"}}
    index = {
        "schemaVersion": 2,
        "manifests": [{**blob(manifest, f"{kind}.manifest.v1+json"), **named}],
    }
    (top / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (top / "index.json").write_text(json.dumps(index))
    packed = sum(
        Path(top / "blobs" / str(one["digest"]).replace(":", "/")).stat().st_size for one in layers
    )
    print(
        f"{LAYERS} layers, {LAYERS * FILES} files, {sum(map(len, plain)) / 1e6:.1f} MB, {packed / 1e6:.1f} MB compressed"
    )
    return top


def timed(what: Callable[[], object]) -> float:
    os.sync()
    before = time.perf_counter()
    what()
    return time.perf_counter() - before


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    if os.geteuid() != 0 or shutil.which("umoci") is None:
        print("this needs root and umoci")
        return 0
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        top = Path(folder)
        layout = write_layout(top / "layout")
        times: dict[str, list[float]] = {"lockgate": [], "lockgate, again": [], "umoci": []}
        for number in range(rounds):
            # each in a place of its own: ext4 is slow to create what was just removed elsewhere
            images, bundle = Images(top / f"root-{number}"), str(top / f"bundle-{number}")
            command = ["umoci", "unpack", "--image", f"{layout}:latest", bundle]
            times["lockgate"].append(timed(partial(images.import_image, "x", layout)))
            times["lockgate, again"].append(timed(partial(images.import_image, "y", layout)))
            unpack = partial(subprocess.run, command, check=True, capture_output=True)
            times["umoci"].append(timed(unpack))
        medians = {name: statistics.median(found) for name, found in times.items()}
        for name, found in medians.items():
            print(
                f"{name:16} {found * 1000:8.1f} ms   {medians['umoci'] / found:6.2f} times umoci's speed"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
