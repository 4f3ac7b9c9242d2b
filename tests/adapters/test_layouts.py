"""Images as others write them: OCI layouts and docker archives. What they promise is checked,
what they say is done as the specification has it, and what is hostile leaves nothing."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockgate.adapters.storage import Images, Limits, OverlayStorage
from lockgate.adapters.storage.layers import Draft
from lockgate.effects import health
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image
from lockgate.testing import busybox

from .layouts import (
    INDEX,
    LAYER,
    MANIFEST,
    Json,
    Layout,
    directory,
    docker_archive,
    link,
    member,
    sha256,
    tar_bytes,
)

real = pytest.mark.real

ROOT = [
    directory("etc", mode=0o750, mtime=1),
    member("etc/passwd", content=b"root:x:0:0::/:/bin/sh\n"),
    directory("tmp", mode=0o1777),
    member("old", content=b"old"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lockgate"


@pytest.fixture
def images(root: Path) -> Images:
    return Images(root)


@pytest.fixture
def layout() -> Layout:
    return Layout()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "layout"


def nobody(image: Image) -> tuple[str, ...]:
    """Uses it."""
    return ()


def left_in(root: Path) -> list[str]:
    layers = root / "layers"
    return sorted(path.name for path in layers.iterdir()) if layers.exists() else []


def layer_of(images: Images, image: Image, number: int) -> Path:
    return images.layers.path(image.layers[number])


# ---- what is in it ---------------------------------------------------------------------


class TestWhatIsFound:
    @pytest.mark.parametrize("form", ["directory", "archive", "gzip", "xz"])
    def test_an_oci_layout(self, images: Images, layout: Layout, tmp_path: Path, form: str) -> None:
        layout.tag(layout.image(ROOT, [member("new", content=b"new!")]), "latest")
        source = layout.write(tmp_path / "d") if form == "directory" else tmp_path / "a"
        if form != "directory":
            layout.pack(source)
            packers: dict[str, Callable[[bytes], bytes]] = {
                "gzip": gzip.compress,
                "xz": lzma.compress,
                "archive": bytes,
            }
            source.write_bytes(packers[form](source.read_bytes()))
        image = images.import_image("x", source)
        assert (layer_of(images, image, 0) / "old").read_bytes() == b"old"
        assert (layer_of(images, image, 1) / "new").read_bytes() == b"new!"
        assert image.sizes == (25, 4) and image.size == 29
        assert images.lookup("x") == image
        assert left_in(images.layers.path("").parent) == sorted(image.layers)

    def test_a_docker_archive(self, images: Images, tmp_path: Path) -> None:
        """Also one in which a layer that is there twice is a link."""
        config = {"Entrypoint": ["/bin/sh"], "Cmd": ["-c", "true"]}
        again = [member("new", content=b"new")]
        source = docker_archive(tmp_path / "a.tar", ROOT, again, again, config=config)
        image = images.import_image("x", source)
        assert (image.entrypoint, image.command) == (("/bin/sh",), ("-c", "true"))
        assert len(image.layers) == 3 and image.layers[1] == image.layers[2]

    def test_a_docker_archive_beside_a_layout_is_the_layout(
        self, images: Images, layout: Layout, tmp_path: Path
    ) -> None:
        """As newer versions of Docker write both into one archive."""
        layout.tag(layout.image(ROOT), "latest")
        layout.files["manifest.json"] = b"[]"
        assert images.import_image("x", layout.pack(tmp_path / "a.tar")).layers

    @pytest.mark.parametrize("names", [["manifest.json", "bin/sh"], ["blobs/x"], []])
    def test_a_root_file_system_stays_one(
        self, images: Images, tmp_path: Path, names: list[str]
    ) -> None:
        (tmp_path / "a.tar").write_bytes(tar_bytes(*(member(name) for name in names)))
        image = images.import_image("x", tmp_path / "a.tar")
        assert len(image.layers) == 1 and image.diff_ids == ()
        assert all((layer_of(images, image, 0) / name).exists() for name in names)

    @pytest.mark.parametrize("form", ["", "+gzip", "+zstd"])
    def test_layers_however_compressed(
        self, images: Images, layout: Layout, place: Path, form: str
    ) -> None:
        plain = tar_bytes(*ROOT, member("big", content=os.urandom(100_000)))
        pack: dict[str, Callable[[bytes], bytes]] = {
            "": bytes,
            "+gzip": gzip.compress,
            "+zstd": lambda data: (
                subprocess.run(
                    ["zstd", "-c"], input=data, check=True, stdout=subprocess.PIPE
                ).stdout
            ),
        }
        descriptor = layout.blob(pack[form](plain), f"{LAYER}{form}")
        layout.tag(layout.image(diff_ids=[sha256(plain)], layers=[descriptor]))
        image = images.import_image("x", layout.write(place))
        assert image.diff_ids == (sha256(plain),)
        assert (layer_of(images, image, 0) / "big").stat().st_size == 100_000

    def test_how_it_wants_to_be_run(self, images: Images, layout: Layout, place: Path) -> None:
        config = {
            "Entrypoint": ["/bin/server"],
            "Cmd": ["--help"],
            "Env": ["PATH=/bin", "A=b=c", "nothing", "=x"],
            "WorkingDir": "srv",
            "User": "1000:users",
            "StopSignal": "SIGRTMIN+3",
            "Labels": {"b": "2", "a": "1"},
            "Volumes": {"/data": {}},
            "ExposedPorts": {"80/tcp": {}},
        }
        layout.tag(layout.image(ROOT, config=config))
        image = images.import_image("x", layout.write(place))
        assert image.entrypoint == ("/bin/server",)
        assert image.command == ("--help",)
        assert image.env == ("PATH=/bin", "A=b=c")
        assert (image.workdir, image.user, image.stop_signal) == ("/srv", "1000:users", 37)
        assert image.labels == (("a", "1"), ("b", "2"))
        assert image.volumes == ("/data",)

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            (
                {"Test": ["CMD-SHELL", "a | b"]},
                health.HealthCheck(command=("/bin/sh", "-c", "a | b")),
            ),
            (
                {"Test": ["CMD", "a"], "Interval": 0, "Retries": 0},
                health.HealthCheck(command=("a",)),
            ),
            (
                {"Test": ["CMD", "a"], "Interval": 1, "Timeout": 2, "StartPeriod": 3, "Retries": 4},
                health.HealthCheck(
                    command=("a",), interval=1, timeout=2, start_period=3, retries=4
                ),
            ),
            ({"Test": ["NONE"]}, None),
            ({"Test": []}, None),
            ({"Interval": 5}, None),
            (None, None),
        ],
    )
    def test_a_health_check_comes_with_the_image(
        self,
        images: Images,
        layout: Layout,
        place: Path,
        written: object,
        expected: health.HealthCheck | None,
    ) -> None:
        layout.tag(layout.image(ROOT, config={"Healthcheck": written}))
        plain = images.import_image("x", layout.write(place))
        assert plain.health == expected
        assert images.lookup("x") == plain
        layout.manifests.clear()
        layout.tag(layout.image(ROOT, config={}))
        without = images.import_image("y", layout.write(place))
        assert (without.id == plain.id) is (expected is None)

    def test_what_is_given_takes_the_place_of_what_it_wants(
        self, images: Images, layout: Layout, place: Path
    ) -> None:
        layout.tag(layout.image(ROOT, config={"Entrypoint": ["a"], "Cmd": ["b"], "User": "u"}))
        image = images.import_image("x", layout.write(place), command=["c"], workdir="/w")
        assert (image.entrypoint, image.command) == ((), ("c",))
        assert (image.user, image.workdir) == ("u", "/w")

    @pytest.mark.parametrize("null", ["Entrypoint", "Cmd", "Env", "Labels", "StopSignal", "User"])
    def test_null_is_absent(self, images: Images, layout: Layout, place: Path, null: str) -> None:
        layout.tag(layout.image(ROOT, config={null: None}))
        assert images.import_image("x", layout.write(place)).stop_signal == 15


PLATFORM = {"os": "linux", "architecture": "amd64"}


class TestWhich:
    def test_by_name(self, images: Images, layout: Layout, place: Path) -> None:
        layout.tag(layout.image(ROOT, config={"User": "one"}), "1.0")
        layout.tag(layout.image(ROOT, config={"User": "two"}), "2.0")
        layout.write(place)
        assert images.import_image("x", place, reference="2.0").user == "two"
        with pytest.raises(PortError, match=r"several images, say which: 1\.0, 2\.0"):
            images.import_image("x", place)
        with pytest.raises(PortError, match=r"no image '3'; it has: 1\.0, 2\.0") as caught:
            images.import_image("x", place, reference="3")
        assert caught.value.fault.kind == "missing"

    def test_of_a_docker_archive_by_tag(self, images: Images, tmp_path: Path) -> None:
        source = docker_archive(tmp_path / "a.tar", ROOT, config={}, tag="busybox:1")
        assert images.import_image("x", source, reference="busybox:1").layers
        with pytest.raises(PortError, match="no image 'other'; it has: busybox:1"):
            images.import_image("x", source, reference="other")

    @pytest.mark.parametrize(
        ("machine", "asked", "expected"),
        [
            ("x86_64", "", "amd64"),
            ("aarch64", "", "arm64"),
            ("riscv64", "", "riscv64"),
            ("x86_64", "linux/arm64", "arm64"),
            ("armv7l", "", "arm/v7"),
            ("armv6l", "", "arm/v6"),
            ("x86_64", "linux/arm/v5", "arm/v5"),
            ("x86_64", "linux/arm/v8", "arm/v7"),
            ("x86_64", "linux/amd64/v3", "amd64"),
            ("x86_64", "linux/s390x", "s390x/z15"),
        ],
    )
    def test_for_this_machine(
        self,
        images: Images,
        layout: Layout,
        place: Path,
        monkeypatch: pytest.MonkeyPatch,
        machine: str,
        asked: str,
        expected: str,
    ) -> None:
        platforms = ("arm/v7", "arm/v5", "arm/v6", "riscv64", "arm64", "amd64", "s390x/z15")
        inner: list[Json] = []
        for platform in platforms:
            architecture, _, variant = platform.partition("/")
            told = {"os": "linux", "architecture": architecture, "variant": variant}
            made = layout.image(ROOT, config={"User": platform}, architecture=architecture)
            inner.append({**made, "platform": told})
        # of equals the first is meant
        inner.append({**layout.image(ROOT, config={"User": "later"}), "platform": PLATFORM})
        # as builders add them: no image, but something said about one
        inner.append({**inner[0], "platform": {"os": "unknown", "architecture": "unknown"}})
        index = layout.document({"schemaVersion": 2, "manifests": inner}, INDEX)
        layout.tag(index, "latest")
        system = os.uname()
        fake = os.uname_result((*system[:4], machine))
        monkeypatch.setattr(os, "uname", lambda: fake)
        assert images.import_image("x", layout.write(place), platform=asked).user == expected

    def test_none_for_this_machine(self, images: Images, layout: Layout, place: Path) -> None:
        layout.tag(layout.image(ROOT, architecture="s390x"))
        with pytest.raises(PortError, match=r"no image for linux/.*; it has: linux/s390x"):
            images.import_image("x", layout.write(place))
        with pytest.raises(PortError, match="no image for plan9/s390x"):
            images.import_image("x", place, platform="plan9/s390x")
        assert images.import_image("x", place, platform="linux/s390x").layers

    def test_none_for_an_earlier_arm(self, images: Images, layout: Layout, place: Path) -> None:
        seventh = {"os": "linux", "architecture": "arm", "variant": "v7"}
        layout.tag(layout.image(ROOT, architecture="arm"), platform=seventh)
        with pytest.raises(PortError, match="no image for linux/arm/v6; it has: linux/arm/v7"):
            images.import_image("x", layout.write(place), platform="linux/arm/v6")
        assert images.import_image("x", place, platform="linux/arm/v8").layers

    def test_no_choice_where_there_is_none(self, images: Images, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(tar_bytes(member("bin/sh")))
        with pytest.raises(PortError, match="no choice of images"):
            images.import_image("x", tmp_path / "a.tar", reference="latest")


# ---- layers ----------------------------------------------------------------------------


class TestSharing:
    def test_the_layers_of_a_common_beginning_are_not_read_again(
        self, images: Images, layout: Layout, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base = ROOT
        layout.tag(layout.image(base, [member("a")]), "a")
        layout.tag(layout.image(base, [member("b")]), "b")
        layout.write(place)
        first = images.import_image("a", place, reference="a")
        (place / "blobs" / layout.layer(*base)[0]["digest"].replace(":", "/")).unlink()
        second = images.import_image("b", place, reference="b")
        assert first.layers[0] == second.layers[0] != second.layers[1]
        assert images.import_image("c", place, reference="a").layers == first.layers

    @real
    def test_what_a_layer_does_not_say_of_a_directory_it_takes_from_below(
        self, images: Images, layout: Layout, place: Path
    ) -> None:
        """A file in /tmp must not take the sticky bit off it."""
        below = [
            directory("tmp", mode=0o1777, uid=7, mtime=3),
            directory("a/b", mode=0o711),
            directory("c", mode=0o700),
        ]
        above = [
            member("tmp/file"),
            member("a/b/file"),
            member(".wh.c"),
            member("c/file"),
            member("new/file"),
        ]
        layout.tag(layout.image(below, above))
        image = images.import_image("x", layout.write(place))
        top = layer_of(images, image, 1)
        modes = {name: stat.S_IMODE((top / name).stat().st_mode) for name in ("tmp", "a", "a/b")}
        assert modes == {"tmp": 0o1777, "a": 0o755, "a/b": 0o711}
        found = (top / "tmp").stat()
        assert (found.st_uid, found.st_mtime) == (7, 3)
        assert stat.S_IMODE((top / "c").stat().st_mode) == 0o755  # hidden, so nothing to take
        assert stat.S_IMODE((top / "new").stat().st_mode) == 0o755

    def test_so_equal_archives_above_different_layers_may_be_different_layers(
        self, images: Images, layout: Layout, place: Path
    ) -> None:
        above = [member("tmp/file")]
        layout.tag(layout.image([directory("tmp", mode=0o1777)], above), "sticky")
        layout.tag(layout.image([directory("tmp", mode=0o700)], above), "shut")
        layout.tag(layout.image([directory("tmp", mode=0o1777), member("x")], above), "same")
        layout.write(place)
        sticky, shut, same = (
            images.import_image(name, place, reference=name) for name in ("sticky", "shut", "same")
        )
        assert sticky.diff_ids[1] == shut.diff_ids[1] == same.diff_ids[1]
        assert sticky.layers[1] == same.layers[1] != shut.layers[1]

    def test_an_image_whose_layers_vanish_meanwhile_is_read_again(
        self, images: Images, layout: Layout, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layout.tag(layout.image(ROOT), "base")
        layout.tag(layout.image(ROOT, [member("a")]), "above")
        layout.write(place)
        images.import_image("base", place, reference="base")
        meanwhile = [lambda: images.remove("base", nobody)]

        def pour_meanwhile(*arguments: Any) -> Any:
            if meanwhile:
                meanwhile.pop()()
            return poured(*arguments)

        poured = Draft.pour
        monkeypatch.setattr(Draft, "pour", pour_meanwhile)
        image = images.import_image("x", place, reference="above")
        assert sorted(image.layers) == left_in(images.layers.path("").parent)

    def test_imports_and_removals_side_by_side(
        self, images: Images, root: Path, layout: Layout, place: Path
    ) -> None:
        """Whatever they take from one another, each image is whole or is not there."""
        layout.tag(layout.image(ROOT, [member("a")]), "a")
        layout.tag(layout.image(ROOT, [member("b")]), "b")
        layout.write(place)

        def import_and_remove(name: str) -> None:
            mine = Images(root)
            for _ in range(15):
                image = mine.import_image(name, place, reference=name[0])
                assert all((mine.layers.path(layer)).is_dir() for layer in image.layers)
                mine.remove(name, nobody)

        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(import_and_remove, name) for name in ("a1", "a2", "b1", "b2")]
            for one in done:
                one.result()
        assert (images.list(), left_in(root)) == ((), [])


@real
class TestMounted:
    @pytest.fixture
    def storage(self, root: Path) -> OverlayStorage:
        return OverlayStorage(root)

    @pytest.fixture
    def mounted(self, storage: OverlayStorage) -> Iterator[Callable[[str], Path]]:
        configs: list[Config] = []

        def mounted(image: str) -> Path:
            config = Config(id=f"c{len(configs)}", image=image)
            configs.append(config)
            storage.create(config)
            return Path(storage.mount(config).mountpoint)

        yield mounted
        for config in configs:
            storage.unmount(config)
            storage.delete(config)

    def test_whiteouts_and_opaque_directories(
        self,
        images: Images,
        layout: Layout,
        place: Path,
        mounted: Callable[[str], Path],
    ) -> None:
        below = [
            member("gone"),
            directory("opaque"),
            member("opaque/below"),
            directory("kept"),
            member("kept/below"),
            member("kept/gone"),
            directory("was-directory"),
            member("was-directory/x"),
        ]
        above = [
            member(".wh.gone"),
            directory("opaque"),
            member("opaque/.wh..wh..opq"),
            member("opaque/above"),
            member("kept/.wh.gone"),
            member("kept/above"),
            member("was-directory", content=b"now a file"),
        ]
        layout.tag(layout.image(below, above))
        images.import_image("x", layout.write(place))
        top = mounted("x")
        names = sorted(str(path.relative_to(top)) for path in top.rglob("*"))
        assert names == [
            *("kept", "kept/above", "kept/below"),
            *("opaque", "opaque/above", "was-directory"),
        ]

    def test_a_layer_that_is_there_twice(
        self,
        images: Images,
        layout: Layout,
        place: Path,
        mounted: Callable[[str], Path],
    ) -> None:
        """The kernel takes no directory twice; the upper of the two says it all."""
        again = [member("a", content=b"again")]
        layout.tag(layout.image(again, [member("a", content=b"between")], again, ROOT))
        images.import_image("x", layout.write(place))
        assert (mounted("x") / "a").read_bytes() == b"again"

    @pytest.mark.skipif(not shutil.which("umoci"), reason="there is no umoci (make system)")
    @pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive"])
    def test_is_what_others_unpack(
        self,
        images: Images,
        layout: Layout,
        tmp_path: Path,
        mounted: Callable[[str], Path],
        form: str,
    ) -> None:
        """A root file system with some history, by way of the tools that write such images."""
        with tarfile.open(busybox.rootfs_tar(tmp_path / "busybox.tar")) as base:
            first = [
                (info, file.read() if (file := base.extractfile(info)) else b"")
                for info in base.getmembers()
                if not info.islnk()
            ]
        layout.tag(
            layout.image(
                [*first, *ROOT],
                [
                    directory("etc", mode=0o755, mtime=5),
                    member("etc/.wh.passwd"),
                    member("etc/shadow", content=b"x", mode=0o600, uid=3, gid=4, mtime=7),
                    directory("srv", mode=0o2775, gid=9, mtime=8),
                    link("srv/link", "../etc/shadow", uid=11, mtime=9),
                    member("srv/hard", tarfile.LNKTYPE, linkname="etc/shadow"),
                    member("etc/hard", tarfile.LNKTYPE, linkname="etc/shadow"),
                    member("srv/fifo", tarfile.FIFOTYPE, mode=0o620, mtime=10),
                ],
                [
                    directory("srv", mode=0o2775, gid=9, mtime=8),
                    member("srv/.wh..wh..opq"),
                    member("srv/only", content=b"only", mtime=11),
                ],
                [member("tmp/file", content=b"t", mtime=12), member(".wh.old")],
            ),
            "latest",
        )
        place = layout.write(tmp_path / "layout")
        source = place
        if form != "oci":
            source = tmp_path / "copied.tar"
            target = f"{form}:{source}:x:latest"
            subprocess.run(
                ["skopeo", "copy", "-q", "--insecure-policy", f"oci:{place}:latest", target],
                check=True,
            )
        images.import_image("x", source)
        subprocess.run(
            ["umoci", "unpack", "--image", f"{place}:latest", str(tmp_path / "bundle")],
            check=True,
            capture_output=True,
        )
        assert seen(mounted("x")) == seen(tmp_path / "bundle/rootfs")


def seen(top: Path) -> dict[str, tuple[object, ...]]:
    """Everything there is to see of a tree, but for times of directories: whoever puts a file
    into one changes that."""
    found: dict[str, tuple[object, ...]] = {}
    first: dict[int, str] = {}
    for path in sorted(top.rglob("*")):
        one = path.lstat()
        content: object = None
        if stat.S_ISREG(one.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(one.st_mode):
            content = str(path.readlink())
        when = None if stat.S_ISDIR(one.st_mode) else one.st_mtime_ns
        name = str(path.relative_to(top))
        same_as = first.setdefault(one.st_ino, name)
        found[name] = (one.st_mode, one.st_uid, one.st_gid, one.st_rdev, when, same_as, content)
    return found


# ---- what is not as promised -----------------------------------------------------------


Broken = Callable[[Layout], None]


def altered(layout: Layout, kind: str, change: Callable[[bytes], bytes]) -> None:
    """Other bytes behind the digest of the first blob of this kind."""
    for path, content in layout.files.items():
        if path.startswith("blobs/") and kind in path_kind(content):
            layout.files[path] = change(content)
            return
    raise AssertionError(kind)


def swapped(layout: Layout, kind: str, data: bytes) -> None:
    altered(layout, kind, lambda _: data)


def path_kind(content: bytes) -> str:
    if content.startswith(b"\x1f\x8b"):
        return "layer"
    return "configuration" if b'"rootfs"' in content else "manifest"


def image_with(**manifest: Any) -> Broken:
    def broken(layout: Layout) -> None:
        layout.manifests.clear()
        layout.tag(layout.image(ROOT, **manifest))

    return broken


def circle(layout: Layout) -> None:
    """Nobody can write an index that names itself by digest; many that name the same can."""
    inner = layout.document({"schemaVersion": 2, "manifests": []}, INDEX)
    for number in range(30):
        many = {"schemaVersion": 2, "manifests": [inner] * 4000, "number": number}
        inner = layout.document(many, INDEX)
    layout.manifests.clear()
    layout.tag(inner)


def crowd(layout: Layout) -> None:
    layout.manifests.clear()
    for number in range(300):
        layout.tag(layout.image([member(str(number))]))


def both_at_once(layout: Layout) -> None:
    layout.manifests.clear()
    layout.tag(layout.image(ROOT, manifests=[]))


def index_with_layers(layout: Layout) -> None:
    both = {"schemaVersion": 2, "manifests": layout.manifests.copy(), "layers": []}
    layout.manifests.clear()
    layout.tag(layout.document(both, INDEX))


def layers_at_the_top(layout: Layout) -> None:
    both = {"schemaVersion": 2, "manifests": layout.manifests, "layers": []}
    layout.files["index.json"] = json.dumps(both).encode()


def another_type(layout: Layout) -> None:
    layout.manifests.clear()
    layout.tag({**layout.image(ROOT, mediaType=INDEX), "mediaType": MANIFEST})


def digest_with_dots(layout: Layout) -> None:
    layout.manifests[0] = {**layout.manifests[0], "digest": "sha256:../../../etc/passwd"}


def unknown_algorithm(layout: Layout) -> None:
    layout.manifests[0] = {**layout.manifests[0], "digest": f"md5:{'0' * 32}"}


def wrong_size(layout: Layout) -> None:
    layout.manifests[0] = {**layout.manifests[0], "size": layout.manifests[0]["size"] + 1}


def artifact(layout: Layout) -> None:
    layout.manifests.clear()
    empty = layout.document({}, "application/vnd.oci.empty.v1+json")
    layout.tag(layout.document({"schemaVersion": 2, "config": empty, "layers": [empty]}, MANIFEST))


def encrypted(layout: Layout) -> None:
    descriptor = layout.blob(b"?", f"{LAYER}+gzip+encrypted")
    image_with(layers=[descriptor])(layout)


def many_layers(layout: Layout) -> None:
    descriptor, diff_id = layout.layer(member("a"))
    layout.manifests.clear()
    layout.tag(layout.image(diff_ids=[diff_id] * 501, layers=[descriptor] * 501))


def huge_document(layout: Layout) -> None:
    layout.manifests.clear()
    layout.tag(layout.document({"layers": [], "x": "y" * (5 << 20)}, MANIFEST))


def nested_document(layout: Layout) -> None:
    layout.files["oci-layout"] = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def another_version(layout: Layout) -> None:
    layout.files["oci-layout"] = b'{"imageLayoutVersion": "2.0.0"}'


def escaping_layer(layout: Layout) -> None:
    layout.manifests.clear()
    layout.tag(layout.image(ROOT, [link("d", "/etc"), member("d/escaped")]))


def climbing_layer(layout: Layout) -> None:
    layout.manifests.clear()
    layout.tag(layout.image(ROOT, [member("../escaped")]))


def disk(layout: Layout) -> None:
    layout.manifests.clear()
    layout.tag(layout.image([member("sda", tarfile.BLKTYPE, devmajor=8)], ROOT))


def no_signal(layout: Layout) -> None:
    layout.manifests.clear()
    layout.tag(layout.image(ROOT, config={"StopSignal": "SIGNOTHING"}))


def ill(layout: Layout, **wrong: object) -> None:
    layout.manifests.clear()
    layout.tag(layout.image(ROOT, config={"Healthcheck": {"Test": ["CMD", "a"], **wrong}}))


def a_nul(layout: Layout) -> None:
    layout.manifests.clear()
    layout.tag(layout.image(ROOT, config={"Cmd": ["a\0b"]}))


BROKEN: dict[str, tuple[str, Broken]] = {
    "a check before it began": (
        "health check with a number out of all reason",
        lambda layout: ill(layout, Interval=-1),
    ),
    "a check after the end of time": (
        "health check with a number out of all reason",
        lambda layout: ill(layout, Retries=10**40),
    ),
    "a check of nothing": ("NUL", lambda layout: ill(layout, Test=["CMD", "a\0b"])),
    "other layer": (
        "not what its digest promises|bytes where",
        lambda layout: swapped(layout, "layer", gzip.compress(tar_bytes(member("evil")))),
    ),
    "layer cut off": (
        "bytes where",
        lambda layout: swapped(layout, "layer", gzip.compress(tar_bytes(*ROOT))[:-9]),
    ),
    "other configuration": (
        "bytes where",
        lambda layout: swapped(layout, "configuration", b"{}"),
    ),
    "other manifest": ("bytes where", lambda layout: swapped(layout, "manifest", b"{}")),
    "layer packed otherwise": (
        "not what its digest promises",
        lambda layout: altered(layout, "layer", lambda data: data[:4] + b"\1" + data[5:]),
    ),
    "configuration of as many bytes": (
        "not what its digest promises",
        lambda layout: altered(
            layout, "configuration", lambda data: data.replace(b'"layers"', b'"LAYERS"')
        ),
    ),
    "manifest of as many bytes": (
        "not what its digest promises",
        lambda layout: altered(layout, "manifest", lambda data: data.replace(b"2", b"3", 1)),
    ),
    "wrong diff id": ("not what its digest promises", image_with(diff_ids=[sha256(b"other")])),
    "diff ids missing": ("has 1 layers, but", image_with(diff_ids=[])),
    "circle": ("no image for", circle),
    "crowd": ("more than 256 manifests", crowd),
    "both at once": ("an index and a manifest at once", both_at_once),
    "index with layers": ("an index and a manifest at once", index_with_layers),
    "layers at the top": ("index.json is an index and a manifest at once", layers_at_the_top),
    "another type": ("was promised as", another_type),
    "digest with dots": ("not what it must be", digest_with_dots),
    "unknown algorithm": ("not what it must be", unknown_algorithm),
    "wrong size": ("bytes where", wrong_size),
    "artifact": ("not what it must be", artifact),
    "encrypted": ("no layer we read", encrypted),
    "many layers": ("501 layers", many_layers),
    "huge document": ("too large for a document", huge_document),
    "nested document": ("not what it must be|no image", nested_document),
    "another version": ("of version '2", another_version),
    "escaping layer": ("leads through", escaping_layer),
    "climbing layer": ("leads out", climbing_layer),
    "disk": ("reaches the host", disk),
    "no signal": ("stop signal", no_signal),
    "a NUL": ("NUL", a_nul),
}


class TestHostileLayouts:
    @pytest.mark.parametrize("form", ["directory", "archive"])
    @pytest.mark.parametrize(("reason", "broken"), BROKEN.values(), ids=BROKEN)
    def test_are_refused_with_a_reason(
        self,
        images: Images,
        root: Path,
        layout: Layout,
        tmp_path: Path,
        form: str,
        reason: str,
        broken: Broken,
    ) -> None:
        layout.tag(layout.image(ROOT))
        broken(layout)
        write = layout.write if form == "directory" else layout.pack
        with pytest.raises(PortError, match=reason) as caught:
            images.import_image("x", write(tmp_path / "hostile"))
        assert not caught.value.fault.dirty
        assert str(tmp_path / "hostile") in caught.value.fault.reason
        assert left_in(root) == [] and images.list() == ()
        assert not (tmp_path / "escaped").exists() and not Path("/etc/escaped").exists()

    @pytest.mark.parametrize("blob", ["link", "fifo", "directory", "absent"])
    def test_blobs_that_are_none(
        self, images: Images, root: Path, layout: Layout, place: Path, blob: str
    ) -> None:
        layout.tag(layout.image(ROOT))
        layout.write(place)
        layer = place / "blobs" / layout.layer(*ROOT)[0]["digest"].replace(":", "/")
        layer.rename(place / "elsewhere")
        make: dict[str, Callable[[], object]] = {
            "link": lambda: layer.symlink_to(place / "elsewhere"),
            "fifo": lambda: os.mkfifo(layer),
            "directory": lambda: layer.mkdir(),
            "absent": lambda: None,
        }
        make[blob]()
        with pytest.raises(PortError, match=r"no regular file|leads through a link|there is no"):
            images.import_image("x", place)
        assert left_in(root) == []

    def test_a_blobs_directory_elsewhere(self, images: Images, layout: Layout, place: Path) -> None:
        layout.tag(layout.image(ROOT))
        layout.write(place)
        (place / "blobs").rename(place.parent / "blobs")
        (place / "blobs").symlink_to("../blobs")
        with pytest.raises(PortError, match=r"leads through a link|there is no"):
            images.import_image("x", place)

    def test_bounds_are_for_all_layers_together(
        self, images: Images, root: Path, layout: Layout, place: Path
    ) -> None:
        layers = [[member(f"{number}", content=b"12345")] for number in range(4)]
        layout.tag(layout.image(*layers))
        layout.write(place)
        for limits in (Limits(size=19), Limits(entries=3)):
            with pytest.raises(PortError, match="raise the limit"):
                images.import_image("x", place, limits=limits)
        assert left_in(root) == []
        images.import_image("x", place, limits=Limits(size=20, entries=4))

    def test_a_bomb_around_a_layout(self, images: Images, layout: Layout, tmp_path: Path) -> None:
        layout.tag(layout.image(ROOT))
        layout.files["blobs/sha256/" + "0" * 64] = bytes(3 << 20)
        layout.pack(tmp_path / "plain")
        (tmp_path / "bomb").write_bytes(bz2.compress((tmp_path / "plain").read_bytes()))
        with pytest.raises(PortError, match="exceeds the limit on the size"):
            images.import_image("x", tmp_path / "bomb", limits=Limits(size=2 << 20))

    @pytest.mark.parametrize(
        ("reason", "members"),
        [
            ("without end", [link("0.tar", "0.tar")]),
            ("leads out of the archive", [link("0.tar", "../../etc/passwd")]),
            ("there is no 0.tar", []),
            ("no regular file", [directory("0.tar")]),
        ],
    )
    def test_links_in_a_docker_archive(
        self, images: Images, root: Path, tmp_path: Path, reason: str, members: list[Any]
    ) -> None:
        layer = "0" * 64 + ".tar"
        renamed = [
            member(layer, info.type, linkname=info.linkname.replace("0.tar", layer))
            for info, _ in members
        ]
        config = {"os": "linux", "architecture": os.uname().machine.replace("x86_64", "amd64")}
        config_json = json.dumps(
            {**config, "rootfs": {"type": "layers", "diff_ids": [sha256(b"")]}}
        )
        manifest = json.dumps([{"Config": "1" * 64 + ".json", "Layers": [layer]}])
        (tmp_path / "a.tar").write_bytes(
            tar_bytes(
                *renamed,
                member("1" * 64 + ".json", content=config_json.encode()),
                member("manifest.json", content=manifest.encode()),
            )
        )
        with pytest.raises(PortError, match=reason.replace("0.tar", layer)):
            images.import_image("x", tmp_path / "a.tar")
        assert left_in(root) == []

    @given(place=st.integers(0), byte=st.integers(0, 255))
    @settings(
        max_examples=150,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_one_damaged_byte_is_a_fault_or_makes_no_difference(
        self, tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
    ) -> None:
        layout = Layout()
        layout.tag(layout.image(ROOT, [member("new")]), "latest")
        top = tmp_path_factory.mktemp("damaged")
        whole = layout.pack(top / "a.tar").read_bytes()
        images = Images(top / "root")
        sound = images.import_image("sound", top / "a.tar")
        broken = bytearray(whole)
        broken[place % len(broken)] = byte
        (top / "a.tar").write_bytes(broken)
        try:
            image = images.import_image("broken", top / "a.tar")
        except PortError as error:
            assert not error.fault.dirty
        else:
            assert image.layers in (sound.layers, image.layers[:1])
        shutil.rmtree(top)


DIES = """
import os, signal, sys
from pathlib import Path
from lockgate.adapters.storage import Images, layers, records
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
{target} = die
Images(Path(sys.argv[1])).import_image("x", Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    "target",
    [
        "layers.unpack",
        "layers.Draft.sync",
        "layers.LockedLayers.adopt",
        "layers.LockedLayers.check",
        "records.write_atomic",
    ],
)
def test_a_crash_leaves_nothing_the_next_import_does_not_remove(
    images: Images, root: Path, layout: Layout, place: Path, target: str
) -> None:
    layout.tag(layout.image(ROOT, [member("a")]), "a")
    layout.tag(layout.image([member("b")]), "b")
    layout.write(place)
    source = docker_archive(place / "a.tar", ROOT, [member("a")], config={})
    died = subprocess.run([sys.executable, "-c", DIES.format(target=target), root, source])
    assert died.returncode == -signal.SIGKILL
    assert len(left_in(root)) == 2
    assert images.list() == ()
    images.import_image("b", place, reference="b")
    assert left_in(root) == list(images.lookup("b").layers)


def test_no_descriptor_stays_open(images: Images, layout: Layout, tmp_path: Path) -> None:
    layout.tag(layout.image(ROOT, [member("a")], [member("b")]), "good")
    before = len(list(Path("/proc/self/fd").iterdir()))
    images.import_image("x", layout.pack(tmp_path / "a.tar"))
    images.import_image("y", layout.write(tmp_path / "d"))
    images.remove("x", nobody)
    images.remove("y", nobody)
    swapped(layout, "layer", b"?")
    with pytest.raises(PortError):
        images.import_image("z", layout.write(tmp_path / "e"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
