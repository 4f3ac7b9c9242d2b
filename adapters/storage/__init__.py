"""Where root filesystems come from: images, their layers, and what containers write."""

from lockgate.adapters.storage.artifacts import LocalArtifacts
from lockgate.adapters.storage.contents import OverlayContents
from lockgate.adapters.storage.entries import Limits
from lockgate.adapters.storage.fuse import FuseOverlay
from lockgate.adapters.storage.fuse import obstacle as fuse_obstacle
from lockgate.adapters.storage.images import Images
from lockgate.adapters.storage.mounting import obstacle as overlay_obstacle
from lockgate.adapters.storage.overlay import OverlayStorage
from lockgate.adapters.storage.shared import SharedStorage, SharedStore

__all__ = [
    "FuseOverlay",
    "Images",
    "Limits",
    "LocalArtifacts",
    "OverlayContents",
    "OverlayStorage",
    "SharedStorage",
    "SharedStore",
    "fuse_obstacle",
    "overlay_obstacle",
]
