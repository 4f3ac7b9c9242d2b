"""The networks there are, as files; nothing here stands on the host."""

from pathlib import Path

import pytest

from lockgate.adapters.network import NetworkBook, book
from lockgate.effects.outcome import PortError

OTHERS = '{"cniVersion": "0.4.0", "name": "theirs", "plugins": [{"type": "ptp"}]}'


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "net.d"
    folder.mkdir()
    (folder / "10-theirs.conflist").write_text(OTHERS)
    return folder


@pytest.fixture
def networks(tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> NetworkBook:
    monkeypatch.setattr(book, "ROUTES", tmp_path / "no routes")
    return NetworkBook(tmp_path / "root", (elsewhere,))


def refusal(act: object) -> str:
    with pytest.raises(PortError) as problem:
        act()  # type: ignore[operator]
    assert not problem.value.fault.dirty
    return problem.value.fault.reason


def test_it_is_there_until_it_is_removed(networks: NetworkBook) -> None:
    made = networks.create("web", dns=("10.0.0.53",))
    assert networks.lookup("web") == made
    assert networks.list()[-1] == made
    networks.remove("web")
    assert [one.name for one in networks.list()] == ["theirs"]
    assert "no network 'web'; there are: theirs" in refusal(lambda: networks.lookup("web"))


def test_two_have_two_subnets(networks: NetworkBook) -> None:
    subnets = {networks.create(name).subnets for name in ("one", "two")}
    assert len(subnets) == 2


def test_routes_of_the_host_are_left_alone(
    networks: NetworkBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "routes").write_text("Iface\neth0 0000590A 0 1 0 0 0 00FFFFFF 0 0 0\n")
    monkeypatch.setattr(book, "ROUTES", tmp_path / "routes")
    assert networks.create("web").subnets == ("10.89.1.0/24",)


@pytest.mark.parametrize("name", ["none", "host", "private", "", "a/b", "-x", "x" * 65, "theirs"])
def test_names_it_cannot_have(networks: NetworkBook, name: str) -> None:
    refusal(lambda: networks.create(name))


def test_subnets_it_cannot_have(networks: NetworkBook) -> None:
    networks.create("web", subnet="10.5.0.0/16")
    assert "overlaps" in refusal(lambda: networks.create("other", subnet="10.5.7.0/24"))
    lost = refusal(lambda: networks.create("other", subnet="10.6.0.0/24", gateway="10.5.0.1"))
    assert "is not in the subnet" in lost


def test_what_others_made_is_used_and_not_removed(networks: NetworkBook, elsewhere: Path) -> None:
    assert not networks.lookup("theirs").ours
    assert "is not ours" in refusal(lambda: networks.remove("theirs"))
    assert networks.find("theirs").types == ("ptp",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "truncated"),
        ('{"cniVersion": "0.4.0", "name": "x y", "plugins": [{"type": "ptp"}]}', "no name"),
        ('{"cniVersion": "0.2.0", "name": "x", "plugins": [{"type": "ptp"}]}', "older than 0.3.0"),
        ('{"cniVersion": "0.4.0", "name": "x", "plugins": [{"type": "../sh"}]}', "no type"),
        ('{"cniVersion": "0.4.0", "name": "x", "plugins": []}', "names no plugin"),
    ],
)
def test_damaged_files_hide_nothing_but_themselves(
    networks: NetworkBook, elsewhere: Path, text: str, why: str
) -> None:
    (elsewhere / "00-bad.conflist").write_text(text)
    assert [one.name for one in networks.list()] == ["theirs"]
    assert networks.lookup("theirs").plugins == ("ptp",)
    assert why in refusal(lambda: networks.lookup("x"))
