"""HPSv3 (arXiv 2508.03789): Qwen2-VL with a small head, a number for preference without a bound.

Read from the wheel hpsv3 1.0.0 (MIT: inference.py, model/qwen2vl_trainer.py, dataset/utils.py and
data_collator_qwen.py, config/HPSv3_7B.yaml). The picture is resized (bicubic) to 256 patches of 28 pixels,
shown with a long instruction, and the hidden state at the token <|Reward|> goes through the head, in float32,
to a mean and a deviation; the score is the mean.

**Positions.** The authors call Qwen2-VL's inner model with embeddings and without position ids. In the
release that they pin, transformers 4.45.2, `Qwen2VLModel.forward` then takes the plain order of tokens, the
same for time, row and column (modeling_qwen2_vl.py, lines 1197 to 1205); only generation asks
`get_rope_index`. So the model is run with text positions, patches included, and so it is here. The authors'
class, run under 4.45.2 on random weights in its layout, gave the numbers of this module to 3e-6.

Means on the authors' benchmark: 5.31 (SD3-M), 8.20 (SDXL), 10.43 (FLUX-dev). Rows are scored one by one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor, nn
from transformers import AutoModel, Qwen2VLConfig, Qwen2VLModel
from transformers.initialization import no_init_weights
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tessera.errors import CheckpointError
from tessera.hub import Home, files_digest, fill, found, locate, read_state
from tessera.rng import derive_seed
from tessera.scorers.placed import Held, Placement, held
from tessera.scorers.vlm.files import TOKENIZER_FILES
from tessera.scorers.vlm.questions import hps_v3
from tessera.scorers.vlm.qwen import QWEN_CONTROLS, asked, check_placeholder
from tessera.scorers.vlm.rows import Verdict, finite, judged, missing, too_long
from tessera.scorers.vlm.settings import HpsV3
from tessera.scorers.vlm.words import Words, read_words
from tessera.tensors import Scores
from tessera.types import Prompt

WEIGHTS = "HPSv3.safetensors"
HPS_V3 = Home(repo="MizzenAI/HPSv3", files=(WEIGHTS,), licence="MIT (code), not confirmed (weights)")
QWEN_2_VL = Home(
    repo="Qwen/Qwen2-VL-7B-Instruct", files=("config.json", *TOKENIZER_FILES), licence="Apache-2.0"
)

REWARD = "<|Reward|>"  # added to Qwen's vocabulary as its last token
PIXELS = 256 * 28 * 28  # least and most
WIDTHS = (1024, 16, 2)  # of the head
DROPOUT = 0.05  # in training; here it keeps the head's layers at their numbers

_RENAMED = (
    (r"(?:model\.)?visual\.", "trunk.visual."),
    (r"model\.(?:language_model\.)?", "trunk.language_model."),
    (r"rm_head\.", "head."),
)


class HpsV3Model(nn.Module):
    """Qwen2-VL without its language head, and the head of the reward."""

    def __init__(self, trunk: Qwen2VLModel, width: int) -> None:
        super().__init__()
        first, second, last = WIDTHS
        self.trunk = trunk
        self.head = nn.Sequential(
            nn.Linear(width, first),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, last),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class HpsV3Scorer:
    """The mean of the preference for each picture."""

    words: Words
    held: Held[HpsV3Model]
    files: tuple[Path, ...]
    place: Placement
    reward: int  # the token
    instruction: str

    @property
    def name(self) -> str:
        """As in messages."""
        return "hpsv3"

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns the means."""
        return judged(self.held, self._mean, prompts, images_BHWC, self.digest())

    def _mean(self, model: HpsV3Model, prompt: str, image_HWC: ndarray) -> Verdict:
        if reason := self.words.control_in(prompt) or too_long(image_HWC):
            return missing(reason)
        processor = Qwen2VLImageProcessorPil(size={"shortest_edge": PIXELS, "longest_edge": PIXELS})
        turn = asked(self.words, processor, self.instruction.format(prompt=prompt), [image_HWC])
        device, length = model.trunk.device, turn.ids_1L.shape[1]
        told = model.trunk(
            input_ids=turn.ids_1L.to(device),
            pixel_values=turn.patches_NC.to(device),
            image_grid_thw=turn.grids_K3.to(device),
            position_ids=torch.arange(length, device=device).expand(3, 1, length),
            use_cache=False,
        )
        place = turn.ids_1L[0].tolist().index(self.reward)
        mean, _deviation = model.head(told.last_hidden_state[0, place].float()).tolist()
        return finite(mean)

    def digest(self) -> str:
        """Returns a hash of the weights, the base's files, the dtype and the instruction."""
        names = (self.name, self.place.dtype, files_digest(self.files), self.instruction)
        return f"{derive_seed(*names):016x}"


def converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the published weights under our names; both transformers 4.45's and later names are known."""
    renamed = {}
    for key, value in state.items():
        pattern, name = next((each for each in _RENAMED if re.match(each[0], key)), ("", ""))
        renamed[re.sub(f"^{pattern}", name, key)] = value
    return renamed


def read_hpsv3(path: Path, base: Path, words: Words, place: Placement) -> HpsV3Model:
    """Returns the model: sizes from the base's configuration, the vocabulary's from the weights."""
    state = converted(read_state(path))
    settings: Any = Qwen2VLConfig.from_pretrained(base, local_files_only=True)
    check_placeholder(words, settings.image_token_id)
    embedding = state.get("trunk.language_model.embed_tokens.weight")
    if embedding is None or len(embedding) <= words.single(REWARD):
        raise CheckpointError(
            f"{path} has no embedding of {REWARD}; these are not the weights of HPSv3, or {base} is not "
            "Qwen2-VL-7B-Instruct"
        )
    settings.text_config.vocab_size = len(embedding)
    with no_init_weights():
        model = HpsV3Model(AutoModel.from_config(settings, dtype=place.torch_dtype()), embedding.shape[1])
    return fill(model, state, str(path), ignore=("lm_head.",)).eval()


def load_hpsv3(settings: HpsV3) -> HpsV3Scorer:
    """Returns the scorer; its weights are read when it first scores."""
    place = settings.place
    folder = locate(HPS_V3, settings.weights, "weights")
    base = locate(QWEN_2_VL, settings.base, "base")
    words = read_words(base, QWEN_CONTROLS)
    words.tokenizer.add_tokens([REWARD], special_tokens=True)
    return HpsV3Scorer(
        words=words,
        held=held(
            ("hpsv3", str(folder.resolve()), str(base.resolve())),
            lambda: read_hpsv3(folder / WEIGHTS, base, words, place),
            place,
        ),
        files=(*found(HPS_V3, folder), *found(QWEN_2_VL, base)),
        place=place,
        reward=words.single(REWARD),
        instruction=hps_v3(),
    )
