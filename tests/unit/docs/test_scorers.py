"""docs/scorers.md lists every scorer of an outside model with its terms and the test that proves it."""

import pytest

from tessera.rewards.catalogue import ENTRIES
from tessera.scorers.entry import Entry
from tests.architecture.source_tree import REPO

PAGE = (REPO / "docs" / "scorers.md").read_text(encoding="utf-8")
ROWS = {
    line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `") and "[proof]" in line
}
OUTSIDE = [entry for entry in ENTRIES if entry.homes]


@pytest.mark.parametrize("entry", OUTSIDE, ids=[entry.name for entry in OUTSIDE])
def test_a_row_says_what_the_command_says(entry: Entry) -> None:
    row = ROWS[entry.name]
    for told in (entry.role, entry.unit, entry.needs, entry.size, entry.proof):
        assert told in row
    for home in entry.homes:
        assert f"https://huggingface.co/{home.repo}" in row
        assert home.licence in row
    assert (REPO / entry.proof).is_file()


def test_no_row_is_of_a_scorer_that_is_not_there() -> None:
    assert set(ROWS) == {entry.name for entry in OUTSIDE}
