"""Images: what containers are made from."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lockgate import validation
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image
from lockgate.engine.core import faults_raised
from lockgate.engine.life import Life
from lockgate.errors import InvalidArgument, NoSuchContainer, NoSuchImage
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status


class Images(Life):
    """Bringing, listing and removing images."""

    def import_image(
        self,
        name: str,
        source: str | Path,
        *,
        command: Sequence[str] | None = None,
        env: Mapping[str, str] | Iterable[str] | None = None,
        workdir: str | None = None,
        user: str | None = None,
        reference: str = "",
        platform: str = "",
    ) -> Image:
        """An image from an OCI image layout or a docker archive, or from a root file system as a
        tar archive or a directory: told by content. A name that exists is given a new meaning,
        containers made from the old one keep it.

        What is `None` is as the source wishes; a `command` takes the place of its entrypoint, too.
        `reference` and `platform` (`os/architecture[/variant]`; left out: this machine's) choose
        where there are several images. Raises `InvalidArgument`, and `OperationFailed` for what is
        missing, damaged or refused; nothing is left of it then.
        """
        path = Path(source)
        if not path.exists():
            raise InvalidArgument(f"there is no archive or directory {str(path)!r} to import")
        with faults_raised("import", name, "image"):
            return self.host.images.import_image(
                name,
                path,
                command=None if command is None else validation.words(command, "command"),
                env=None if env is None else validation.environment(env),
                workdir=None if workdir is None else validation.workdir(workdir),
                user=None if user is None else validation.user(user),
                reference=reference,
                platform=platform,
            )

    def images(self) -> tuple[Image, ...]:
        return self.host.images.list()

    def image(self, name: str) -> Image:
        """The image of this name or id. Raises `NoSuchImage`."""
        return self._image(name)

    def remove_image(self, name: str, *, force: bool = False) -> None:
        """Forget an image, by name or id, and the layers that no other image has.

        Refused while containers are made from it, or may be, unless it has another name as well; with
        `force` those that are go first, whatever they are doing. Raises `NoSuchImage`, `OperationFailed`.
        """
        try:
            image = self.host.images.lookup(name)
        except PortError as problem:
            if problem.fault.kind == "missing":
                raise NoSuchImage(problem.fault.reason) from None
            image = Image(name=name)  # its record is damaged: it cannot even be said who uses it
        if force:
            for container in self._made_from(image):
                with suppress(NoSuchContainer):
                    self.remove(container, force=True)
        with faults_raised("remove", name, "image"):
            self.host.images.remove(name, self._needed_by)

    def _made_from(self, image: Image) -> tuple[str, ...]:
        return tuple(record.id for record in self._records() if _is_of(record, image))

    def _needed_by(self, image: Image) -> tuple[str, ...]:
        """Also by whom nobody can tell what he was made from: his record was lost."""
        return tuple(
            record.id
            for record in self._records()
            if _is_of(record, image) or record.status is Status.UNKNOWN
        )

    def _image(self, name: str) -> Image:
        try:
            return self.host.images.lookup(name)
        except PortError as problem:
            raise NoSuchImage(problem.fault.reason) from None


def _is_of(record: Record, image: Image) -> bool:
    return image.id != "" and record.config.image_id == image.id
