"""Where containers, their histories, exits and events are kept: on disk, or in memory."""

from lockgate.adapters.store.memory import MemoryStore
from lockgate.adapters.store.sqlite import SqliteStore

__all__ = ["MemoryStore", "SqliteStore"]
