"""The loop with a machine of its own, small enough to say exactly what is asked for and heard."""

from collections.abc import Callable, Iterator

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.locks import MemoryLocks
from lockgate.adapters.store.memory import MemoryStore
from lockgate.effects.interpreter import Interpreter, Rejected, Stepped
from lockgate.effects.model import Halt, Mount, Order, Process, Unmount
from lockgate.effects.outcome import Done, Failed, Fault, Outcome
from lockgate.effects.ports import Commit, Executor, Row

ME = Executor(Process(1, 1, "boot"))
MOUNT, UNMOUNT = Order(1, Mount("c")), Order(2, Unmount("c"))
HALT = Order(3, Halt("c", 1, None, None, 15, 10, False))


class Ask(Struct, frozen=True, tag=True):
    """Have these carried out."""

    orders: tuple[Order, ...]


class Settle(Struct, frozen=True, tag=True):
    """Nothing that is out matters any more."""


class Resume(Struct, frozen=True, tag=True):
    """Everything that is out is asked for again."""


class Refuse(Struct, frozen=True, tag=True):
    """Is not accepted."""


Told = Ask | Settle | Resume | Refuse | Outcome


class Out(Struct, frozen=True):
    """What it knows: the orders that are out."""

    orders: tuple[Order, ...] = ()


class Errands:
    """`first` is what it must be told when it is loaded, `news` what a look tells, each once; `done`
    what was carried out, in order, and `told` what it was told."""

    def __init__(self, first: tuple[Told, ...] = (), news: tuple[Told, ...] = ()) -> None:
        self.first, self.news = first, news
        self.done: list[Order] = []
        self.told: list[Told] = []

    def load(self, container: str, row: Row | None) -> tuple[Out, tuple[Told, ...]]:
        first, self.first = self.first, ()
        return msgspec.json.decode(row.record, type=Out) if row else Out(), first

    def step(self, record: Out, seq: int, given: Told) -> Stepped[Out] | Rejected[str]:
        if isinstance(given, Refuse):
            return Rejected("no")
        self.told.append(given)
        match given:
            case Ask(orders):
                after = Out((*record.orders, *orders))
            case Settle():
                orders, after = (), Out()
            case Resume():
                orders, after = record.orders, replace(record)
            case Done(ticket) | Failed(ticket):
                orders = ()
                after = Out(tuple(one for one in record.orders if one.ticket != ticket))
        kept = msgspec.json.encode(after)
        commit = Commit(container="c", name="c", seq=seq, status="", entry=b"", record=kept)
        return Stepped(after, orders, commit)

    def pending(self, record: Out) -> tuple[Order, ...]:
        return record.orders

    def faults(self, record: Out) -> tuple[Fault, ...]:
        return ()

    def heard(self, outcome: Outcome) -> Told:
        return outcome

    def resumed(self) -> Told:
        return Resume()

    def observe(self, record: Out) -> tuple[Told, ...]:
        news, self.news = self.news, ()
        return news

    def perform(self, record: Out, order: Order) -> Outcome:
        self.done.append(order)
        return Done(order.ticket)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def told(store: MemoryStore) -> Iterator[Callable[..., Errands]]:
    """A look, with these errands; what came of it."""
    opened: list[Interpreter[Out, Told, str]] = []

    def looked(**words: tuple[Told, ...]) -> Errands:
        errands = Errands(**words)
        opened.append(Interpreter(errands, store, MemoryLocks(), ME, lambda executor: True))
        opened[-1].sync("c")
        return errands

    yield looked
    for one in opened:
        one.close()


Looked = Callable[..., Errands]


@pytest.mark.parametrize("when", ["first", "news"])
def test_all_that_is_told_is_heard_and_what_it_asks_for_is_done_once(
    when: str, told: Looked
) -> None:
    errands = told(**{when: (Ask((MOUNT,)), Ask((UNMOUNT,)))})
    assert sorted(order.ticket for order in errands.done) == [1, 2]
    assert Resume() not in errands.told


def test_what_later_news_settle_is_not_done(told: Looked) -> None:
    assert told(news=(Ask((MOUNT,)), Settle())).done == []


def test_news_that_are_not_accepted_ask_for_nothing(told: Looked) -> None:
    errands = told(news=(Refuse(), Ask((MOUNT,))))
    assert errands.done == [MOUNT]


def test_what_takes_long_is_done_after_what_does_not_and_is_not_forgotten(told: Looked) -> None:
    errands = told(news=(Ask((HALT, MOUNT)),))
    assert errands.done == [MOUNT, HALT]
    assert Resume() not in errands.told


def test_what_was_left_is_done_again(told: Looked, store: MemoryStore) -> None:
    """By whoever finds it under the lock: nobody else can be doing it."""
    kept = msgspec.json.encode(Out((MOUNT, UNMOUNT)))
    store.append(Commit(container="c", name="c", seq=0, status="", entry=b"", record=kept))
    errands = told()
    assert errands.told[0] == Resume()
    assert sorted(order.ticket for order in errands.done) == [1, 2]


def test_nobody_is_noted_as_carrying_out_what_is_done_under_the_lock(
    told: Looked, store: MemoryStore
) -> None:
    told(news=(Ask((MOUNT,)),))
    row = store.row("c")
    assert row is not None and row.executor is None
