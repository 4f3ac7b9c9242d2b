"""The composition root of a host in memory, which needs nothing of the machine it runs on."""

from lockgate.adapters.locks import MemoryLocks
from lockgate.adapters.simulated import SimulatedHost
from lockgate.adapters.store.memory import MemoryStore
from lockgate.effects.model import Process
from lockgate.effects.ports import Executor, Ports
from lockgate.host import Host
from lockgate.statemachine.spec import generate


def simulated() -> Host:
    """A host in memory: nothing is touched, time stands still, histories come out the same."""
    host = SimulatedHost()
    me = Executor(Process(1, 1, "simulated"))
    store = MemoryStore()
    return Host(
        ports=Ports(
            runtime=host.runtime,
            monitor=host.runtime,
            storage=host,
            network=host,
            hooks=host,
            checks=host.checks,
            checkpoints=host.checkpoints,
            filesystem=host,
            surroundings=host,
            clock=host,
            specify=generate,
        ),
        store=store,
        locks=MemoryLocks(),
        images=host.images,
        contents=host.contents,
        volumes=host.volumes,
        artifacts=host.artifacts,
        networks=host.networks,
        logs=host,
        sessions=host.sessions,
        checks=host.checks,
        settlers=host.settlers,
        meters=host.meters,
        me=me,
        lives=lambda executor: executor == me,
        close=store.close,
        description="the simulated host",
        simulation=host,
    )
