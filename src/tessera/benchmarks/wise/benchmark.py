"""WISE (arXiv 2503.07265): prompts whose meaning takes knowledge, judged by a model that is told the meaning.

Published numbers are those of one judge: GPT-4o-2024-05-13 (legacy), Qwen3.5-35B-A3B (verified), each asked
in the authors' words at temperature 0. Another judge, or other words, make other numbers; the `title` says
which they were.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.graded import Graded
from tessera.benchmarks.wise import official
from tessera.benchmarks.wise.questions import asked
from tessera.benchmarks.wise.rules import CATEGORIES, judged
from tessera.benchmarks.wise.settings import Edition
from tessera.config import digest as config_digest
from tessera.scorers.vlm.answerer import Answerer, ask_text
from tessera.types import Grade, Prompt


@dataclass(frozen=True, kw_only=True, slots=True)
class Wise:
    """The benchmark. Prompts, places and verdicts need no weights; only `observe` and `digest` do."""

    listed: tuple[Prompt, ...]
    edition: Edition
    judge: Answerer
    question: str  # with places for the prompt and its explanation
    title: str  # as results are to be called
    name: str = "wise"
    categories: tuple[str, ...] = CATEGORIES
    samples: int = official.SAMPLES
    evidence: str = "judgements.jsonl"

    def prompts(self, per_category: int | None) -> list[Prompt]:
        """Returns the first so many prompts of each category, all where it is None."""
        by_category = ([each for each in self.listed if each.category == name] for name in self.categories)
        return [prompt for prompts in by_category for prompt in prompts[:per_category]]

    def picture(self, prompt: Prompt, sample: int) -> PurePosixPath:
        """Returns where WISE's scripts look for a picture."""
        return official.picture_of(prompt, sample)

    def observe(
        self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> list[dict[str, Any]]:
        """Returns what the judge writes of each picture: {"answer"}, or {"answer": None, "reason"}."""
        questions = [asked(self.question, each.text, each.metadata["explanation"]) for each in prompts]
        said = ask_text(self.judge, images_BHWC, questions)
        return [{"answer": None, "reason": reason} if reason else {"answer": text} for text, reason in said]

    def verdict(self, prompt: Prompt, seen: Mapping[str, Any]) -> Grade:  # noqa: ARG002 - as the protocol has it
        """Returns the score that the answer gives, as both numbers of the grade."""
        if seen["answer"] is None:
            return Grade(strict=float("nan"), soft=float("nan"), reason=seen["reason"])
        return judged(self.edition, seen["answer"])

    def grade(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Grade]:
        """Returns a verdict on each picture."""
        seen = self.observe(prompts, images_BHWC)
        return [self.verdict(prompt, each) for prompt, each in zip(prompts, seen, strict=True)]

    def aggregate(self, graded: Sequence[Graded]) -> dict[str, Any]:
        """Returns WISE's summary, and who judged in whose words."""
        return {"title": self.title, **official.summarised(graded, self.edition)}

    def beside(self, prompts: Sequence[Prompt]) -> Iterator[tuple[PurePosixPath, str]]:  # noqa: ARG002 - as the protocol has it
        """Yields nothing: the scripts find prompts by the numbers of pictures."""
        yield from ()

    def results(self, graded: Sequence[Graded]) -> Iterator[tuple[PurePosixPath, str]]:
        """Yields the files that WISE's scripts write."""
        yield from official.result_files(graded, self.edition)

    def digest(self) -> str:
        """Returns a hash of the judge, of what it is asked and of what it is told."""
        told = {prompt.id: [prompt.text, prompt.metadata["explanation"]] for prompt in self.listed}
        return config_digest({"judge": self.judge.digest(), "question": self.question, "told": told})
