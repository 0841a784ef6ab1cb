"""What pages share: which colour a benchmark has, and how text from outside is set."""

import pytest

from tessera.report.theme import series_of, with_code


@pytest.mark.parametrize(
    ("benchmark", "series"),
    [
        ("mosaic-id", "in-domain"),
        ("mosaic-ood", "out-of-domain"),
        ("mosaic-ood+counts", "out-of-domain"),
        ("mosaic-id+combos", "out-of-domain"),  # training never saw the combinations
        ("geneval", "neutral"),
    ],
)
def test_colour_tells_the_domain(benchmark: str, series: str) -> None:
    assert series_of(benchmark) == series


def test_code_between_backticks_and_nothing_else_is_markup() -> None:
    assert with_code("run `a <b>` & go") == "run <code>a &lt;b&gt;</code> &amp; go"
    assert with_code("a lone ` stays") == "a lone ` stays"
