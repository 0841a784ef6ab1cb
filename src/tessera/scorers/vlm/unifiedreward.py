"""UnifiedReward (arXiv 2503.05236): a mark from 1 to 5 for caption and quality together.

`expected`: the answer is begun for the model with "Final Score: ", and the mark is the mean over the digits
1 to 5, weighed by their probabilities among themselves. Continuous, no text is written; not how the authors
read it. `text`: the authors' question, the likeliest answer, and the number after "Final Score:". Coarse, so
that pictures of a group tie. A text without a mark from 1 to 5 is missing, and the text is the reason.

Read alike, marks compare across prompts. Divided by 5 they are the reward of flow_grpo (its rewards.py),
which reads an unreadable text as 0 and a 10 as 1. Its pictures went through 512 x 512; here they keep their
size, up to the limits of the checkpoint's preprocessor. The authors' script writes the answer with the
checkpoint's own generation settings; here the likeliest token is taken, without a penalty on repetition.
UnifiedReward 2.0 is published with another question, three marks by name; whether it keeps to "Final Score:"
is not confirmed. Rows are scored one by one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from numpy import ndarray
from transformers import Qwen2_5_VLForConditionalGeneration

from tessera.hub import Home, files_digest
from tessera.rng import derive_seed
from tessera.scorers.placed import Placement
from tessera.scorers.vlm.heads import logits_of
from tessera.scorers.vlm.questions import ELEMENTS, OVERALL
from tessera.scorers.vlm.qwen import QWEN_FILES, Qwen, read_qwen
from tessera.scorers.vlm.rows import Verdict, finite, judged, missing, too_long
from tessera.scorers.vlm.settings import Reading, UnifiedReward
from tessera.tensors import Scores
from tessera.types import Prompt

UNIFIED_REWARD = Home(repo="CodeGoat24/UnifiedReward-qwen-7b", files=QWEN_FILES, licence="MIT")

MARKS = (1, 2, 3, 4, 5)
LEAD = "Final Score: "
ANSWER_TOKENS = 512  # as in the authors' script
WRITTEN = re.compile(
    r"final score\W{0,3}:\W{0,4}(?P<mark>\d+(?:\.\d+)?)(?:\s*(?:/|out of)\s*(?P<best>\d+))?", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnifiedRewardScorer:
    """A mark for each picture by itself."""

    qwen: Qwen
    reading: Reading
    place: Placement
    digits: tuple[int, ...]  # the tokens of 1 to 5

    @property
    def name(self) -> str:
        """As in messages."""
        return "unifiedreward" if self.reading == "expected" else "unifiedreward-text"

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns the marks, 1 to 5."""
        return judged(self.qwen.held, self._mark, prompts, images_BHWC, self.digest())

    def _mark(self, model: Qwen2_5_VLForConditionalGeneration, prompt: str, image_HWC: ndarray) -> Verdict:
        if reason := self.qwen.words.control_in(prompt) or too_long(image_HWC):
            return missing(reason)
        if self.reading == "text":
            asked = self.qwen.ask(ELEMENTS.format(prompt=prompt), [image_HWC])
            return written_mark(self.qwen.answer(model, asked, ANSWER_TOKENS))
        asked = self.qwen.ask(OVERALL.format(prompt=prompt), [image_HWC], LEAD)
        logits_K = logits_of(model.lm_head, self.qwen.features(model, asked), self.digits)
        chances_K = logits_K.double().softmax(0)
        return finite(float(chances_K @ torch.tensor(MARKS, dtype=torch.float64, device=chances_K.device)))

    def digest(self) -> str:
        """Returns a hash of the weights, their dtype and the reading."""
        names = (self.name, self.place.dtype, files_digest(self.qwen.files), OVERALL, ELEMENTS)
        return f"{derive_seed(*names):016x}"


def written_mark(text: str) -> Verdict:
    """Returns the last mark that a text gives after "Final Score:", if it is one from 1 to 5."""
    found = list(WRITTEN.finditer(text))
    if found and found[-1]["best"] in (None, str(MARKS[-1])):
        mark = float(found[-1]["mark"])
        if MARKS[0] <= mark <= MARKS[-1]:
            return mark, ""
    return missing(f"no mark from 1 to 5 after 'Final Score:' in the answer {text!r:.300}")


def load_unifiedreward(settings: UnifiedReward) -> UnifiedRewardScorer:
    """Returns the scorer; its weights are read when it first scores."""
    qwen = read_qwen(UNIFIED_REWARD, settings.weights, settings.place)
    return UnifiedRewardScorer(
        qwen=qwen,
        reading=settings.reading,
        place=settings.place,
        digits=tuple(qwen.words.following(LEAD, str(mark)) for mark in MARKS),
    )
