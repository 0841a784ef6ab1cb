"""VQAScore of a vision-language model: the probability that its answer begins with "Yes".

The measure of arXiv 2404.01291, asked of Qwen2.5-VL as newer releases of linzhiqiu/t2v_metrics do. **Not
comparable with VQAScore of CLIP-FlanT5**, which is what papers report unless they say otherwise: another
model, and there the score is the root of P("Yes") times P(end). Range 0 to 1, over the whole vocabulary;
values compare across prompts as far as the model is calibrated. Rows are scored one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import UInt8
from numpy import ndarray
from transformers import Qwen2_5_VLForConditionalGeneration

from tessera.hub import Home, files_digest
from tessera.rng import derive_seed
from tessera.scorers.placed import Placement
from tessera.scorers.vlm.heads import all_logits
from tessera.scorers.vlm.questions import VQA
from tessera.scorers.vlm.qwen import QWEN_FILES, Qwen, read_qwen
from tessera.scorers.vlm.rows import Verdict, finite, judged, missing, too_long
from tessera.scorers.vlm.settings import VqaScore
from tessera.tensors import Scores
from tessera.types import Prompt

QWEN_2_5_VL = Home(repo="Qwen/Qwen2.5-VL-7B-Instruct", files=QWEN_FILES, licence="Apache-2.0")


@dataclass(frozen=True, kw_only=True, slots=True)
class VqaScorer:
    """P("Yes") for each picture."""

    qwen: Qwen
    place: Placement
    yes: int  # the token

    @property
    def name(self) -> str:
        """As in messages; it names the model, because VQAScore alone means another one."""
        return "vqascore-qwen2.5-vl"

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns the probabilities."""
        return judged(self.qwen.held, self._chance, prompts, images_BHWC, self.digest())

    def _chance(self, model: Qwen2_5_VLForConditionalGeneration, prompt: str, image_HWC: ndarray) -> Verdict:
        if reason := self.qwen.words.control_in(prompt) or too_long(image_HWC):
            return missing(reason)
        asked = self.qwen.ask(VQA.format(prompt=prompt), [image_HWC])
        logits_V = all_logits(model.lm_head, self.qwen.features(model, asked))
        return finite(float(logits_V.double().softmax(0)[self.yes]))

    def digest(self) -> str:
        """Returns a hash of the weights, their dtype and the question."""
        names = (self.name, self.place.dtype, files_digest(self.qwen.files), VQA)
        return f"{derive_seed(*names):016x}"


def load_vqascore(settings: VqaScore) -> VqaScorer:
    """Returns the scorer; its weights are read when it first scores."""
    qwen = read_qwen(QWEN_2_5_VL, settings.weights, settings.place)
    return VqaScorer(qwen=qwen, place=settings.place, yes=qwen.words.single("Yes"))
