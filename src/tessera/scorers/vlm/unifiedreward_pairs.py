"""UnifiedReward as a judge of pairs: how often a picture wins against the others of its group.

Each picture meets each other one twice, once as the first and once as the second of the two, because such
models favour a place. A picture's value is the mean of its meetings, in [0, 1]; one half means neither better
nor worse. As in Pref-GRPO (arXiv 2508.20751), there with a checkpoint that reasons first.

`expected`: the answer is begun for the model with "Image ", and a meeting is worth the probability of "1"
against "2". `text`: the likeliest answer, read as "Image 1 is better", "Image 2 is better" or "equally good"
(1, 0, one half). A text that says neither is no meeting; a picture without a meeting is missing.

A group of G asks the model G * (G - 1) times about two pictures, one meeting at a time.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from jaxtyping import UInt8
from numpy import ndarray
from transformers import Qwen2_5_VLForConditionalGeneration

from tessera.errors import RewardError
from tessera.hub import files_digest
from tessera.rng import derive_seed
from tessera.scorers.placed import Placement
from tessera.scorers.vlm.heads import logits_of
from tessera.scorers.vlm.questions import PAIR
from tessera.scorers.vlm.qwen import Qwen, read_qwen
from tessera.scorers.vlm.rows import Verdict, finite, missing, scores, too_long
from tessera.scorers.vlm.settings import Reading, UnifiedRewardPairs
from tessera.scorers.vlm.unifiedreward import ANSWER_TOKENS, UNIFIED_REWARD
from tessera.tensors import Scores
from tessera.types import Prompt

LEAD = "Image "
WORTH = {"1": 1.0, "2": 0.0, None: 0.5}  # of a meeting, to the picture shown first
CONCLUSION = re.compile(r"image (?P<winner>[12]) is better|equally good", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnifiedRewardWinRate:
    """A reward: the win rate of each picture within its group."""

    qwen: Qwen
    reading: Reading
    place: Placement
    numbers: tuple[int, int]  # the tokens of 1 and 2

    @property
    def name(self) -> str:
        """As in messages."""
        return "unifiedreward-pairs" if self.reading == "expected" else "unifiedreward-pairs-text"

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"], group: int) -> Scores:
        """Returns the win rates, 0 to 1."""
        if group < 2:
            raise RewardError(
                f"{self.name} compares pictures of one prompt, and only one was drawn; use unifiedreward, or "
                "a larger group"
            )
        verdicts: list[Verdict] = []
        if prompts:
            with self.qwen.held.at_work() as model:
                for start in range(0, len(prompts), group):
                    images = images_BHWC[start : start + group]
                    verdicts.extend(self._group(model, prompts[start].text, images))
        return scores(verdicts, self.digest())

    def _group(
        self, model: Qwen2_5_VLForConditionalGeneration, prompt: str, images_GHWC: ndarray
    ) -> list[Verdict]:
        group = len(images_GHWC)
        if reason := self.qwen.words.control_in(prompt) or too_long(images_GHWC[0]):
            return [missing(reason)] * group
        won: list[list[float]] = [[] for _ in range(group)]
        unread = ""
        for first, second in permutations(range(group), 2):
            worth, reason = self._meeting(model, prompt, [images_GHWC[first], images_GHWC[second]])
            if math.isfinite(worth):
                won[first].append(worth)
                won[second].append(1 - worth)
            unread = unread or reason
        return [
            (sum(each) / len(each), "") if each else missing(f"none of its meetings was decided: {unread}")
            for each in won
        ]

    def _meeting(
        self, model: Qwen2_5_VLForConditionalGeneration, prompt: str, images: Sequence[ndarray]
    ) -> Verdict:
        if self.reading == "text":
            asked = self.qwen.ask(PAIR.format(prompt=prompt), images)
            return written_conclusion(self.qwen.answer(model, asked, ANSWER_TOKENS))
        asked = self.qwen.ask(PAIR.format(prompt=prompt), images, LEAD)
        logits_K = logits_of(model.lm_head, self.qwen.features(model, asked), self.numbers)
        return finite(float(logits_K.double().softmax(0)[0]))

    def digest(self) -> str:
        """Returns a hash of the weights, their dtype and the reading."""
        names = (self.name, self.place.dtype, files_digest(self.qwen.files), PAIR)
        return f"{derive_seed(*names):016x}"


def written_conclusion(text: str) -> Verdict:
    """Returns what a meeting is worth to the first picture, by the last conclusion in a text."""
    found = list(CONCLUSION.finditer(text))
    if not found:
        return missing(f"no conclusion in the answer {text!r:.300}")
    return WORTH[found[-1]["winner"]], ""


def load_unifiedreward_pairs(settings: UnifiedRewardPairs) -> UnifiedRewardWinRate:
    """Returns the reward; its weights are read when it first scores."""
    qwen = read_qwen(UNIFIED_REWARD, settings.weights, settings.place)
    return UnifiedRewardWinRate(
        qwen=qwen,
        reading=settings.reading,
        place=settings.place,
        numbers=(qwen.words.following(LEAD, "1"), qwen.words.following(LEAD, "2")),
    )
