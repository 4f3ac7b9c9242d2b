"""One container, facts about its host, and what its spec says."""

import json
from typing import Any

from lockgate.effects.config import Config
from lockgate.effects.model import WriteSpec
from lockgate.effects.ports import Facts
from lockgate.statemachine.spec import generate

from ...golden.specs import CONFIG, EFFECT, FACTS

__all__ = ["CONFIG", "EFFECT", "FACTS", "destinations", "files", "spec"]


def spec(config: Config = CONFIG, effect: WriteSpec = EFFECT, facts: Facts = FACTS) -> Any:
    return json.loads(generate(config, effect, facts).spec)


def files(
    config: Config = CONFIG, facts: Facts = FACTS, effect: WriteSpec = EFFECT
) -> dict[str, str]:
    return {one.name: one.content.decode() for one in generate(config, effect, facts).files}


def destinations(made: Any) -> dict[str, Any]:
    """Mounts by where they are; that each place is mounted once is checked on the way."""
    found = {one["destination"]: one for one in made["mounts"]}
    assert len(found) == len(made["mounts"])
    return found
