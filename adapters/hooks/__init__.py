"""Hooks of an engine: read from its directory, and those run that are its own to run."""

from lockgate.adapters.hooks.files import choose_directories, hook_directories, hook_files
from lockgate.adapters.hooks.run import LocalHooks

__all__ = ["LocalHooks", "choose_directories", "hook_directories", "hook_files"]
