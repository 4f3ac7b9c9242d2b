"""Port `Hooks`: programs of the administrator's, run by the engine.

What makes a poststop hook succeed once and only once: each has a file of its own for each run, which
is locked while it is being run, by the very process that runs it, and which then says how it ended.
Whoever comes later, the engine dead or not, waits for the lock and reads.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from lockgate.adapters.commands import Finished, finished
from lockgate.adapters.filesystem import bundle, ensure_directory
from lockgate.adapters.flocks import locked
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.whole import pread_all
from lockgate.effects.config import Config
from lockgate.effects.hooks import Hook
from lockgate.effects.outcome import PortError

LIMIT = 120
"""Seconds for a hook that names no timeout: the lock of its container is held that long."""

GRACE = 10.0
"""Seconds its processes may take to go after that (MAP §2.33)."""

TOLD = 400
"""Characters of its complaints that are told."""

KEEPER = str(Path(__file__).with_name("keeper.py"))
KEY = "LOCKGATE_HOOK_KEY"
"""The variable in which a poststop hook finds a key of its own: container, run and place in the
order, the same each time it is tried for the same run."""


class LocalHooks:
    """For containers below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def refine(self, config: Config, spec: bytes, hooks: Sequence[Hook]) -> bytes:
        for hook in hooks:
            spec = self._refined(config, spec, hook)
        return spec

    def _refined(self, config: Config, spec: bytes, hook: Hook) -> bytes:
        limit = hook.timeout or LIMIT
        try:
            ended = finished(
                hook.args or (hook.path,),
                program=hook.path,
                environment=dict(pair.split("=", 1) for pair in hook.env if "=" in pair),
                folder=bundle(self.root, config.id),
                patience=limit,
                stdin=spec,
            )
        except TimeoutError:
            raise _unfit(hook, f"it did not end in {limit} seconds") from None
        except OSError as problem:
            raise _unfit(hook, str(problem)) from None
        if ended.code != 0:
            raise _unfit(hook, _told(ended.code, ended))
        return refined(hook, spec, ended.output)

    def poststop(self, config: Config, epoch: int, hooks: Sequence[Hook]) -> None:
        folder = self._folder(config, epoch)
        state: dict[str, object] = {
            "ociVersion": "1.0.2",
            "id": config.id,
            "status": "stopped",
            "bundle": str(bundle(self.root, config.id)),
            "annotations": dict(config.annotations),
        }
        problems: list[PortError] = []
        for number, hook in enumerate(hooks):
            file = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                key = f"{KEY}={config.id}:{epoch}:{number}"
                self._once(file, hook, key, state)
            except PortError as problem:
                problems.append(problem)
            finally:
                os.close(file)
        if problems:
            raise problems[0]

    def _folder(self, config: Config, epoch: int) -> Path:
        """Of this run; those of runs before it are not needed any more."""
        folder = bundle(self.root, config.id) / "hooks"
        ensure_directory(folder, 0o700)
        for entry in os.scandir(folder):
            if entry.name != str(epoch):
                shutil.rmtree(entry.path)
        ensure_directory(folder / str(epoch), 0o700)
        return folder / str(epoch)

    def _once(self, file: int, hook: Hook, key: str, state: dict[str, object]) -> None:
        limit = hook.timeout or LIMIT
        if not locked(file, limit + GRACE):
            raise PortError("timeout", f"the poststop hook {hook.path} is still being run")
        if _succeeded(file):
            return
        line = (str(file), str(limit), str(state["bundle"]), hook.path, str(len(hook.args)))
        ended = finished(
            (sys.executable, "-I", "-S", KEEPER, *line, *hook.args, *hook.env, key),
            environment={},
            patience=limit + GRACE,
            stdin=msgspec.json.encode(state),
            keeping=(file,),
        )
        if not _succeeded(file):
            code = pread_all(file, 16, 0).decode().strip() or "nothing"
            reason = f"the poststop hook {hook.path} failed: {_told(code, ended)}"
            again = "cleanup, start and rm try it again, rm --force leaves without it"
            raise PortError("failed", f"{reason}; {again}")


def refined(hook: Hook, spec: bytes, answer: bytes) -> bytes:
    """What config.json is to be after a hook has answered: the answer, or as it was if there is none.

    Raises `PortError("refused")`, clean, for what is no JSON object."""
    if not answer.strip():
        return spec
    try:
        msgspec.json.decode(answer, type=dict[str, Any])  # to its end: a runtime will
    except NONSENSE as problem:
        raise _unfit(hook, f"what it answered is no config.json: {problem}") from None
    return answer


def _succeeded(file: int) -> bool:
    return pread_all(file, 16, 0) == b"0\n"


def _told(code: object, ended: Finished) -> str:
    words = ended.complaints.decode(errors="replace").strip()[-TOLD:]
    return f"it ended with {code}" + (f": {words}" if words else "")


def _unfit(hook: Hook, why: str) -> PortError:
    reason = f"the precreate hook {hook.path} cannot be used: {why}"
    return PortError("refused", reason, dirty=False)
