"""A kernel, or a file system, that says once of something that it is not there."""

import errno
import os
from typing import Any

import pytest


def lies_once(patch: pytest.MonkeyPatch, call: str, name: str) -> None:
    """The first `os.<call>` of this name fails with ENOENT, whatever is there."""
    real, lied = getattr(os, call), [False]

    def made(path: Any, *rest: Any, **named: Any) -> Any:
        if not lied[0] and os.fspath(path).endswith(name):
            lied[0] = True
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return real(path, *rest, **named)

    patch.setattr(os, call, made)
