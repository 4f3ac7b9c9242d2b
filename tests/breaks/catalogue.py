"""All of them, in the order of the page."""

from . import records, spec, storage

BREAKS = (*records.BREAKS, *storage.BREAKS, *spec.BREAKS)
