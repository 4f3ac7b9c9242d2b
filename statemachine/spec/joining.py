"""What a process that joins a running container is given.

A session is the process of the container's own spec with other wishes; whatever confines the first
process confines it, too.
"""

import msgspec
from msgspec.structs import replace

from lockgate.effects.config import Config, Security
from lockgate.effects.model import WriteSpec
from lockgate.effects.ports import Facts
from lockgate.effects.sessions import Wish
from lockgate.statemachine.record import Record
from lockgate.statemachine.spec.generate import generate


def wishing(config: Config, wish: Wish) -> Config:
    """The container, were this its first process."""
    named = {entry.partition("=")[0] for entry in wish.env}
    kept = tuple(entry for entry in config.env if entry.partition("=")[0] not in named)
    return replace(
        config,
        command=wish.command,
        env=(*kept, *wish.env),
        workdir=wish.workdir or config.workdir,
        user=wish.user or config.user,
        terminal=wish.terminal,
        security=Security(privileged=True) if wish.privileged else config.security,
    )


def process(record: Record, wish: Wish, facts: Facts) -> bytes:
    """The `process` object of the runtime spec. `facts` are those of `wishing(config, wish)`.
    Raises `PortError`, clean, for an unknown user and for what this host cannot give."""
    effect = WriteSpec(
        record.id, record.epoch, record.mountpoint, record.netns, lodging=record.lodging
    )
    spec = generate(wishing(record.config, wish), effect, facts).spec
    return msgspec.json.encode(msgspec.json.decode(spec, type=dict[str, object])["process"])
