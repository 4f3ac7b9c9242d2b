"""Every read and write of an engine on real parts does half of what it was asked for: its containers live,
say, end and go as ever (FAULTS §3.1, "short read/write")."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
from tests.asking import WHY
from tests.ground import Ground
from tests.shortening import by_halves

from lockgate import Engine
from lockgate.effects.ports import LogLine
from lockgate.testing import busybox

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(bool(WHY), reason=WHY or "fit"),
]

COUNTING = ["sh", "-c", "seq 2000; echo last >&2; exec sleep 600"]


def text(lines: Iterable[LogLine]) -> str:
    """What was written; a long line may be kept in pieces."""
    return "".join(line.text + ("" if line.partial else "\n") for line in lines)


def a_life(root: Path, runtime: str, image: Path, exported: Path) -> None:
    with Engine.open(root, runtime=runtime) as engine:
        engine.import_image("busybox", image)
        engine.create_network("net", subnet="10.214.0.0/24")
        engine.create(
            name="web",
            image="busybox",
            command=COUNTING,
            network="net",
            ports=["18214:80"],
            env={"A": "x" * 5000},
        )
        assert engine.start("web").process is not None
        session = engine.exec("web", ["sh", "-c", 'echo "$A"; exit 3'])
        assert engine.exec_wait("web", session.id) == 3
        assert text(engine.exec_output("web", session.id)) == "x" * 5000 + "\n"
        engine.pause("web")
        engine.unpause("web")
        engine.export("web", exported)
        assert engine.stop("web", timeout=0).exit_code == 137
        said = text(line for line in engine.logs("web") if line.stream == "stdout")
        assert said.split() == [str(number) for number in range(1, 2001)]
        engine.start("web")
        engine.remove("web", force=True, timeout=0)
        engine.import_image("again", exported)
        assert not engine.list()
        engine.remove_network("net")


def test_a_life_by_halves(root: Path, runtime: str, tmp_path: Path) -> None:
    """No engine is open beside it: what looks at its descriptors must not have the store open."""
    image = busybox.rootfs_tar(tmp_path / "busybox.tar")
    life = partial(a_life, root, runtime, image, tmp_path / "exported.tar")
    try:
        life()
        before = Ground.of(root)
        assert by_halves(life) == {"read", "pread", "write", "pwrite"}
        before.still(root)
    finally:
        with Engine.open(root, runtime=runtime) as engine:
            for record in engine.list():
                engine.remove(record.id, force=True, timeout=0)
            for network in engine.networks():
                engine.remove_network(network.name)
