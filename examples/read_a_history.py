"""Use 3, replay: two containers were made alike, and one of them is not running. Why?

    python examples/read_a_history.py

All that is needed is what the engine wrote down: two files of JSON Lines, as `lockgate history --json`
prints them. They are replayed here with nothing but the pure machine.
"""

import sys
import tempfile
from pathlib import Path

from returns.result import Success

from lockgate import Engine, Entry, LockgateError, Status, replay
from lockgate.effects.model import AnyEffect, StartRuntime
from lockgate.effects.outcome import PortError
from lockgate.statemachine import Create, newborn
from lockgate.statemachine.history import decode_entry
from lockgate.statemachine.record import Record
from lockgate.statemachine.travel import Place, at, drawn, first, parting, walk


def recorded(folder: Path) -> tuple[Path, Path]:
    """What happened, on a host where one of two starts fails; we were not there."""
    with Engine.simulated() as engine:
        engine.import_image("busybox", folder, command=["sleep", "60"])
        well, ill = (engine.create(name=name, image="busybox") for name in ("well", "ill"))
        assert engine.simulation is not None

        def trouble(effect: AnyEffect) -> None:
            if isinstance(effect, StartRuntime) and effect.container == ill.id:
                raise PortError("failed", "no space left on device")

        engine.simulation.before = trouble
        for one in (well, ill):
            try:
                engine.start(one.id)
            except LockgateError:
                pass
        files = (folder / "well.jsonl", folder / "ill.jsonl")
        for one, file in zip((well, ill), files, strict=True):
            file.write_bytes(b"".join(line + b"\n" for line in engine.host.store.history(one.id)))
        return files


def read(file: Path) -> tuple[Record, list[Entry]]:
    """The record before the first entry, and the entries."""
    entries = [decode_entry(line) for line in file.read_bytes().splitlines()]
    creation = entries[0].given
    assert isinstance(creation, Create)
    return newborn(creation.config), entries


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lockgate-history-") as folder:
        (blank, good), (other, bad) = map(read, recorded(Path(folder)))
    for name, record, entries in (("well", blank, good), ("ill", other, bad)):
        end = replay(record, entries).unwrap()  # a Failure would name the first entry that differs
        print(f"{name}: {len(entries)} entries, equal at every one; it ends {end.status}")
    match first(blank, good, lambda record: record.status is Status.RUNNING):
        case Success(Place() as place):
            print(f"well has been running since entry {place.entry.seq}")
    way = [place for place in walk(other, bad) if isinstance(place, Place)]
    parted = parting((place for place in walk(blank, good) if isinstance(place, Place)), way)
    assert parted is not None
    print(f"they part at entry {parted.seq}:")
    for name, there in (("well", parted.left), ("ill", parted.right)):
        print(f"  {name} heard {there.entry.given if there else 'nothing more'}")
    before = at(other, bad, parted.seq - 1).unwrap()
    print(f"until then ill was {before.status}, and all was as it should be\n")
    print(drawn(way))
    return 0


if __name__ == "__main__":
    sys.exit(main())
