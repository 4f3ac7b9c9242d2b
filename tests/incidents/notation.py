"""The words incidents are told in: what is done, what goes wrong, what must be so.

One line, one thing. The container is `web`; engines come and go, the host stays.

    create [WISH=VALUE ...]      made; wishes are parameters of `Engine.create`; `volumes=a+b+` are two
                                 of these names and one of its own; `pod=yes`: in the pod
    start, stop, kill, pause ... a command that succeeds; `remove!` is by force
    stopped_already              a stop of what does not run: noted, and said
    fails COMMAND                the host does not do it
    refused COMMAND              the law does not allow it
    dies PLACE in COMMAND        the engine is killed there ("after StartRuntime", "before commit")
    fault EFFECT TURN            how the next effect of that kind turns out
    drift WHAT                   somebody else changes the world
    end CODE                     the first process ends by itself
    reboot, reboot volatile      the host is restarted
    check CODE                   its health check is run, and ends with this; `no_check`: none is due
    exec                         a process joins it; `joined CODE`: which ends
    rename WHO NAME              `web`, another, or the `infra` of the pod
    finishes CODE                from now on it ends as soon as it is started
    pod create [WISH=VALUE ...]  and `start`, `stop`, `restart`, `remove`: the pod `site`, all of whose
                                 containers do it; `pod fails VERB`: one of them does not
    settle, refresh, list        as the engine's methods; what is owed by all of the pod, too
    full, space                  no space for a commit, from now on; or again
    clock SECONDS                the wall clock is set
    corrupt                      the stored record becomes nonsense
    is STATUS, run N, code N     what is on record; `no_code`: why there is none
    checkpointed, restored       how its last run ended, or began
    pod is STATUS                of all of it; `gone`: there is none
    waits N                      whoever waits is told N
    health STATUS                how it stands by its checks; `none`: nothing is said
    watched, unwatched           whether somebody sees to its checks
    sessions N                   so many that have joined it run
    lives, ended                 whether the first process really lives
    volumes NAME ...             these there are, those of containers as `own`
    settled                      record and world agree, of the pod's containers too; nothing is in doubt
    bare                         nothing is left of its run
    gone                         nothing is left, and the name is free
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.incidents import pods

from lockgate import (
    AlreadyStopped,
    Engine,
    IllegalState,
    InvalidArgument,
    NoSuchContainer,
    OperationFailed,
)
from lockgate.adapters.simulated import DRIFTS, FaultPlan
from lockgate.adapters.simulated.faults import TURNS
from lockgate.adapters.store.memory import MemoryStore
from lockgate.effects import model
from lockgate.effects.config import Config, VolumeMount
from lockgate.effects.health import HealthCheck
from lockgate.effects.hooks import Hook, HookFile, When
from lockgate.effects.ports import Commit, StoreError
from lockgate.effects.sessions import Standing
from lockgate.errors import NotRunning
from lockgate.simulation import simulated
from lockgate.statemachine import inputs as i
from lockgate.statemachine.record import VOLATILE, newborn
from lockgate.testing import properties as promised
from lockgate.testing.deaths import Fuse, Killed
from lockgate.testing.stores import FullStore

COMMANDS: dict[str, i.Command] = {
    "init": i.Init(),
    "start": i.Start(),
    "stop": i.Stop(),
    "kill": i.Kill(),
    "signal": i.Kill(signal=10),
    "pause": i.Pause(),
    "unpause": i.Unpause(),
    "restart": i.Restart(),
    "mount": i.Mount(),
    "unmount": i.Unmount(),
    "checkpoint": i.Checkpoint(),
    "snapshot": i.Checkpoint(leave_running=True),
    "restore": i.Restore(),
    "cleanup": i.Cleanup(),
    "remove": i.Remove(),
    "remove!": i.Remove(force=True),
}
NAME = "web"


def _volumes(names: str | None) -> tuple[VolumeMount, ...]:
    return tuple(
        VolumeMount(destination=f"/volumes/{number}", volume=name, anonymous=not name)
        for number, name in enumerate([] if names is None else names.split("+"))
    )


def _health(action: str | None) -> HealthCheck | None:
    """A check that counts at the third failure in a row."""
    return action and HealthCheck(command=("check",), on_failure=action)  # type: ignore[arg-type,return-value]


class Stage:
    """One host, one container, as many engines as die on it."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.store = FullStore(self.memory)
        self.wiring = dataclasses.replace(simulated(), store=self.store)
        assert self.wiring.simulation is not None
        self.host = self.wiring.simulation
        self.engine = Engine(self.wiring)
        self.ids: list[str] = []

    def close(self) -> None:
        self.engine.close()

    def play(self, line: str) -> None:
        """One line. Whatever it says, what must hold always holds afterwards."""
        word, *rest = line.split()
        act: Callable[..., None] | None = getattr(self, f"do_{word}", None)
        if act is not None:
            act(*rest)
        else:
            self._command(line)
        self.judge()

    def judge(self) -> None:
        promised.in_order(list(self.engine.events()))
        for container in self.ids:
            history = list(self.engine.history(container))
            promised.replays(newborn(Config(id=container)), history)
            promised.ordered_before_heard(history)
            promised.stop_wins(history)
        pods.nobody_is_left_alone(self.engine.pods())

    # ---- what is done --------------------------------------------------------------------

    def do_create(self, *wishes: str) -> None:
        with self._noting():
            self._create(self.engine, *wishes)

    def _create(self, engine: Engine, *wishes: str) -> None:
        given = dict(wish.split("=") for wish in wishes)
        in_pod = bool(given.pop("pod", ""))
        engine.create(
            name=given.pop("name", NAME),
            rootfs="/",
            command=["sh"],
            network="none" if in_pod else "private",
            auto_remove=bool(given.pop("auto_remove", "")),
            restart=given.pop("restart", "no"),  # type: ignore[arg-type]
            restart_retries=int(given.pop("retries", "0")),
            mounts=_volumes(given.pop("volumes", None)),
            health=_health(given.pop("health", None)),
            pod=pods.POD if in_pod else "",
            init=given.pop("init", ""),  # type: ignore[arg-type]
            requires=list(filter(None, given.pop("requires", "").split("+"))),
        )
        assert not given, f"no such wishes: {given}"

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        finally:
            for row in self.store.rows():
                if row.container not in self.ids:
                    self.ids.append(row.container)

    def _command(self, word: str, engine: Engine | None = None) -> None:
        engine = engine or self.engine
        if word == "settle":
            engine.settle(NAME)
            return
        command = COMMANDS[word]
        if isinstance(command, i.Remove):
            engine.remove(NAME, force=command.force)
        elif isinstance(command, i.Checkpoint):
            engine.checkpoint(NAME, leave_running=command.leave_running)
        elif word == "signal":
            engine.kill(NAME, 10)
        else:
            getattr(engine, word)(NAME)

    def do_fails(self, *words: str) -> None:
        with self._noting():
            try:
                self._create(self.engine) if words == ("create",) else self._command(words[0])
            except (OperationFailed, StoreError):
                return
        raise AssertionError(f"{words} succeeded")

    def do_stopped_already(self) -> None:
        try:
            self.engine.stop(NAME)
        except AlreadyStopped:
            return
        raise AssertionError("it was stopped as if it ran")

    def do_refused(self, word: str, *wishes: str) -> None:
        try:
            self._create(self.engine, *wishes) if word == "create" else self._command(word)
        except (IllegalState, InvalidArgument, NoSuchContainer):
            return
        raise AssertionError(f"{word} was accepted")

    def do_dies(self, *words: str) -> None:
        where = words.index("in")
        engine = Engine(self.wiring, Fuse(place=" ".join(words[:where])))
        with self._noting():
            try:
                word = words[where + 1]
                if word == "pod":
                    pods.act(engine, *words[where + 2 :])
                elif word == "create":
                    self._create(engine)
                else:
                    self._command(word, engine)
            except Killed:
                return
            finally:
                engine._interpreter.close()
        raise AssertionError(f"it never got {words[:where]}")

    def do_check(self, code: str) -> None:
        self.host.sessions.answer = lambda session: int(code)
        assert self.engine.check(NAME).code == int(code)

    def do_no_check(self) -> None:
        try:
            self.engine.check(NAME)
        except (NotRunning, NoSuchContainer):
            return
        raise AssertionError("a check was run")

    def do_exec(self) -> None:
        self.engine.exec(NAME, ["sh"])

    def do_joined(self, code: str) -> None:
        for one in self.engine.sessions(NAME):
            self.host.sessions.end(one.id, int(code))

    def do_pod(self, word: str, *rest: str) -> None:
        with self._noting():
            if word == "is":
                pods.stands(self.engine, *rest)
            elif word == "fails":
                assert not pods.act(self.engine, *rest), f"{rest} succeeded"
            else:
                assert pods.act(self.engine, word, *rest), f"{word} has failed"

    def do_rename(self, who: str, name: str) -> None:
        container = self.engine.pod(pods.POD).infra.id if who == "infra" else who
        self.engine.rename(container, name)

    def do_finishes(self, code: str) -> None:
        start, mine = self.host.runtime.start, self.engine.resolve(NAME)

        def started(config: Config, epoch: int, *, again: bool) -> None:
            start(config, epoch, again=again)
            if config.id == mine:
                self.host.end(mine, int(code))

        self.host.runtime.start = started  # type: ignore[method-assign]

    def do_refresh(self) -> None:
        assert not self.engine.refresh()

    def do_list(self) -> None:
        self.engine.list()

    # ---- what goes wrong -----------------------------------------------------------------

    def do_fault(self, effect: str, turn: str) -> None:
        assert turn in TURNS
        kind: type[model.AnyEffect] = getattr(model, effect)
        self.host.plan = FaultPlan({(kind, 1): turn})

    def do_hooks(self) -> None:
        release = HookFile("release.json", Hook("/release"), When(always=True), ("poststop",))
        self.host.hooks = (release,)

    def do_owes(self, count: str) -> None:
        assert len(self.engine.inspect(NAME).poststop) == int(count)

    def do_drift(self, *what: str) -> None:
        self.host.drift(self.ids[-1], DRIFTS[" ".join(what)])

    def do_end(self, code: str) -> None:
        assert self.host.world(self.ids[-1]).alive, "there is nothing to end"
        self.host.end(self.ids[-1], int(code))

    def do_reboot(self, how: str = "") -> None:
        self.host.reboot("nothing" if how == "volatile" else "all")

    def do_full(self) -> None:
        self.store.at = 1

    def do_space(self) -> None:
        self.store.at = 0

    def do_clock(self, seconds: str) -> None:
        self.host.advance(float(seconds))

    def do_corrupt(self) -> None:
        row = self.store.row(self.ids[-1])
        assert row is not None
        self.memory.append(
            Commit(
                container=row.container,
                name=row.name,
                seq=row.seq,
                status=row.status,
                entry=list(self.memory.history(row.container))[-1],
                record=b"\0 nonsense",
            )
        )
        self.ids.remove(row.container)  # its history was damaged, too: nothing to replay

    # ---- what must be so -----------------------------------------------------------------

    def do_is(self, status: str) -> None:
        found = str(self.engine.inspect(NAME).status)
        assert found == status, f"it is {found}"

    def do_run(self, number: str) -> None:
        assert self.engine.inspect(NAME).epoch == int(number)

    def do_code(self, code: str) -> None:
        record = self.engine.inspect(NAME)
        assert record.exit_code == int(code)
        assert (record.exit_code == -1) == bool(record.exit_reason), "unknown needs a reason"

    def do_no_code(self) -> None:
        record = self.engine.inspect(NAME)
        assert record.exit_code is None and record.exit_reason, record.exit_code

    def do_checkpointed(self) -> None:
        record = self.engine.inspect(NAME)
        assert record.checkpointed and record.checkpointed_at

    def do_restored(self) -> None:
        record = self.engine.inspect(NAME)
        assert record.restored and not record.checkpointed and record.started_at

    def do_waits(self, code: str) -> None:
        heard = [self.engine.wait(NAME, timeout=5) for _ in "early and late"]
        promised.waits_agree(heard)
        assert heard[0] == int(code)

    def do_health(self, status: str) -> None:
        assert str(self.engine.health(NAME) or "none") == status

    def do_watched(self) -> None:
        assert self.host.world(self.ids[-1]).watched == self.engine.inspect(NAME).epoch

    def do_unwatched(self) -> None:
        assert not self.host.world(self.ids[-1]).watched

    def do_sessions(self, number: str) -> None:
        found = self.engine.sessions(NAME)
        promised.joined_to(self.engine.inspect(NAME), found)
        assert sum(one.standing is Standing.RUNNING for one in found) == int(number)

    def do_lives(self) -> None:
        assert self.host.world(self.ids[-1]).alive

    def do_ended(self) -> None:
        assert not self.host.world(self.ids[-1]).alive

    def do_volumes(self, *names: str) -> None:
        found = [one.name if not one.container else "own" for one in self.engine.volumes()]
        assert sorted(found) == sorted(names), found

    def do_settled(self) -> None:
        for one in self._meant():
            record = self.engine.sync(one)
            promised.settled(record, promised.footprint(self.host.world(record.id)))

    def _meant(self) -> list[str]:
        """It, and those of the pod."""
        members = [one.id for pod in self.engine.pods() for one in (*pod.members, pod.infra)]
        return list(dict.fromkeys([self.engine.resolve(NAME), *members]))

    def do_bare(self) -> None:
        held = promised.footprint(self.host.world(self.engine.resolve(NAME))).held
        assert not held.intersection(VOLATILE), f"it holds {held}"

    def do_gone(self) -> None:
        assert not self.engine.list() and not self.host.worlds(), "something is left"
        self.do_create()
        self.engine.remove(NAME)
