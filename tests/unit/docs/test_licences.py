"""docs/licences.md names every place on the hub that the code takes weights from, and agrees on the terms."""

import ast
from collections.abc import Iterator, Mapping

from tests.architecture.source_tree import REPO, find_modules

PAGE = (REPO / "docs" / "licences.md").read_text(encoding="utf-8")
UNSURE = ("not stated", "not confirmed")


def homes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yields (repo, licence) of each `Home(...)` of a module, whose words stand there or in a constant."""
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Home":
            given = {word.arg: word.value for word in node.keywords}
            repo, licence = (_word(given[name], constants) for name in ("repo", "licence"))
            if repo and licence:  # else it repeats another one's
                yield repo, licence


def _word(value: ast.expr, constants: Mapping[str, object]) -> str:
    """Returns the text that an expression is or names; "" if it is another expression."""
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return str(constants.get(name, ""))
        case _:
            return ""


def fault(page: str, repo: str, licence: str) -> str:
    """Returns what a page says otherwise than the code of a place on the hub, or ""."""
    rows = [row for row in page.splitlines() if row.startswith("|") and f"`{repo}`" in row]
    if not rows:
        return f"`{repo}` (licence: {licence}) is not on the page"
    terms = next((word for word in UNSURE if licence.startswith(word)), licence.partition(" ")[0].strip(","))
    agreed = any(terms.lower() in row.lower() for row in rows)
    return "" if agreed else f"`{repo}`: the code says {licence!r}, and its row does not"


def test_every_place_that_weights_come_from_is_on_the_page_with_its_licence() -> None:
    found = {home for module in find_modules() for home in homes(module.tree())}
    faults = [told for repo, licence in sorted(found) if (told := fault(PAGE, repo, licence))]
    assert not faults, f"docs/licences.md: {'; '.join(faults)}"


def test_homes_are_found_and_faults_are_told() -> None:
    source = (
        'A = "me/one"\nX = Home(repo=A, files=(), licence="MIT")\n'
        'Y = {"k": Home(repo="me/two", files=(), licence="not stated (code: MIT)")}\n'
        'Z = Home(repo=Y["k"].repo, files=(), licence="MIT")\n'
    )
    assert list(homes(ast.parse(source))) == [("me/one", "MIT"), ("me/two", "not stated (code: MIT)")]
    page = "| model (`me/one`) | MIT |\n| `me/two` | not stated |\n"
    assert [fault(page, "me/one", "MIT"), fault(page, "me/two", "not stated (code: MIT)")] == ["", ""]
    assert "its row does not" in fault(page, "me/one", "Apache-2.0, not confirmed")
    assert "is not on the page" in fault(page, "me/three", "MIT")
