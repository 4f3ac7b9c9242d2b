"""Reads and writes that do half of what they were asked for: what is kept is whole, and so is what is read
(FAULTS §3.1, "short read/write")."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from tests.adapters.layouts import Layout, directory, member, tar_bytes
from tests.asking import WHY
from tests.power.disk import IDS, commits
from tests.shortening import by_halves

from lockgate.adapters.commands import finished
from lockgate.adapters.filesystem import read_bounded, replacing, write_atomic
from lockgate.adapters.hooks import LocalHooks, keeper
from lockgate.adapters.logs import read_log
from lockgate.adapters.oci.run import Run
from lockgate.adapters.settlers import settling
from lockgate.adapters.storage import OverlayStorage
from lockgate.adapters.store import SqliteStore
from lockgate.effects.config import Config
from lockgate.effects.hooks import Hook

pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY or "fit")

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def a_store(folder: Path) -> None:
    path = folder / "db"
    written = [one.entry for one in commits(12) if one.container == IDS[0]]
    with closing(SqliteStore(path)) as store:
        for one in commits(12):
            store.append(one)
    with closing(SqliteStore(path)) as store:
        assert list(store.history(IDS[0])) == written


def files(folder: Path) -> None:
    write_atomic(folder, "note", b"x" * 10_000, 0o600)
    assert read_bounded(folder / "note", 10_000) == b"x" * 10_000
    with replacing(folder / "archive") as out:
        out.write(b"y" * 100_000)
    assert (folder / "archive").read_bytes() == b"y" * 100_000


def a_program(folder: Path) -> None:
    said = finished(
        ["sh", "-c", "cat; seq 3000 >&2"],
        environment={"PATH": os.defpath},
        patience=20,
        stdin=b"x" * 100_000,
    )
    assert said.output == b"x" * 100_000
    assert said.complaints.endswith(b"\n3000\n")


def hooks(folder: Path) -> None:
    """A poststop hook that has succeeded has succeeded: it is not run a second time."""
    script = f"cat >/dev/null; echo x >>{folder}/ran"
    hook = Hook("/bin/sh", ("sh", "-c", script), ("PATH=" + os.defpath,))
    config = Config(id="a" * 64, image="busybox")
    (folder / "containers" / config.id).mkdir(parents=True)
    for _ in range(2):
        LocalHooks(folder).poststop(config, 1, (hook,))
    assert (folder / "ran").read_text() == "x\n"


def a_keeper(folder: Path) -> None:
    """Who runs a hook says how it ended: a success of which half is missing would be none."""
    with (folder / "0").open("w+b") as file:
        keeper.main(str(file.fileno()), "20", str(folder), "/bin/true", "0")
        assert file.read() == b"0\n"


def a_settler(folder: Path) -> None:
    """Who has come to an end has: nobody settles the run again."""
    Run.of(folder, "a" * 64, 1).make()
    for first in (True, False):
        with settling(folder, "a" * 64, 1) as mine:
            assert mine is first


def a_log(folder: Path) -> None:
    path = folder / "ctr.log"
    lines = [f"2026-01-01T00:00:00.000000000+00:00 stdout F {n}\n" for n in range(5000)]
    path.write_text("".join(lines))
    texts: list[str] = []
    mark = None
    while (read := read_log(path, mark))[0]:
        texts += [line.text for line in read[0]]
        mark = read[1]
    assert texts == [str(n) for n in range(5000)]


def layout() -> Layout:
    made = Layout()
    contents = [member(f"file-{n}", content=bytes(n)) for n in (1, 3, 511, 512, 70_000)]
    made.tag(made.image([directory("etc"), *contents]), "one")
    return made


def images(folder: Path) -> None:
    """Archives of images and of root file systems, plain and compressed, by each decompressor."""
    plain = layout().pack(folder / "plain.tar").read_bytes()
    tree = tar_bytes(directory("etc"), member("etc/motd", content=b"hello" * 5000))
    kept = OverlayStorage(folder / "root").images
    for name, pack in PACKERS.items():
        (folder / f"{name}.tar").write_bytes(pack(plain))
        one = kept.import_image(f"{name}-image", folder / f"{name}.tar")
        (folder / f"{name}-tree.tar").write_bytes(pack(tree))
        two = kept.import_image(f"{name}-tree", folder / f"{name}-tree.tar")
        assert (one.layers, two.layers) == (
            kept.lookup("plain-image").layers,
            kept.lookup("plain-tree").layers,
        )


ACTS = (a_store, files, a_program, hooks, a_keeper, a_settler, a_log, images)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_what_is_done_by_halves_is_whole(act: Callable[[Path], None], tmp_path: Path) -> None:
    assert by_halves(partial(act, tmp_path)) & {"read", "pread", "write", "pwrite"}
