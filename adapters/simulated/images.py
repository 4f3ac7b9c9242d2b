"""Images that are names only: nothing is read, nothing is unpacked."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image


class SimulatedImages:
    """Implements `Images`. Whatever the source is, the image has no layers; its id follows from
    its name, so that equal programs give equal histories."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._images: dict[str, Image] = {}
        self._now = now

    def import_image(
        self,
        name: str,
        source: Path,
        *,
        command: Sequence[str] | None = None,
        env: Sequence[str] | None = None,
        workdir: str | None = None,
        user: str | None = None,
        reference: str = "",
        platform: str = "",
    ) -> Image:
        image = Image(
            name=name,
            id=hashlib.sha256(name.encode()).hexdigest(),
            command=tuple(command or ()),
            env=tuple(env or ()),
            workdir=workdir or "/",
            user=user or "",
            created_at=self._now(),
        )
        self._images[name] = image
        return image

    def lookup(self, name: str) -> Image:
        for image in self.list():
            if name in (image.name, image.id):
                return image
        known = ", ".join(sorted(self._images)) or "none"
        raise PortError("missing", f"no image {name!r}; there are: {known}", dirty=False)

    def list(self) -> tuple[Image, ...]:
        return tuple(self._images[name] for name in sorted(self._images))

    def restore(self, images: Iterable[Image]) -> None:
        """These there are now, and no others."""
        self._images = {image.name: image for image in images}

    def remove(self, name: str, used_by: Callable[[Image], Collection[str]]) -> None:
        image = self.lookup(name)
        if containers := used_by(image):
            some = ", ".join(container[:12] for container in sorted(containers)[:3])
            reason = f"{name} is used by {len(containers)} container(s), remove them: {some}"
            raise PortError("refused", reason, dirty=False)
        del self._images[image.name]
