"""The engine in a loop: nothing it waits for keeps the loop waiting."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lockgate import Engine, IllegalState, Record, Status
from lockgate.aio import AsyncEngine

SYNCHRONOUS = {"open", "simulated", "close", "description", "simulation", "each", "turns"}


def played(play: Callable[[AsyncEngine], Awaitable[None]]) -> None:
    async def main() -> None:
        engine = Engine.simulated()
        engine.import_image("busybox", "/", command=["sleep", "60"])
        async with AsyncEngine(engine) as wrapped:
            await asyncio.wait_for(play(wrapped), 20)

    asyncio.run(main())


def ended(engine: AsyncEngine, container: Record, code: int) -> None:
    assert engine.engine.simulation is not None
    engine.engine.simulation.end(container.id, code)


def test_every_command_is_there() -> None:
    public = {name for name in dir(Engine) if not name.startswith("_")} - SYNCHRONOUS
    assert public <= set(dir(AsyncEngine))


def test_a_life() -> None:
    async def play(engine: AsyncEngine) -> None:
        web = await engine.create(name="web", image="busybox")
        assert (await engine.start("web")).status is Status.RUNNING
        with pytest.raises(IllegalState):
            await engine.start("web")
        waiting = asyncio.create_task(engine.wait("web"))
        await asyncio.sleep(0)
        ended(engine, web, 7)
        assert await waiting == 7
        await engine.remove("web")
        assert await engine.list() == ()
        heard = [event.event async for event in engine.events()]
        assert heard == ["create", "init", "start", "died", "cleanup", "remove"]
        assert [entry.seq async for entry in engine.history(web.id)][:3] == [0, 1, 2]

    played(play)


def test_many_wait_at_once_and_the_loop_goes_on() -> None:
    async def play(engine: AsyncEngine) -> None:
        made = [await engine.create(image="busybox") for _ in range(20)]
        await asyncio.gather(*(engine.start(one.id) for one in made))
        waits = [asyncio.create_task(engine.wait(one.id)) for one in made]
        assert len(await engine.list()) == 20  # while all of them wait
        for code, one in enumerate(made):
            ended(engine, one, code)
        assert await asyncio.gather(*waits) == list(range(20))

    played(play)


def test_events_are_followed_while_they_happen() -> None:
    async def play(engine: AsyncEngine) -> None:
        heard: list[str] = []

        async def listen() -> None:
            async for event in engine.follow():
                heard.append(event.event)
                if event.event == "start":
                    return

        listener = asyncio.create_task(listen())
        await engine.create(name="web", image="busybox")
        await engine.start("web")
        await listener
        assert heard == ["create", "init", "start"]

    played(play)
