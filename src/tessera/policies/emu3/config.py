"""What an Emu3 policy is made of: which weights, what of them trains, which text surrounds a prompt."""

from typing import Literal

from tessera.config import config
from tessera.errors import UserError
from tessera.types import CacheForm

# What the official script appends to each prompt, and its null prompt (baaivision/Emu3: image_generation.py).
SUFFIX = " masterpiece, film grained, best quality."
NEGATIVE = (
    "lowres, bad anatomy, bad hands, text, error, missing fingers, extra digit, fewer digits, cropped, "
    "worst quality, low quality, normal quality, jpeg artifacts, signature, watermark, username, blurry."
)


@config
class Emu3Config:
    """An Emu3 policy. Its sizes come with the weights, the size of its pictures from here."""

    kind: Literal["emu3"] = "emu3"
    # A folder, or a repository on the hub, in transformers' layout (not BAAI/Emu3-Gen, the original one).
    weights: str = "BAAI/Emu3-Gen-hf"
    # The layers of the language model and its last norm, or also its table of 184,622 words and codes and the
    # rows of its head that name codes. The VQ model never trains.
    train: Literal["language", "all"] = "language"
    # Of the language model; bfloat16 is what the official script runs. The VQ model is in float32, as there.
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    # Rows and columns of codes, each 8 x 8 pixels. The released weights are tuned on 720 x 720 pixels, or
    # other sides of about that area (baaivision/Emu3, number 23); of other areas they know only what they
    # keep from pretraining. 8,100 codes are long: for trials take less, knowing that.
    grid: tuple[int, int] = (90, 90)
    text_slots: int = 128  # tokens of the longest prompt, with begin-of-text and suffix
    suffix: str = SUFFIX  # appended to every prompt as it is
    # The null prompt of guidance. The training script of the repository drops prompts to the empty one
    # (emu3/train/datasets.py: null_prompt_prob), which is "".
    negative_prompt: str = NEGATIVE
    # Pictures decoded or encoded at once: 0.5 GB for each tensor of activations at 720 x 720 pixels.
    vq_batch: int = 1
    # Of keys and values while pictures are drawn; int8 takes about half of bfloat16, so that more are drawn
    # at once, by slower steps (sampling/cache.py says what else it costs). Replay needs none.
    cache: CacheForm = "full"

    def __post_init__(self) -> None:
        for name, least in (("text_slots", 2), ("vq_batch", 1)):
            if getattr(self, name) < least:
                raise UserError(f"emu3.{name} must be {least} or more, got {getattr(self, name)}")
        if min(self.grid) < 1:
            raise UserError(f"emu3.grid must be rows and columns of codes, 1 or more each, got {self.grid}")

    @property
    def place(self) -> str:
        """Where its weights are, for messages."""
        return self.weights
