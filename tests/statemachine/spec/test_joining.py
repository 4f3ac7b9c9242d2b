"""What a process that joins a container is given."""

import json

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Config, Security
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Accounts, Facts
from lockgate.effects.sessions import Wish
from lockgate.statemachine.record import Record
from lockgate.statemachine.spec.joining import process, wishing

CONFIG = Config(
    id="c0ffee", name="web", command=("serve",), env=("A=1", "B=2"), workdir="/srv", user="web"
)
RECORD = Record(config=CONFIG, epoch=1, mountpoint="/merged")
FACTS = Facts(
    bundle="/bundle",
    accounts=Accounts(passwd=b"root:x:0:0::/:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n"),
    capabilities=("CAP_CHOWN", "CAP_SYS_ADMIN"),
    rlimits=(("RLIMIT_NOFILE", 1024),),
    machine="x86_64",
    seccomp=b'{"defaultAction": "SCMP_ACT_ALLOW"}',
)


def given(**wish: object) -> dict[str, object]:
    wished = Wish(command=("ls", "-l"), **wish)  # type: ignore[arg-type]
    made: dict[str, object] = json.loads(process(RECORD, wished, FACTS))
    return made


class TestProcess:
    def test_is_the_containers_with_another_command(self) -> None:
        made = given()
        assert (made["args"], made["cwd"], made["terminal"]) == (["ls", "-l"], "/srv", False)
        assert made["user"] == {"uid": 33, "gid": 34}
        assert {"A=1", "B=2"} <= set(made["env"])  # type: ignore[call-overload]

    def test_what_is_wished_for_wins(self) -> None:
        made = given(env=("A=3",), workdir="/", user="0", terminal=True)
        assert (made["cwd"], made["terminal"]) == ("/", True)
        assert made["user"] == {"uid": 0, "gid": 0}
        env = made["env"]
        assert isinstance(env, list)
        assert ("A=3" in env, "A=1" in env, "B=2" in env) == (True, False, True)

    def test_a_variable_is_named_up_to_its_first_equals_sign(self) -> None:
        config = replace(CONFIG, env=("A=1=2", "B=3=4"))
        wished = wishing(config, Wish(command=("ls",), env=("A=5=6",)))
        assert wished.env == ("B=3=4", "A=5=6")

    def test_an_unknown_user_is_refused(self) -> None:
        with pytest.raises(PortError, match="nobody"):
            given(user="nobody")

    def test_it_has_no_more_than_the_container(self) -> None:
        bare = replace(CONFIG, security=Security(cap_drop=("ALL",)), user="")
        made = json.loads(process(replace(RECORD, config=bare), Wish(command=("id",)), FACTS))
        assert made["capabilities"]["bounding"] == []

    def test_unless_it_is_privileged(self) -> None:
        wished = wishing(CONFIG, Wish(command=("id",), privileged=True))
        assert wished.security == Security(privileged=True)
        assert wishing(CONFIG, Wish(command=("id",))).security == CONFIG.security
