"""A link in the documentation points at a file that exists."""

import re
from pathlib import Path

import pytest

from tests.architecture.source_tree import REPO

PAGES = sorted([*REPO.glob("*.md"), *REPO.glob("docs/**/*.md")])

# [text](target) and ![text](target), up to a title or the closing bracket; code is cut out before.
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def local_links(text: str) -> list[str]:
    """Returns the targets of a page's links that are neither web addresses nor places on the same page."""
    targets = LINK.findall(CODE.sub("", text))
    return [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_point_at_files(page: Path) -> None:
    dead = [
        link
        for link in local_links(page.read_text(encoding="utf-8"))
        if not (REPO / link[1:] if link.startswith("/") else page.parent / link).exists()
    ]
    assert not dead, f"{page.relative_to(REPO)} links to what does not exist: {', '.join(dead)}"


def test_links_are_found() -> None:
    text = "[a](docs/a.md#top) ![b](b.png) [c](https://d.e) [f](#g) `[h](i)`\n```\n[j](k)\n```\n"
    assert local_links(text) == ["docs/a.md", "b.png"]
