"""What a container takes from its image, and what an image owes its containers."""

from pathlib import Path

import msgspec
import pytest

from lockgate import Engine, NoSuchImage, OperationFailed


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

    def test_what_is_not_there(self, engine: Engine) -> None:
        with pytest.raises(NoSuchImage):
            engine.remove_image("other", force=True)
