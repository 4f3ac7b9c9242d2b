"""What a store refuses says whom it is about, by the beginnings of their ids."""

from lockgate.effects.ports import NameTakenError, NeededError, NoPodError, UnmetError

ONE, OTHER = "1" * 64, "2" * 64


def test_a_name_is_anothers() -> None:
    refusal = NameTakenError("web", ONE)
    assert str(refusal) == f"the name 'web' is in use by container {'1' * 12}"
    assert (refusal.name, refusal.holder) == ("web", ONE)


def test_others_need_it() -> None:
    refusal = NeededError(ONE, (OTHER,))
    assert str(refusal) == f"container {'1' * 12} is needed by 1 others"
    assert (refusal.container, refusal.by) == (ONE, (OTHER,))


def test_what_it_would_need_is_not_there() -> None:
    refusal = UnmetError(ONE, OTHER)
    assert str(refusal) == (f"container {'1' * 12} would need {'2' * 12}, which is not there")
    assert (refusal.container, refusal.needed) == (ONE, OTHER)


def test_a_name_may_be_a_pods() -> None:
    refusal = NameTakenError("web", ONE, "pod")
    assert str(refusal) == f"the name 'web' is in use by pod {'1' * 12}"
    assert refusal.what == "pod"


def test_the_pod_it_would_be_in_is_not_there() -> None:
    refusal = NoPodError(ONE)
    assert str(refusal) == f"there is no pod {'1' * 12} to be in, or it is being removed"
    assert refusal.pod == ONE
