"""Whom a container needs, by what is wished for it."""

import pytest

from lockgate.effects.config import (
    Config,
    Membership,
    Namespaces,
    Pod,
    VolumeMount,
    borrowed,
    cgroup,
    lodges,
    needs,
    owners,
    pod_cgroup,
    pod_of,
    shares,
)


@pytest.mark.parametrize(
    ("network", "owner"),
    [("none", ""), ("host", ""), ("private", ""), ("backend", ""), ("container:c0ffee", "c0ffee")],
)
def test_whose_network_it_shares(network: str, owner: str) -> None:
    assert shares(Config(id="web", network=network)) == owner


def test_it_needs_whom_it_names_and_with_whom_it_lives_each_once() -> None:
    assert needs(Config(id="web")) == ()
    assert needs(Config(id="web", requires=("a", "b"))) == ("a", "b")
    assert needs(Config(id="web", network="container:c")) == ("c",)
    both = needs(Config(id="web", network="container:a", requires=("a", "b")))
    assert sorted(both) == ["a", "b"]


LIVING = Namespaces(pid="container:p", ipc="container:i", uts="private")


class TestLivingWithOthers:
    def test_which_namespaces_are_whose(self) -> None:
        assert borrowed(Config(id="web")) == ()
        assert borrowed(Config(id="web", namespaces=LIVING)) == (("pid", "p"), ("ipc", "i"))
        uts = Config(id="web", namespaces=Namespaces(uts="container:u", pid="host"))
        assert borrowed(uts) == (("uts", "u"),)
        rest = Config(id="web", namespaces=Namespaces(cgroup="container:c", user="container:o"))
        assert borrowed(rest) == (("cgroup", "c"), ("user", "o"))

    def test_it_needs_them_and_what_holds_its_pod_together(self) -> None:
        web = Config(
            id="web",
            network="container:n",
            namespaces=LIVING,
            pod=Membership(pod="site", infra="infra"),
            requires=("p", "r"),
        )
        assert owners(web) == ("n", "p", "i")
        assert needs(web) == ("n", "p", "i", "infra", "r")

    def test_in_which_pod_it_is(self) -> None:
        assert pod_of(Config(id="web")) == ""
        assert pod_of(Config(id="web", pod=Membership(pod="site", infra="infra"))) == "site"
        assert pod_of(Config(id="web", holds=Pod(id="site", name="s"))) == "site"

    def test_in_the_cgroup_of_which_pod(self) -> None:
        assert pod_cgroup(Config(id="web")) == ""
        member = Membership(pod="site", infra="infra", cgroup="/site")
        assert pod_cgroup(Config(id="web", pod=member)) == "/site"
        assert pod_cgroup(Config(id="web", holds=Pod(id="s", name="s", cgroup="/s"))) == "/s"

    @pytest.mark.parametrize(
        ("config", "something"),
        [
            (Config(id="web"), False),
            (Config(id="web", network="host"), False),
            (Config(id="web", network="private"), True),
            (Config(id="web", network="container:n"), True),
            (Config(id="web", namespaces=Namespaces(ipc="host")), False),
            (Config(id="web", namespaces=Namespaces(ipc="shareable")), True),
            (Config(id="web", namespaces=LIVING), True),
            (Config(id="web", mounts=(VolumeMount(destination="/d", volume="v"),)), False),
            (
                Config(id="web", mounts=(VolumeMount(destination="/d", volume="v", subpath="a"),)),
                True,
            ),
            (Config(id="web", namespaces=Namespaces(user="container:o")), True),
        ],
    )
    def test_what_is_to_be_seen_to_before_a_run(self, config: Config, something: bool) -> None:
        assert lodges(config) is something


@pytest.mark.parametrize(
    ("parent", "path"),
    [
        ("", ""),
        ("/lockgate", "/lockgate/web"),
        ("machine.slice", "/machine.slice/lockgate-web.scope"),
        ("a-b.slice", "/a.slice/a-b.slice/lockgate-web.scope"),
        ("-.slice", "/lockgate-web.scope"),
    ],
)
def test_where_its_cgroup_is(parent: str, path: str) -> None:
    assert cgroup(Config(id="web", cgroup_parent=parent)) == path
