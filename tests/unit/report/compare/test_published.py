"""The file of published numbers: complete, consistent, and each with its source."""

import re

import pytest

from tessera.report.compare.published import sources_of

GENEVAL = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
COMPBENCH = ("color", "shape", "texture", "spatial", "non_spatial", "complex")


@pytest.mark.parametrize(("benchmark", "categories"), [("geneval", GENEVAL), ("compbench", COMPBENCH)])
def test_every_row_has_all_categories_of_its_table_and_a_source(
    benchmark: str, categories: tuple[str, ...]
) -> None:
    sources = sources_of(benchmark, categories)
    assert sources
    for source in sources:
        assert re.search(r"arXiv \d{4}\.\d{5}|\w+/\w+:\w+", source.source)
        assert source.measured
        assert source.comparable.endswith(".")
        for row in source.row:
            assert tuple(row.scores) == categories
            assert all(0 <= float(text) <= 1 for text in row.scores.values())


def test_geneval_overall_scores_are_the_means_of_their_categories() -> None:
    """A number copied wrongly would show: categories have two digits, and the sources round or cut."""
    rows = [row for source in sources_of("geneval", GENEVAL) for row in source.row]
    assert len(rows) == 11
    for row in rows:
        mean = sum(map(float, row.scores.values())) / 6
        assert float(row.overall) == pytest.approx(mean, abs=0.01), row.model


def test_a_benchmark_without_published_numbers_has_none() -> None:
    assert sources_of("mosaic-id", ("color",)) == []
    assert sources_of("geneval", ("no such category",)) == []
