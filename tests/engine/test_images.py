"""What a container takes from its image, and what an image owes its containers."""

from pathlib import Path

import msgspec
import pytest

from lockgate import Engine, InvalidArgument, NoSuchImage, OperationFailed, Tmpfs, VolumeMount


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = Engine.simulated()
    made.import_image("plain", tmp_path, command=["sh"])
    return made


class TestWhatItRuns:
    """MAP 2.5, and what users of other engines are used to."""

    @pytest.mark.parametrize(
        ("entrypoint", "command", "expected"),
        [
            (None, [], ("server", "--help")),
            (None, ["-p", "80"], ("server", "-p", "80")),
            (["sh", "-c"], ["true"], ("sh", "-c", "true")),
            (["sh"], [], ("sh",)),
            ([], ["sh"], ("sh",)),
        ],
    )
    def test_entrypoint_and_command(
        self,
        engine: Engine,
        monkeypatch: pytest.MonkeyPatch,
        entrypoint: list[str] | None,
        command: list[str],
        expected: tuple[str, ...],
    ) -> None:
        plain = engine.image("plain")
        wishes = msgspec.structs.replace(plain, entrypoint=("server",), command=("--help",))
        monkeypatch.setattr(engine.host.images, "lookup", lambda name: wishes)
        record = engine.create(image="plain", entrypoint=entrypoint, command=command)
        assert record.config.command == expected


class TestRemoval:
    def test_containers_keep_their_image(self, engine: Engine) -> None:
        web = engine.create(name="web", image="plain")
        with pytest.raises(OperationFailed, match=rf"remove image plain: .*{web.id[:12]}"):
            engine.remove_image("plain")
        engine.remove(web.id)
        engine.remove_image("plain")
        with pytest.raises(NoSuchImage, match="no image 'plain'; there are: none"):
            engine.image("plain")

    def test_by_force_they_go_with_it(self, engine: Engine) -> None:
        web = engine.create(name="web", image="plain")
        engine.start(web.id)
        engine.remove_image(engine.image("plain").id, force=True)
        assert engine.list() == engine.images() == ()

    def test_it_stays_while_nobody_can_tell_what_a_container_was_made_from(
        self, engine: Engine
    ) -> None:
        web = engine.create(name="web", image="plain")
        engine.start(web.id)
        rows = engine.host.store._rows  # type: ignore[attr-defined]  # as a disk would have damaged it
        rows[web.id] = msgspec.structs.replace(rows[web.id], record=b"\0")
        for _ in "unread, and on record as unknown":
            with pytest.raises(OperationFailed, match=rf"is used by .*{web.id[:12]}"):
                engine.remove_image("plain", force=True)
            engine.sync(web.id)
        engine.remove(web.id, force=True)
        engine.remove_image("plain")
        assert engine.images() == ()

    def test_what_is_not_there(self, engine: Engine) -> None:
        with pytest.raises(NoSuchImage):
            engine.remove_image("other", force=True)


class TestVolumesItAsksFor:
    @pytest.fixture
    def wishing(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
        plain = msgspec.structs.replace(engine.image("plain"), volumes=("/data", "/var/lib/x"))
        monkeypatch.setattr(engine.host.images, "lookup", lambda name: plain)
        return engine

    def test_are_anonymous(self, wishing: Engine) -> None:
        web = wishing.create(image="plain")
        mounts = [one for one in web.config.mounts if isinstance(one, VolumeMount)]
        assert [one.destination for one in mounts] == ["/data", "/var/lib/x"]
        assert {one.volume for one in mounts} == {one.name for one in wishing.volumes()}
        assert {one.container for one in wishing.volumes()} == {web.id}

    def test_unless_something_else_is_mounted_there(self, wishing: Engine) -> None:
        wish = VolumeMount(volume="mine", destination="/data/")
        web = wishing.create(image="plain", mounts=[wish, Tmpfs(destination="/var/lib/x")])
        assert [one.name for one in wishing.volumes()] == ["mine"]
        assert len(web.config.mounts) == 2

    @pytest.mark.parametrize(
        "wish",
        [
            VolumeMount(destination="/a"),
            VolumeMount(destination="/a", volume="x", anonymous=True),
            VolumeMount(destination="/a", volume="../x"),
            VolumeMount(destination="a", volume="x"),
        ],
    )
    def test_wishes_that_make_no_sense(self, engine: Engine, wish: VolumeMount) -> None:
        with pytest.raises(InvalidArgument):
            engine.create(image="plain", mounts=[wish])
        assert engine.volumes() == ()
