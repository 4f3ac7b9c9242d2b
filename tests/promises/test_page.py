"""The page that tells of the ten promises names the tests that are here, all of them."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "explanation" / "correctness.md"


def test_each_of_the_ten_has_its_tests() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\(`(test_\d\d_\w+\.py)`\)", PAGE.read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    for number, name in rows:
        assert name.startswith(f"test_{int(number):02}_")
        text = (HERE / name).read_text()
        assert text.startswith(f'"""{number}. ') and "mark.real" in text, name
    assert {name for _, name in rows} == {path.name for path in HERE.glob("test_[0-9]*.py")}
