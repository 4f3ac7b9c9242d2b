"""Whom a command is for: names, all, or those that pass filters; and who comes after whom."""

import json

import pytest

from .conftest import Shell


@pytest.fixture
def fleet(shell: Shell) -> Shell:
    for name, label in (("web-1", "tier=front"), ("web-2", "tier=front"), ("db", "tier=back")):
        shell.ok("create", "--name", name, "--image", "busybox", "--label", label)
    return shell


def living(shell: Shell) -> set[str]:
    return {one.config.name for one in shell.engine.list() if one.status == "running"}


class TestChoosing:
    def test_all(self, fleet: Shell) -> None:
        assert fleet.ok("start", "--all") == "web-1\nweb-2\ndb\n"
        assert living(fleet) == {"web-1", "web-2", "db"}
        fleet.ok("rm", "-f", "-a")
        assert fleet.engine.list() == ()

    @pytest.mark.parametrize(
        ("filters", "meant"),
        [
            (("label=tier=front",), {"web-1", "web-2"}),
            (("label=tier",), {"web-1", "web-2", "db"}),
            (("name=^web", "name=b$"), {"web-1", "web-2", "db"}),
            (("name=1", "label=tier=front"), {"web-1"}),
            (("status=running",), set()),
            (("status=configured", "name=db"), {"db"}),
        ],
    )
    def test_filters(self, fleet: Shell, filters: tuple[str, ...], meant: set[str]) -> None:
        words = [word for one in filters for word in ("--filter", one)]
        listed = fleet.ok("ps", "-a", "-q", *words).split()
        assert {fleet.engine.inspect(one).config.name for one in listed} == meant
        fleet.ok("start", *words)
        assert living(fleet) == meant

    def test_an_id_begins_with(self, fleet: Shell) -> None:
        web = fleet.engine.inspect("web-1").id
        assert fleet.ok("ps", "-a", "-q", "--filter", f"id={web[:20]}") == f"{web}\n"

    def test_a_status_that_is_asked_for_is_shown(self, fleet: Shell) -> None:
        assert len(fleet.ok("ps", "-q", "--filter", "status=configured").split()) == 3

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            ((), "name containers, or give --all or --filter"),
            (("web-1", "--all"), "one of them"),
            (("--all", "--filter", "name=x"), "one of them"),
            (("--filter", "size=3"), "'size=3' is no filter: write id=…, label=…"),
            (("--filter", "name"), "is no filter"),
            (("--filter", "name=("), "'('"),
        ],
    )
    def test_nonsense(self, fleet: Shell, words: tuple[str, ...], why: str) -> None:
        assert why in fleet.no(2, "start", *words)


class TestNeeds:
    @pytest.fixture
    def pair(self, shell: Shell) -> Shell:
        shell.ok("create", "--name", "db", "--image", "busybox")
        shell.ok("create", "--name", "log", "--image", "busybox")
        shell.ok("create", "--name", "web", "--requires", "db,log", "--image", "busybox")
        return shell

    def test_what_is_needed_comes_first(self, pair: Shell) -> None:
        assert pair.ok("start", "web", "db") == "web\ndb\n"
        assert living(pair) == {"web", "db", "log"}
        assert pair.ok("stop", "-t", "0", "db", "web") == "db\nweb\n"

    def test_what_is_needed_stays(self, pair: Shell) -> None:
        assert pair.no(4, "rm", "db") == (
            "cannot remove container db: others need it (web); remove them first, "
            "or all with --depend"
        )
        assert pair.ok("rm", "db", "web") == "db\nweb\n"

    def test_with_those_who_need_it(self, pair: Shell) -> None:
        pair.ok("rm", "--depend", "db")
        assert [one.config.name for one in pair.engine.list()] == ["log"]

    def test_it_is_told(self, pair: Shell) -> None:
        (shown,) = json.loads(pair.ok("inspect", "web"))
        assert shown["requires"] == [pair.engine.inspect(one).id for one in ("db", "log")]
