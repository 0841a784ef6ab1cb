"""What every benchmark promises (`tessera.protocols.Benchmark`)."""

import numpy as np
import pytest

from tessera.benchmarks.load import load_benchmark
from tessera.protocols import Benchmark

# Every implementation, by the name that the command line loads.
NAMES = ("mosaic-id", "mosaic-ood", "mosaic-ood+counts", "mosaic-id+combos+relations", "mosaic-ood+all")


@pytest.fixture(params=NAMES)
def benchmark(request: pytest.FixtureRequest) -> Benchmark:
    """Returns each benchmark in turn."""
    return load_benchmark(request.param)


def test_prompts_are_the_same_each_time_and_grow_by_appending(benchmark: Benchmark) -> None:
    few, many = benchmark.prompts(2), benchmark.prompts(4)
    assert few == benchmark.prompts(2)
    assert {prompt.id for prompt in few} <= {prompt.id for prompt in many}
    assert len({prompt.id for prompt in many}) == len({prompt.text for prompt in many}) == len(many)
    assert tuple(dict.fromkeys(prompt.category for prompt in many)) == benchmark.categories


def test_every_category_has_prompts(benchmark: Benchmark) -> None:
    prompts = benchmark.prompts(2)
    assert {prompt.category for prompt in prompts} == set(benchmark.categories)


def test_a_grade_depends_on_its_own_row_alone(benchmark: Benchmark) -> None:
    prompts = benchmark.prompts(2)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(len(prompts), 128, 128, 3), dtype=np.uint8)
    images[::2] = 250  # half of them nearly blank
    together = benchmark.grade(prompts, images)
    apart = [benchmark.grade([p], images[i : i + 1])[0] for i, p in enumerate(prompts)]
    backwards = benchmark.grade(prompts[::-1], images[::-1])[::-1]
    assert together == apart == backwards


def test_grades_are_shares_with_facts_behind_them(benchmark: Benchmark) -> None:
    prompts = benchmark.prompts(1)
    images = np.full((len(prompts), 128, 128, 3), 250, dtype=np.uint8)
    for grade in benchmark.grade(prompts, images):
        assert grade.strict in (0.0, 1.0)
        assert 0 <= grade.soft <= 1
        assert grade.facts
        assert grade.soft == sum(fact.holds for fact in grade.facts) / len(grade.facts)


def test_the_name_loads_the_benchmark_again(benchmark: Benchmark) -> None:
    assert load_benchmark(benchmark.name) == benchmark
