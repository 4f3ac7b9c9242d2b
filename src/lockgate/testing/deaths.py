"""To kill an engine between one instruction and the next, without a process of its own."""


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even what handles errors."""


class Fuse:
    """A probe that kills at the `at`-th place it passes, or at every place of a name; 0: never.

    The interpreter names its places: `before commit`, `after commit`, and `before` and `after`
    with the name of an effect.
    """

    def __init__(self, at: int = 0, place: str = "") -> None:
        self.passed, self._at, self._place = 0, at, place

    def __call__(self, place: str) -> None:
        self.passed += 1
        if self.passed == self._at or place == self._place:
            raise Killed(place)
