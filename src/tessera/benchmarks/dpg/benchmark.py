"""DPG-Bench (arXiv 2403.05135; TencentQQGYLab/ELLA, Apache-2.0): long prompts, questions, their answers.

The published numbers are mPLUG-large's answers, which nothing here computes. Another model answers otherwise,
a modern one mostly better: compare its numbers with its own, not with published ones; the `title` says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.dpg.files import CATEGORY, name_of
from tessera.benchmarks.dpg.official import RESULTS, result_lines, summarised
from tessera.benchmarks.dpg.rules import dpg
from tessera.benchmarks.graded import Graded
from tessera.config import digest as config_digest
from tessera.scorers.vlm.answerer import Answerer, ask_yes
from tessera.types import Grade, Prompt

PICTURES = "pictures"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dpg:
    """The benchmark. Prompts, places and verdicts need no weights; only `observe` and `digest` do."""

    listed: tuple[Prompt, ...]
    judge: Answerer
    title: str  # as results are to be called
    official_bugs: bool
    name: str = "dpg"
    categories: tuple[str, ...] = (CATEGORY,)  # of prompts; questions have theirs in the official summary
    samples: int = 4
    evidence: str = "answers.jsonl"

    def prompts(self, per_category: int | None) -> list[Prompt]:
        """Returns the first so many prompts, all where it is None."""
        return list(self.listed[:per_category])

    def picture(self, prompt: Prompt, sample: int) -> PurePosixPath:
        """Returns the place of a single picture; `grids.py` lays out those of a prompt for the script."""
        return PurePosixPath(PICTURES, name_of(prompt), f"{sample}.png")

    def observe(
        self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> list[dict[str, Any]]:
        """Returns the chance of yes for each question: {"answers": [{"id", "yes", "reason"}, ...]}."""
        asked = [prompt.metadata["propositions"] for prompt in prompts]
        said = ask_yes(self.judge, images_BHWC, [[each["question"] for each in listed] for listed in asked])
        return [
            {"answers": [_answer(each["id"], *one) for each, one in zip(listed, answers, strict=True)]}
            for listed, answers in zip(asked, said, strict=True)
        ]

    def verdict(self, prompt: Prompt, seen: Mapping[str, Any]) -> Grade:
        """Returns the share of questions that count, as both numbers of the grade."""
        return dpg(prompt.metadata["propositions"], seen, official_bugs=self.official_bugs)

    def grade(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Grade]:
        """Returns a verdict on each picture."""
        seen = self.observe(prompts, images_BHWC)
        return [self.verdict(prompt, each) for prompt, each in zip(prompts, seen, strict=True)]

    def aggregate(self, graded: Sequence[Graded]) -> dict[str, Any]:
        """Returns DPG-Bench's summary in hundredths, and who answered."""
        return {"title": self.title, **summarised(graded, self.official_bugs)}

    def beside(self, prompts: Sequence[Prompt]) -> Iterator[tuple[PurePosixPath, str]]:  # noqa: ARG002 - as the protocol has it
        """Yields nothing: the script finds its questions by the names of pictures."""
        yield from ()

    def results(self, graded: Sequence[Graded]) -> Iterator[tuple[PurePosixPath, str]]:
        """Yields the script's result file; the answers in detail are the evidence."""
        lines = result_lines(graded, self.title, self.official_bugs)
        yield PurePosixPath(RESULTS), "".join(f"{line}\n" for line in lines)

    def digest(self) -> str:
        """Returns a hash of who answers and of the questions."""
        asked = {
            prompt.id: [[each["id"], each["question"]] for each in prompt.metadata["propositions"]]
            for prompt in self.listed
        }
        return config_digest({"judge": self.judge.digest(), "questions": asked})


def _answer(number: int, value: float, reason: str) -> dict[str, Any]:
    return {"id": number, "yes": value} if not reason else {"id": number, "yes": None, "reason": reason}
