"""What the pages cite as proof is there: tests by name, files of the repository by path."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.architecture.source_tree import REPO
from tests.architecture.test_links import PAGES

TESTS = frozenset(
    name
    for path in (REPO / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
)
CITED = re.compile(r"`(?:(test_\w+)|((?:src|tests|docs)/[\w./-]+\.\w+))`")


def missing(text: str, tests: frozenset[str], root: Path) -> Sequence[str]:
    """Returns what a page cites in code type and does not exist: a test, or a path from the root."""
    return [
        test or path
        for test, path in CITED.findall(text)
        if (test and test not in tests) or (path and not (root / path).exists())
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_what_a_page_cites_is_there(page: Path) -> None:
    gone = missing(page.read_text(encoding="utf-8"), TESTS, REPO)
    assert not gone, f"{page.relative_to(REPO)} cites what is not there: {', '.join(gone)}"


def test_a_citation_of_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").touch()
    text = "`test_a` `test_b` `docs/a.md` `tests/x.py` `src/<family>.py` `tests/gpu`, and `theirs/src/y.py`"
    assert missing(text, frozenset({"test_a"}), tmp_path) == ["test_b", "tests/x.py"]
