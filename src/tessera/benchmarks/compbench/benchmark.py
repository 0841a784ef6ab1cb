"""T2I-CompBench++ (arXiv 2307.06350): 8 x 300 prompts, each category judged by its own evaluator.

What the evaluators see is kept (`scorers.compbench.evaluator`), and `tessera regrade compbench` judges it
again. The published scripts have faults, mended here unless `official_bugs` (`scorers.compbench.faults`).
Differences that remain with it: who reads the prompts, where no file of spaCy's readings is named;
instruments in float32 where theirs mix in float16; and the seeds of the pictures.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.compbench import official
from tessera.benchmarks.graded import Graded
from tessera.data.compbench_files import FOLDER, CompBenchSplit, read_compbench, read_lines
from tessera.scorers.compbench.evaluator import Evaluator
from tessera.scorers.compbench.settings import CATEGORIES
from tessera.scorers.compbench.verdict import verdict
from tessera.types import Grade, Prompt

PAIRED = ("color", "shape", "texture")  # whose val prompts are split by whether training has their pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class CompBench:
    """The benchmark. Prompts, places and verdicts need no weights; only `observe` and `digest` do."""

    data: Path  # the folder that has `dataset`, as `data.home.find` returns it
    evaluator: Evaluator
    official_bugs: bool = False
    categories: tuple[str, ...] = CATEGORIES
    name: str = "compbench"
    samples: int = official.SAMPLES
    evidence: str = "answers.jsonl"

    def prompts(self, per_category: int | None) -> list[Prompt]:
        """Returns the first so many val prompts of each category, all where it is None."""
        return compbench_prompts(self.data, "val", self.categories, per_category)

    def picture(self, prompt: Prompt, sample: int) -> PurePosixPath:
        """Returns where T2I-CompBench's scripts look for a picture."""
        return official.picture_of(prompt, sample)

    def observe(
        self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> list[dict[str, Any]]:
        """Returns what the evaluators see on each picture."""
        return self.evaluator.observe(prompts, images_BHWC)

    def verdict(self, prompt: Prompt, seen: Mapping[str, Any]) -> Grade:
        """Returns the score of the category's rule, as strict and as soft."""
        return verdict(prompt, seen, official_bugs=self.official_bugs)

    def grade(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Grade]:
        """Returns a verdict on each picture."""
        rows = zip(prompts, self.observe(prompts, images_BHWC), strict=True)
        return [self.verdict(prompt, seen) for prompt, seen in rows]

    def aggregate(self, graded: Sequence[Graded]) -> dict[str, Any]:
        """Returns the mean of each category, by which rules and from what."""
        return summary(graded, official_bugs=self.official_bugs)

    def beside(self, prompts: Sequence[Prompt]) -> Iterator[tuple[PurePosixPath, str]]:  # noqa: ARG002
        """Yields nothing: the scripts read prompts from the names of pictures."""
        yield from ()

    def results(self, graded: Sequence[Graded]) -> Iterator[tuple[PurePosixPath, str]]:
        """Yields the files that the scripts write, of every category."""
        yield from official.results(graded, official_bugs=self.official_bugs)

    def digest(self) -> str:
        """Returns a hash of instruments and reader; the rules are applied to what is kept."""
        return self.evaluator.digest()


def compbench_prompts(
    data: Path, split: CompBenchSplit, categories: Sequence[str], per_category: int | None = None
) -> list[Prompt]:
    """Returns the first so many prompts of each category in order, all where it is None.

    Val prompts of color, shape and texture say in which `half` they are: whether training has seen their
    pairs of attribute and object, as the files *_val_seen.txt and *_val_unseen.txt have it.
    """
    found = []
    for category in categories:
        prompts = read_compbench(data, category, split)[:per_category]
        halves = _halves(data, category) if split == "val" and category in PAIRED else {}
        found += [
            replace(each, metadata={**each.metadata, "half": halves[each.text]})
            if each.text in halves
            else each
            for each in prompts
        ]
    return found


def summary(graded: Sequence[Graded], *, official_bugs: bool) -> dict[str, Any]:
    """Returns the averages, with the rules that made them and what they rest on."""
    rules = "as published, faults included" if official_bugs else "mended: not those of published numbers"
    told = {"title": "T2I-CompBench", "rules": rules}
    if any(each.seen.get("vocabulary") == "open" for each in graded):
        told["detector"] = (
            "open vocabulary instead of UniDet: spatial, 3d_spatial, numeracy and complex are not comparable "
            "with published numbers"
        )
    readers = Counter(each.seen["reading"]["source"] for each in graded)
    return {**told, **official.summarised(graded), "read_by": dict(readers)}


def _halves(data: Path, category: str) -> dict[str, str]:
    """Returns in which half each val prompt is; nothing where the files are not there."""
    files = {half: data / FOLDER / f"{category}_val_{half}.txt" for half in official.HALVES}
    return {text: half for half, path in files.items() if path.is_file() for text in read_lines(path)}
