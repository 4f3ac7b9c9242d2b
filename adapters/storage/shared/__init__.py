"""One store with podman, buildah and skopeo: containers/storage by its own command."""

from lockgate.adapters.storage.shared.storage import SharedStorage
from lockgate.adapters.storage.shared.store import SharedStore

__all__ = ["SharedStorage", "SharedStore"]
