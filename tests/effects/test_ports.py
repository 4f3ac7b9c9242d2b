"""What a store refuses says whom it is about, by the beginnings of their ids."""

import pytest

from lockgate.effects.ports import NameTakenError, NeededError, UnmetError

ONE, OTHER = "1" * 64, "2" * 64


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (NameTakenError("web", ONE), f"the name 'web' is in use by container {'1' * 12}"),
        (NeededError(ONE, (OTHER,)), f"container {'1' * 12} is needed by 1 others"),
        (
            UnmetError(ONE, OTHER),
            f"container {'1' * 12} would need {'2' * 12}, which is not there",
        ),
    ],
)
def test_its_words(refusal: Exception, words: str) -> None:
    assert str(refusal) == words
