"""Best of n from stored candidates: how right the chosen pictures are, for each scorer and n.

Beside the scorers stand two bounds: `random`, the mean of the n candidates (what a blind choice is worth),
and `oracle`, the verifier's own choice.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float64
from numpy import ndarray

from tessera.benchmarks.candidates import Table, Values, scored_tables
from tessera.benchmarks.layout import SUMMARY, read_summary
from tessera.benchmarks.runner import EvalConfig
from tessera.protocols import Benchmark, Scorer
from tessera.statistics.selection import Choice, choose, sizes, taken
from tessera.storage import write_json
from tessera.types import Progress, silent

RANDOM, ORACLE = "random", "oracle"


def choose_in(
    folder: Path,
    benchmarks: Sequence[Benchmark],
    settings: EvalConfig,
    candidates: int,
    scorers: Sequence[Scorer],
    overlaps: Mapping[str, str],
    *,
    on_progress: Progress = silent,
) -> None:
    """Scores the candidates of an eval folder and adds "best_of" to each benchmark of its summary."""
    tables, values = scored_tables(folder, benchmarks, settings, candidates, scorers, on_progress=on_progress)
    names = [scorer.name for scorer in scorers]
    summary = read_summary(folder)
    for table in tables:
        summary[table.benchmark]["best_of"] = best_of(table, values, names, overlaps)
    write_json(folder / SUMMARY, summary)


def best_of(
    table: Table, values: Values, scorers: Sequence[str], overlaps: Mapping[str, str]
) -> dict[str, Any]:
    """Returns {chooser: {"overlap": sentence, "sizes": [result for n = 1, 2, 4, ...]}}, the bounds first.

    A result: {"n", "strict": {"overall", "categories"}, "soft": the same, "ties": pictures whose first of
    several equal candidates was taken, "blind": pictures none of whose candidates has a score}. `overlaps`
    says of a scorer that it is what the benchmark grades with.
    """
    strict_PG, soft_PG = table.strict, table.soft
    counts = sizes(strict_PG.shape[1])
    result = {RANDOM: {"overlap": "", "sizes": [_mean(table, n) for n in counts]}}
    # Of two pictures equally right or wrong as a whole, the oracle takes the one with more facts right.
    choosers = {ORACLE: strict_PG + soft_PG, **{name: table.scores(values, name) for name in scorers}}
    for name, score_PG in choosers.items():
        chosen = [(n, choose(score_PG[:, :n])) for n in counts]
        result[name] = {
            "overlap": overlaps.get(name, ""),
            "sizes": [_chosen(table, strict_PG, soft_PG, n, choice) for n, choice in chosen],
        }
    return result


def _mean(table: Table, n: int) -> dict[str, Any]:
    return {
        "n": n,
        "strict": table.estimates(table.strict[:, :n].mean(axis=1)),
        "soft": table.estimates(table.soft[:, :n].mean(axis=1)),
        "ties": 0,
        "blind": 0,
    }


def _chosen(
    table: Table,
    strict_PG: Float64[ndarray, "P G"],
    soft_PG: Float64[ndarray, "P G"],
    n: int,
    choice: Choice,
) -> dict[str, Any]:
    return {
        "n": n,
        "strict": table.estimates(taken(strict_PG, choice)),
        "soft": table.estimates(taken(soft_PG, choice)),
        "ties": int(choice.tied_P.sum()),
        "blind": int(choice.blind_P.sum()),
    }
