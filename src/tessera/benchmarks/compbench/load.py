"""T2I-CompBench from its configuration."""

from pathlib import Path

from tessera.benchmarks.compbench.benchmark import CompBench
from tessera.scorers.compbench.load import load_evaluator
from tessera.scorers.compbench.settings import CompBench as CompBenchSettings


def load_compbench_benchmark(settings: CompBenchSettings, data: Path) -> CompBench:
    """Returns the benchmark of a folder's prompts, of the categories that the settings name."""
    return CompBench(
        data=data,
        evaluator=load_evaluator(settings),
        official_bugs=settings.official_bugs,
        categories=settings.categories,
    )
