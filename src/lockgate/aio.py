"""The engine for programs that use asyncio: every command awaited, every stream an async iterator.

    async with AsyncEngine(Engine.open("/var/lib/lockgate")) as engine:
        web = await engine.create(image="busybox", command=["sleep", "60"])
        await engine.start(web.id)
        async for line in engine.logs(web.id):
            print(line.text)

Commands wait in the kernel and not in a loop, so each runs in a thread; the engine is safe for that.
A command whose task is cancelled is not taken back: it goes on, and the next look tells of it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial, wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from lockgate.engine import Engine

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 64
"""How many commands may be under way at once; most of them only wait."""


def awaited(
    command: Callable[Concatenate[Engine, P], T],
) -> Callable[Concatenate["AsyncEngine", P], Coroutine[Any, Any, T]]:
    """The same command, awaited."""

    @wraps(command)
    async def called(self: "AsyncEngine", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(partial(command, self.engine, *args, **kwargs))

    return called


def streamed(
    command: Callable[Concatenate[Engine, P], Iterator[T]],
) -> Callable[Concatenate["AsyncEngine", P], AsyncIterator[T]]:
    """The same stream, an item a turn. Nothing is read ahead."""

    @wraps(command)
    async def called(self: "AsyncEngine", /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        items = await self.run(partial(command, self.engine, *args, **kwargs))
        while found := await self.run(partial(_next, items)):
            yield found[0]

    return called


def _next(items: Iterator[T]) -> tuple[T] | None:
    with suppress(StopIteration):  # which may not leave a thread
        return (next(items),)
    return None


class AsyncEngine:
    """An `Engine` whose methods are coroutines and async iterators of the same names.

    Closing it closes the engine, once what is under way has ended.
    """

    def __init__(self, engine: Engine, threads: int = THREADS) -> None:
        self.engine = engine
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="lockgate")

    async def run(self, call: Callable[[], T]) -> T:
        """Anything else, in a thread of this engine."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, copy_context().run, call
        )

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self.engine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    create = awaited(Engine.create)
    init = awaited(Engine.init)
    start = awaited(Engine.start)
    stop = awaited(Engine.stop)
    kill = awaited(Engine.kill)
    pause = awaited(Engine.pause)
    unpause = awaited(Engine.unpause)
    restart = awaited(Engine.restart)
    checkpoint = awaited(Engine.checkpoint)
    restore = awaited(Engine.restore)
    restore_archive = awaited(Engine.restore_archive)
    update = awaited(Engine.update)
    wait = awaited(Engine.wait)
    wait_for = awaited(Engine.wait_for)
    rename = awaited(Engine.rename)
    cleanup = awaited(Engine.cleanup)
    remove = awaited(Engine.remove)
    submit = awaited(Engine.submit)
    sync = awaited(Engine.sync)
    settle = awaited(Engine.settle)
    refresh = awaited(Engine.refresh)

    create_pod = awaited(Engine.create_pod)
    start_pod = awaited(Engine.start_pod)
    stop_pod = awaited(Engine.stop_pod)
    kill_pod = awaited(Engine.kill_pod)
    pause_pod = awaited(Engine.pause_pod)
    unpause_pod = awaited(Engine.unpause_pod)
    restart_pod = awaited(Engine.restart_pod)
    remove_pod = awaited(Engine.remove_pod)
    pod = awaited(Engine.pod)
    pods = awaited(Engine.pods)

    exec = awaited(Engine.exec)
    call = awaited(Engine.call)
    attach = awaited(Engine.attach)
    session = awaited(Engine.session)
    sessions = awaited(Engine.sessions)
    exec_wait = awaited(Engine.exec_wait)
    exec_kill = awaited(Engine.exec_kill)
    exec_output = streamed(Engine.exec_output)

    check = awaited(Engine.check)
    checks = awaited(Engine.checks)
    health = awaited(Engine.health)
    watch = awaited(Engine.watch)
    watch_all = awaited(Engine.watch_all)

    resolve = awaited(Engine.resolve)
    inspect = awaited(Engine.inspect)
    list = awaited(Engine.list)
    busy = awaited(Engine.busy)
    export = awaited(Engine.export)
    diff = awaited(Engine.diff)
    usage = awaited(Engine.usage)
    top = awaited(Engine.top)
    mount = awaited(Engine.mount)
    mounted = awaited(Engine.mounted)
    unmount = awaited(Engine.unmount)
    artifact = awaited(Engine.artifact)
    artifacts = awaited(Engine.artifacts)
    put_artifact = awaited(Engine.put_artifact)
    remove_artifact = awaited(Engine.remove_artifact)
    sizes = awaited(Engine.sizes)
    replay = awaited(Engine.replay)
    run_to_end = streamed(Engine.run_to_end)
    logs = streamed(Engine.logs)
    events = streamed(Engine.events)
    follow = streamed(Engine.follow)
    history = streamed(Engine.history)

    import_image = awaited(Engine.import_image)
    image = awaited(Engine.image)
    images = awaited(Engine.images)
    remove_image = awaited(Engine.remove_image)
    create_volume = awaited(Engine.create_volume)
    volume = awaited(Engine.volume)
    volumes = awaited(Engine.volumes)
    volume_users = awaited(Engine.volume_users)
    remove_volume = awaited(Engine.remove_volume)
    create_network = awaited(Engine.create_network)
    network = awaited(Engine.network)
    networks = awaited(Engine.networks)
    users = awaited(Engine.users)
    remove_network = awaited(Engine.remove_network)
