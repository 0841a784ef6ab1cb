"""DPG-Bench's summary and result file, as compute_dpg_bench.py of TencentQQGYLab/ELLA makes them.

The mean over a prompt's pictures, then over prompts, times 100. Categories: the share of yes among all
answers, times 100; a question's category is "entity - whole", its group "entity".
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tessera.benchmarks.dpg.files import name_of
from tessera.benchmarks.dpg.rules import answers_to, asked_of, group_of
from tessera.benchmarks.graded import Graded

RESULTS = "dpg-bench_results.txt"
GRIDS = "grids"  # of pictures, which its script looks at (grids.py)


def summarised(graded: Sequence[Graded], official_bugs: bool) -> dict[str, Any]:
    """Returns the score and the category scores, with how many pictures could not be judged."""
    judged = scored(graded, official_bugs)
    prompts = [sum(each.grade.strict for each in pictures) / len(pictures) for pictures in judged]
    shown = [pictures[-1:] if official_bugs else pictures for pictures in judged]
    groups: dict[str, list[bool]] = defaultdict(list)
    kinds: dict[str, list[bool]] = defaultdict(list)
    for each in (picture for pictures in shown for picture in pictures):
        asked = asked_of(each.prompt.metadata["propositions"], official_bugs)
        yes, _ = answers_to(asked, each.seen)
        for question in asked:
            groups[group_of(question)].append(yes[question["id"]])
            kinds[question["kind"]].append(yes[question["id"]])
    return {
        "overall": 100 * _mean(prompts),
        "images": sum(map(len, judged)),
        "prompts": len(judged),
        "missing": len(graded) - sum(map(len, judged)),
        "categories": _shares(groups),
        "kinds": _shares(kinds),
    }


def scored(graded: Sequence[Graded], official_bugs: bool) -> list[list[Graded]]:
    """Returns the pictures that count, by prompt: those judged; with the faults, all of a prompt or none."""
    by_prompt: dict[str, list[Graded]] = defaultdict(list)
    for each in graded:
        by_prompt[each.prompt.id].append(each)
    found = []
    for pictures in by_prompt.values():
        judged = [each for each in pictures if not math.isnan(each.grade.strict)]
        if judged and (len(judged) == len(pictures) or not official_bugs):
            found.append(sorted(judged, key=lambda each: each.sample))
    return found


def result_lines(graded: Sequence[Graded], title: str, official_bugs: bool) -> Iterator[str]:
    """Yields the lines of the script's result file, a prompt each, and its summary under our title."""
    for pictures in scored(graded, official_bugs):
        scores = [each.grade.strict for each in pictures]
        path = f"{GRIDS}/{name_of(pictures[0].prompt)}.png"
        yield f"{path}, {', '.join(map(str, scores))}, {sum(scores) / len(scores)}"
    told = summarised(graded, official_bugs)
    yield f"Model: {title}"
    yield from _table("L1 category scores:", told["categories"])
    yield from _table("L2 category scores:", told["kinds"])
    yield f"Image path: {GRIDS}"
    yield f"DPG-Bench score: {told['overall']}"


def _table(head: str, shares: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield head
    for name, share in shares.items():
        yield f"\t{name}: {share['mean']}"


def _shares(answers: Mapping[str, Sequence[bool]]) -> dict[str, dict[str, float | int]]:
    return {
        name: {"mean": 100 * _mean(answers[name]), "answers": len(answers[name])} for name in sorted(answers)
    }


def _mean(values: Sequence[float | bool]) -> float:
    """Returns the mean; NaN of nothing."""
    return sum(values) / len(values) if values else math.nan
