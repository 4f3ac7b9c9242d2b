"""Everything that is read from outside, one reader each: whatever the bytes, only what is promised.

A reader gets bytes and a folder of its own, and returns; it raises only when the code under test
raised what it never promised. The test suite feeds them by Hypothesis, fuzz/ by coverage.
"""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from lockgate.adapters.logs import parsed
from lockgate.adapters.oci import exits
from lockgate.adapters.oci.run import Run
from lockgate.adapters.storage.archive import read_archive
from lockgate.adapters.storage.blobs import blobs_of_archive
from lockgate.adapters.storage.entries import Allowance, File, Limits, accepted, survey
from lockgate.adapters.storage.layouts import find_image
from lockgate.adapters.storage.wishes import wished
from lockgate.effects.config import Config
from lockgate.effects.model import WriteSpec
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Accounts, Facts
from lockgate.lifecycle import readable
from lockgate.statemachine import history, spec
from lockgate.statemachine.inputs import Create
from lockgate.statemachine.record import Step, newborn
from lockgate.statemachine.step import step
from lockgate.testing import neighbours

CONTAINER = "c"
CONFIG = Config(id=CONTAINER, name="web", command=("sh",))
EFFECT = WriteSpec(CONTAINER, 1, "/merged", "")
ALLOW = b'{"defaultAction": "SCMP_ACT_ALLOW"}'
RULES = b"""{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "flags": [],
"archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
"syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]},
"args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ"}]}]}"""
FRUGAL = Limits(size=1 << 20, entries=1 << 10)


def _run(folder: Path) -> Run:
    """A run whose files the reader writes itself."""
    run = Run.of(folder, CONTAINER, 1)
    if not run.exists():
        run.bundle.mkdir(parents=True, exist_ok=True)
        run.make()
    return run


def entry(data: bytes, folder: Path) -> None:
    """A line of a history; nonsense is a `DecodeError`."""
    try:
        read = history.decode_entry(data)
    except msgspec.DecodeError:
        return
    history.encode_entry(read)


def record(data: bytes, folder: Path) -> None:
    """The row of a container; nonsense is None."""
    read = readable(CONTAINER, "web", data)
    assert read is None or read.id == CONTAINER


def answer(data: bytes, folder: Path) -> None:
    """What the monitor says of `create`."""
    run = _run(folder)
    run.sync.write_bytes(data)
    run.answer()


def pid(data: bytes, folder: Path) -> None:
    """The first process's number; nonsense is 0."""
    run = _run(folder)
    run.pidfile.write_bytes(data)
    assert run.pid() == 0 or run.pid() > 1


def code(data: bytes, folder: Path) -> None:
    """The exit file: a code from -1 to 255, or none and a reason."""
    run = _run(folder)
    run.exit_files[0].write_bytes(data)
    report = exits.reported(run)
    assert report is not None
    assert report.reason if report.code is None else -1 <= report.code <= 255


def accounts(data: bytes, folder: Path) -> None:
    """The container's own passwd and group; who is not in them is refused."""
    for user in ("web", "web:log", "33", "33:4"):
        try:
            uid, gid, groups = spec.resolve_user(user, Accounts(data, data))
        except PortError:
            continue
        assert all(0 <= one < 1 << 32 for one in (uid, gid, *groups))


def profile(data: bytes, folder: Path) -> None:
    """A seccomp profile; what is none is refused, and never no filter."""
    facts = Facts(bundle="/bundle", machine="x86_64", seccomp=data)
    try:
        made = spec.generate(CONFIG, EFFECT, facts)
    except PortError:
        return
    assert json.loads(made.spec)["linux"]["seccomp"]["defaultAction"]


def names(data: bytes, folder: Path) -> None:
    """The host's resolv.conf and hosts: any bytes make files of a container."""
    facts = Facts(bundle="/bundle", resolv_conf=data, hosts=data, seccomp=ALLOW)
    for network in ("host", "web"):
        spec.generate(replace(CONFIG, network=network), EFFECT, facts)


def log(data: bytes, folder: Path) -> None:
    """A line of a container's log: any bytes are some text."""
    parsed(data)


def archive(data: bytes, folder: Path) -> None:
    """The archive of an image: taken, or refused as damaged."""
    path = folder / "archive.tar"
    path.write_bytes(data)
    try:
        with path.open("rb", buffering=0) as file:
            for one in accepted(read_archive(file), Allowance(FRUGAL)):
                if isinstance(one, File):
                    for _ in one.content:
                        pass
    except PortError:
        pass


def layout(data: bytes, folder: Path) -> None:
    """The archive of an image layout, its documents and layers: found, or refused."""
    path = folder / "layout.tar"
    path.write_bytes(data)
    try:
        with path.open("rb", buffering=0) as file:
            with blobs_of_archive(file, folder, FRUGAL.size) as blobs:
                if blobs is None:
                    return
                found = find_image(blobs, platform="linux/amd64")
                wished(found.wishes)
                for one in found.layers:
                    with closing(one.entries()) as entries:
                        survey(accepted(entries, Allowance(FRUGAL)))
    except PortError:
        pass


Reader = Callable[[bytes, Path], None]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "entry": entry,
        "record": record,
        "answer": answer,
        "pid": pid,
        "code": code,
        "accounts": accounts,
        "profile": profile,
        "names": names,
        "log": log,
        "archive": archive,
        "layout": layout,
        **{reader.__name__: reader for reader in neighbours.NEIGHBOURS},
    }
)


def seeds() -> Mapping[str, tuple[bytes, ...]]:
    """What each is meant to read: where mutation begins."""
    born = newborn(CONFIG)
    made = step(born, Create(CONFIG))
    assert isinstance(made, Step)
    stored = history.encode_record(made.record)
    line = history.encode_entry(history.entry(0, 1, Create(CONFIG), made, stored))
    return {
        "entry": (line,),
        "record": (stored,),
        "answer": (b'{"data": 4711}\n', b'{"data": -1, "message": "no such file"}\n'),
        "pid": (b"4711", b"1\n"),
        "code": (b"0", b"137", b"-1"),
        "accounts": (
            b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/sh\n",
            b"root:x:0:\nweb:x:34:\nlog:x:4:web\n",
        ),
        "profile": (ALLOW, RULES),
        "names": (b"nameserver 192.0.2.1\nsearch a.example\noptions ndots:2\n",),
        "log": (b"2026-01-02T03:04:05.000000006+00:00 stdout F hello",),
        "archive": (_tar(),),
        "layout": (_layout(_tar()),),
        **neighbours.seeds(),
    }


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo("etc")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        file = tarfile.TarInfo("etc/hosts")
        file.size = 5
        file.pax_headers = {"SCHILY.xattr.user.x": "y"}
        tar.addfile(file, io.BytesIO(b"hosts"))
        link = tarfile.TarInfo("etc/link")
        link.type, link.linkname = tarfile.SYMTYPE, "hosts"
        tar.addfile(link)
        gone = tarfile.TarInfo("etc/.wh.old")
        tar.addfile(gone)
    return buffer.getvalue()


def _layout(layer: bytes) -> bytes:
    """An archive of an image layout with this one layer."""
    kind, digests = "application/vnd.oci.image", [f"sha256:{sha256(layer).hexdigest()}"]
    blobs = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def blob(content: bytes, media_type: str) -> dict[str, object]:
        digest = sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    rootfs = {"type": "layers", "diff_ids": digests}
    wishes = {"Cmd": ["sh"], "StopSignal": "SIGINT", "Env": ["A=1"]}
    image = {"os": "linux", "architecture": "amd64", "config": wishes, "rootfs": rootfs}
    config = blob(msgspec.json.encode(image), f"{kind}.config.v1+json")
    layers = [blob(layer, f"{kind}.layer.v1.tar")]
    manifest = msgspec.json.encode({"config": config, "layers": layers})
    index = {"manifests": [blob(manifest, f"{kind}.manifest.v1+json")]}
    blobs["index.json"] = msgspec.json.encode(index)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in blobs.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
