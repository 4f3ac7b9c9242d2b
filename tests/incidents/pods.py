"""What a pod named `site` is told, and what must be so of it."""

from collections.abc import Callable, Mapping

from returns.result import Success

from lockgate import Engine, PodRecord, PodStatus, Status
from lockgate.engine.pods import Outcomes
from lockgate.statemachine.pods import lives_in

POD = "site"

ACTS: Mapping[str, Callable[[Engine], Outcomes]] = {
    "start": lambda engine: engine.start_pod(POD),
    "stop": lambda engine: engine.stop_pod(POD),
    "restart": lambda engine: engine.restart_pod(POD),
    "remove": lambda engine: engine.remove_pod(POD),
    "remove!": lambda engine: engine.remove_pod(POD, force=True),
}


def act(engine: Engine, word: str, *wishes: str) -> bool:
    """Did it go well for each of its containers?"""
    if word == "create":
        given = dict(wish.split("=") for wish in wishes)
        engine.create_pod(name=POD, **given)  # type: ignore[arg-type]
        return True
    return all(isinstance(one, Success) for one in ACTS[word](engine).values())


def nobody_is_left_alone(pods: tuple[PodRecord, ...]) -> None:
    """P18: who runs, runs in a run of its infra's that is not over."""
    for pod in pods:
        for one in pod.members:
            if one.status in (Status.RUNNING, Status.PAUSED):
                at_home = pod.infra.status in (Status.RUNNING, Status.PAUSED)
                assert at_home and lives_in(one, pod.infra), f"{one.config.name} is left alone"


def stands(engine: Engine, status: str) -> None:
    found = [pod.status for pod in engine.pods()]
    assert found == ([] if status == "gone" else [PodStatus(status)]), f"it is {found}"
