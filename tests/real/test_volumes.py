"""Volumes, exports and changes of containers that really run."""

import tarfile
from pathlib import Path

import pytest

from lockgate import Engine, OperationFailed, VolumeInUse, VolumeMount

pytestmark = pytest.mark.real


def run(engine: Engine, name: str, script: str, *mounts: VolumeMount) -> int:
    command = ["sh", "-c", script]
    web = engine.create(name=name, image="busybox", command=command, mounts=mounts)
    engine.start(web.id)
    return engine.wait(web.id, 20)


def test_a_volume_outlives_its_containers(engine: Engine) -> None:
    data = VolumeMount(volume="data", destination="/etc")
    assert run(engine, "first", "test -e /etc/passwd && echo hi > /etc/new", data) == 0
    engine.remove("first")
    assert (Path(engine.volume("data").path) / "new").read_text() == "hi\n"
    readonly = VolumeMount(volume="data", destination="/srv", readonly=True)
    assert run(engine, "second", "grep hi /srv/new && ! touch /srv/more", readonly) == 0
    with pytest.raises(VolumeInUse, match="second"):
        engine.remove_volume("data")
    engine.remove("second")
    engine.remove_volume("data")
    assert engine.volumes() == ()


def test_a_part_of_one(engine: Engine) -> None:
    """A directory and a file; links that somebody puts in their place lead nowhere."""
    whole = VolumeMount(volume="data", destination="/data")
    script = "mkdir -p /data/a && echo hi > /data/a/file && ln -s / /data/root"
    assert run(engine, "first", script, whole) == 0
    parts = (
        VolumeMount(volume="data", destination="/srv", subpath="a"),
        VolumeMount(volume="data", destination="/srv-file", subpath="a/file", readonly=True),
    )
    script = "grep hi /srv/file && grep hi /srv-file && touch /srv/new && ! touch /srv-file"
    assert run(engine, "second", script, *parts) == 0
    outside = VolumeMount(volume="data", destination="/srv", subpath="root/proc")
    with pytest.raises(OperationFailed, match="root/proc of volume data cannot be mounted"):
        run(engine, "third", "true", outside)


def test_its_own_goes_with_the_container(engine: Engine) -> None:
    own = VolumeMount(destination="/data", anonymous=True)
    assert run(engine, "web", "echo hi > /data/file", own) == 0
    (volume,) = engine.volumes()
    assert volume.container == engine.inspect("web").id
    assert (Path(volume.path) / "file").exists()
    engine.remove("web")
    assert engine.volumes() == ()
    assert not Path(volume.path).exists()


def test_a_running_one_is_looked_into(engine: Engine, tmp_path: Path) -> None:
    script = "echo written > /new; rm /etc/passwd; echo ready; sleep 60"
    web = engine.create(name="web", image="busybox", command=["sh", "-c", script])
    for line in engine.run_to_end(web.id):
        assert line.text == "ready"
        break
    changes = {one.path: one.kind for one in engine.diff("web")}
    assert (changes["/new"], changes["/etc/passwd"]) == ("A", "D")
    assert not {"/etc/hosts", "/run/.containerenv"} & changes.keys()  # made to be mounted on
    assert engine.sizes("web").written >= len("written\n")
    engine.export("web", tmp_path / "web.tar")
    with tarfile.open(tmp_path / "web.tar") as tar:
        names = tar.getnames()
    assert "new" in names and "etc/passwd" not in names
    engine.kill("web")
    engine.cleanup("web")
    engine.export("web", tmp_path / "again.tar")
    with tarfile.open(tmp_path / "again.tar") as tar:
        assert tar.getnames() == names
