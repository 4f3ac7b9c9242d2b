"""Every link in the documents leads to something that is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "benchmarks/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def links(page: Path) -> Iterator[str]:
    """Those to other files, outside of code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return (found for found in LINK.findall(text) if "://" not in found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_they_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not (page.parent / link).exists()] == []


def test_there_are_some() -> None:
    assert len([link for page in PAGES for link in links(page)]) > 20


def test_each_page_is_part_of_the_site() -> None:
    """The site is put together by `docs/index.md`: by name, or by folder."""
    listed = (ROOT / "docs/index.md").read_text()
    pages = [page.relative_to(ROOT / "docs") for page in PAGES if ROOT / "docs" in page.parents]
    left = [page for page in pages if page.with_suffix("").as_posix() not in listed]
    assert [
        str(page) for page in left if f"{page.parent}/*" not in listed and page.stem != "index"
    ] == []
