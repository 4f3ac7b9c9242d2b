"""Labels of SELinux, on a host that says it has it: the kernel keeps them as it keeps any other."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from lockgate.adapters import labels
from lockgate.adapters.filesystem import LocalFilesystem, ensure_directory
from lockgate.adapters.storage import OverlayStorage
from lockgate.adapters.storage.mounting import PLAIN, Manner, options
from lockgate.adapters.storage.overlay import manner
from lockgate.effects.config import Bind, Config, Secret, Security, VolumeMount
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import File

pytestmark = pytest.mark.real

LABEL = "system_u:object_r:container_file_t:s0:c1,c2"
SHARED = "system_u:object_r:container_file_t:s0"
CONFIG = Config(
    id="c" * 64,
    image="base",
    security=Security(process_label="system_u:system_r:container_t:s0:c1,c2", mount_label=LABEL),
)


@pytest.fixture
def selinux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "enforce").write_text("1")
    monkeypatch.setattr(labels, "SELINUX", tmp_path / "enforce")


def label_of(path: Path) -> str:
    try:
        return os.getxattr(path, labels.ATTRIBUTE, follow_symlinks=False).decode().rstrip("\0")
    except OSError:
        return ""


@pytest.mark.usefixtures("selinux")
class TestMounts:
    def test_the_root_filesystem_is_mounted_with_the_label(self) -> None:
        """In quotes: its categories have commas of their own."""
        assert manner(CONFIG) == Manner(label=LABEL)
        parts = (b"/lower", b"/upper", b"/work")
        assert options(parts, manner(CONFIG)) == options(parts) + f',context="{LABEL}"'.encode()

    def test_without_one_nothing_is_said_of_it(self) -> None:
        assert manner(replace(CONFIG, security=Security())) == PLAIN


def test_a_host_without_selinux_is_given_no_label() -> None:
    assert not labels.present()
    assert manner(CONFIG) == PLAIN


@pytest.mark.usefixtures("selinux")
class TestFiles:
    def test_those_of_a_run_and_secrets(self, tmp_path: Path) -> None:
        filesystem = LocalFilesystem(tmp_path)
        place = tmp_path / "containers" / CONFIG.id
        ensure_directory(place, 0o700)
        (tmp_path / "token").write_text("hush")
        config = replace(CONFIG, secrets=(Secret(name="t", source=str(tmp_path / "token")),))
        filesystem.write_files(config, (File("hosts", b""),))
        filesystem.keep_secrets(config)
        assert label_of(place / "files/hosts") == label_of(place / "secrets/t") == LABEL
        assert label_of(tmp_path / "token") == ""

    def test_a_new_volume_is_for_all_containers_of_the_kind(self, tmp_path: Path) -> None:
        source = tmp_path / "image"
        (source / "data/inner").mkdir(parents=True)
        storage = OverlayStorage(tmp_path / "root")
        storage.images.import_image("base", source)
        mounts = (
            VolumeMount(volume="v", destination="/data"),
            VolumeMount(volume="w", destination="/nothing"),
        )
        storage.create(replace(CONFIG, mounts=mounts))
        data = Path(storage.volumes.path("v"))
        assert label_of(data) == label_of(data / "inner") == SHARED
        assert label_of(Path(storage.volumes.path("w"))) == SHARED
        assert label_of(source / "data") == ""


Bound = Callable[[Literal["", "shared", "private"]], Config]


@pytest.fixture
def bound(tmp_path: Path) -> Bound:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner/file").touch()
    (tmp_path / "outside").touch()
    (source / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "beyond").mkdir()
    (source / "way").symlink_to(tmp_path / "beyond")

    def bound(how: Literal["", "shared", "private"]) -> Config:
        bind = Bind(source=str(source), destination="/b", relabel=how)
        return replace(CONFIG, mounts=(bind,))

    return bound


@pytest.mark.usefixtures("selinux")
class TestRelabel:
    @pytest.mark.parametrize(("how", "label"), [("shared", SHARED), ("private", LABEL)])
    def test_with_all_that_is_below_and_no_link_followed(
        self, tmp_path: Path, bound: Bound, how: Literal["shared", "private"], label: str
    ) -> None:
        labels.relabel(bound(how))
        names = ("source", "source/inner", "source/inner/file", "source/link", "source/way")
        assert {label_of(tmp_path / name) for name in names} == {label}
        assert label_of(tmp_path / "outside") == label_of(tmp_path / "beyond") == ""

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "f").touch()
        bind = Bind(source=str(tmp_path / "f"), destination="/f", relabel="private")
        labels.relabel(replace(CONFIG, mounts=(bind,)))
        assert label_of(tmp_path / "f") == LABEL

    def test_only_when_asked_for(self, tmp_path: Path, bound: Bound) -> None:
        labels.relabel(bound(""))
        assert label_of(tmp_path / "source") == ""

    @pytest.mark.parametrize("place", ["/", "/etc", "/usr/"])
    def test_what_is_the_hosts_own_stays_so(self, place: str) -> None:
        config = replace(CONFIG, mounts=(Bind(source=place, destination="/b", relabel="shared"),))
        with pytest.raises(PortError, match="keeps its label") as refusal:
            labels.relabel(config)
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)


def test_without_selinux_nothing_is_relabelled(tmp_path: Path, bound: Bound) -> None:
    labels.relabel(bound("private"))
    assert label_of(tmp_path / "source") == ""
