"""Every link of the documentation leads somewhere: to a file, to a heading of a page, to a line of a source.

Links to the web are read and not followed: tests have no network, and a site that is down is not our fault.
"""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.architecture.source_tree import REPO

INDEX = REPO / "docs" / "README.md"
PAGES = sorted(
    [*REPO.glob("*.md"), *(page for folder in ("docs", "examples") for page in (REPO / folder).rglob("*.md"))]
)

FENCE = re.compile(r"^(```+|~~~+).*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
# [text](target "title"), ![text](target), [text]: target and <https://...>
INLINE = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
DEFINED = re.compile(r"^\[[^\]]+\]:\s*<?([^\s>]+)", re.MULTILINE)
BARE = re.compile(r"<(https?:[^>\s]*)>")
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
LINES = re.compile(r"L(\d+)(?:-L(\d+))?")


def links(text: str) -> list[str]:
    """Returns the targets of a page's links, without those in code."""
    prose = CODE.sub("", FENCE.sub("", text))
    return [target for pattern in (INLINE, DEFINED, BARE) for target in pattern.findall(prose)]


def anchors(text: str) -> set[str]:
    """Returns the names of a page's headings as GitHub makes them; equal ones are numbered."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        name, number = slug, 0
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def fault(page: Path, target: str) -> str:
    """Returns what is wrong with a link of a page, or ""."""
    url = urlsplit(target)
    if url.scheme:
        sound = url.scheme in ("http", "https") and re.fullmatch(r"[\w.-]+\.[a-z]{2,}(:\d+)?", url.netloc)
        return "" if sound else "is no address of the web"
    path, anchor = unquote(url.path), unquote(url.fragment)
    file = page if not path else REPO / path[1:] if path.startswith("/") else page.parent / path
    if not file.exists():
        return "does not exist"
    if not anchor:
        return ""
    if file.suffix == ".md":
        return "" if anchor in anchors(file.read_text(encoding="utf-8")) else "names no heading of that page"
    lines = LINES.fullmatch(anchor)
    if file.is_dir() or lines is None:
        return "names a place in a file that has none"
    last = max(int(number) for number in lines.groups(default="0"))
    return "" if 1 <= last <= len(file.read_bytes().splitlines()) else "is past the end of that file"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_every_link_leads_somewhere(page: Path) -> None:
    faults = [
        f"{target} {what}"
        for target in links(page.read_text(encoding="utf-8"))
        if (what := fault(page, target))
    ]
    assert not faults, f"{page.relative_to(REPO)}: {'; '.join(faults)}"


def test_the_index_lists_every_page_and_the_readme_links_it() -> None:
    listed = {(INDEX.parent / unquote(urlsplit(t).path)).resolve() for t in links(INDEX.read_text())}
    pages = {page for page in PAGES if page.is_relative_to(INDEX.parent) and page != INDEX}
    missing = sorted(str(page.relative_to(REPO)) for page in pages - listed)
    assert not missing, f"docs/README.md does not list {', '.join(missing)}"
    assert "docs/README.md" in links((REPO / "README.md").read_text(encoding="utf-8"))


def test_links_of_all_kinds_are_found_and_code_is_not_read() -> None:
    text = (
        '[a](docs/a.md#top) ![b](b.png "title") [`c`](<c.py>) [d][ref] <https://e.f> [![g](g.svg)](h.md)\n'
        "`[i](j)`\n```sh\n[k](l)\n```\n[ref]: https://m.n\n"
    )
    found = ["docs/a.md#top", "b.png", "c.py", "g.svg", "h.md", "https://m.n", "https://e.f"]
    assert links(text) == found


def test_headings_are_named_as_github_names_them() -> None:
    text = (
        "# DPO's beta\n## `kl`, and *why*: 1/2\n## Twice\n## Twice\n```sh\n# no heading\n```\n"
        "## [A b](c.md) é\n"
    )
    assert anchors(text) == {"dpos-beta", "kl-and-why-12", "twice", "twice-1", "a-b-é"}


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("b.md", ""),
        ("b.md#here", ""),
        ("#top", ""),
        ("c.py#L2", ""),
        ("https://arxiv.org/abs/2505.17017", ""),
        ("nowhere.md", "does not exist"),
        ("b.md#there", "names no heading of that page"),
        ("#bottom", "names no heading of that page"),
        ("c.py#here", "names a place in a file that has none"),
        ("c.py#L3", "is past the end of that file"),
        ("c.py#L1-L9", "is past the end of that file"),
        ("https//arxiv.org", "does not exist"),
        ("https://arxiv", "is no address of the web"),
        ("ftp://arxiv.org", "is no address of the web"),
    ],
)
def test_a_fault_is_told(tmp_path: Path, target: str, what: str) -> None:
    page = tmp_path / "a.md"
    page.write_text("# Top\n")
    (tmp_path / "b.md").write_text("## Here\n")
    (tmp_path / "c.py").write_text("1\n2\n")
    assert fault(page, target) == what
