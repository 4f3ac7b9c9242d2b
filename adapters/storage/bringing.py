"""Layers on their way in: read once, side by side, each into a draft of its own.

What is here already, on top of the same layers, is not read again. Nothing counts before all of
it has come and every digest was right; until then there are only drafts, which vanish.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import TypeVar

from msgspec import Struct

from lockgate.adapters.storage.entries import Allowance, Limits, accepted
from lockgate.adapters.storage.layers import Draft, Layers, LockedLayers, Poured, Vanished
from lockgate.adapters.storage.layouts import Layer
from lockgate.adapters.storage.records import Records
from lockgate.adapters.storage.stacking import inherit
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image

_ATTEMPTS = 3

T = TypeVar("T")


class Brought(Struct, frozen=True):
    """Layers that are here, lowest first: their names and the bytes of file content in each."""

    layers: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()


def bring(
    wanted: Sequence[Layer],
    layers: Layers,
    records: Records,
    limits: Limits,
    settle: Callable[[Brought, LockedLayers], Image],
) -> Image:
    """Bring these layers in, and `settle` what is made of them before anybody can remove them.

    Raises `PortError` and leaves nothing, or what the next import removes.
    """
    for _ in range(_ATTEMPTS - 1):
        with suppress(Vanished):
            return _brought(wanted, layers, records, limits, settle)
    return _brought(wanted, layers, records, limits, settle)


def _brought(
    wanted: Sequence[Layer],
    layers: Layers,
    records: Records,
    limits: Limits,
    settle: Callable[[Brought, LockedLayers], Image],
) -> Image:
    with ExitStack() as drafts:
        with layers.exclusive() as locked:
            with suppress(OSError, PortError):
                locked.reclaim(records.layers())
            here = _here(wanted, records.list(), locked)
            rest = wanted[len(here.layers) :]
            if not rest:
                return settle(here, locked)
            made = [drafts.enter_context(locked.draft()) for _ in rest]
        brought = _unpacked(rest, made, here, layers, Allowance(limits))
        made[0].sync()
        with layers.exclusive() as locked:
            for draft, layer in zip(made, brought.layers[len(here.layers) :]):
                locked.adopt(draft, layer)
            return settle(brought, locked)


def _here(wanted: Sequence[Layer], images: Iterable[Image], layers: LockedLayers) -> Brought:
    """The longest stack that begins as the wanted one does. Only a whole stack is told by its
    diff ids: what a layer looks like may follow from those below (`stacking`)."""
    diff_ids = [layer.diff_id for layer in wanted]
    best = Brought()
    for image in images:
        stack = zip(diff_ids, image.diff_ids, image.layers, image.sizes)
        count = 0
        for ours, theirs, layer, _ in stack:
            if ours != theirs or not layers.has(layer):
                break
            count += 1
        if count > len(best.layers):
            best = Brought(image.layers[:count], image.sizes[:count])
    return best


def _unpacked(
    wanted: Sequence[Layer],
    drafts: Sequence[Draft],
    here: Brought,
    layers: Layers,
    allowance: Allowance,
) -> Brought:
    """Fill the drafts side by side; then, in order, what one takes from those below."""

    def pour(layer: Layer, draft: Draft) -> Poured:
        with closing(layer.entries()) as entries:
            return draft.pour(accepted(entries, allowance), allowance)

    tasks = [partial(pour, layer, draft) for layer, draft in zip(wanted, drafts)]
    poured = _side_by_side(tasks, allowance)
    with ExitStack() as opened:
        below: list[int] = []  # topmost first
        for layer in here.layers:
            fd = layers.open(layer)
            opened.callback(os.close, fd)
            below.insert(0, fd)
        for draft, (listing, undescribed) in zip(drafts, poured):
            for directory in inherit(undescribed, draft.top, below):
                listing.add(directory)
            below.insert(0, draft.top)
    return Brought(
        (*here.layers, *(listing.digest for listing, _ in poured)),
        (*here.sizes, *(listing.size for listing, _ in poured)),
    )


def _side_by_side(tasks: Sequence[Callable[[], T]], allowance: Allowance) -> list[T]:
    """All results in order, or the error of the first that failed; the others are told to stop."""
    with ThreadPoolExecutor(min(len(tasks), os.cpu_count() or 1)) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done():
                    future.result()
            return [future.result() for future in futures]
        except BaseException:
            allowance.revoke()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
