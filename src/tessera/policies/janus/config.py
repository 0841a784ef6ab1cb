"""What a Janus policy is made of: which weights, what of them trains, how much text it reads."""

from typing import Literal

from tessera.config import config
from tessera.errors import UserError
from tessera.types import CacheForm


@config
class JanusConfig:
    """A Janus policy. Its sizes come with the weights."""

    kind: Literal["janus"] = "janus"
    # A folder, or a repository on the hub: deepseek-community/Janus-Pro-1B or -7B, which transformers reads
    # as they are, or deepseek-ai/Janus-Pro-1B or -7B, the original layout, converted while it is read.
    weights: str = "deepseek-community/Janus-Pro-1B"
    # The language model alone, as in T2I-R1 (arXiv:2505.00703, its repository: every name that begins with
    # vision_model, aligner or gen is frozen), or also embedding, aligner and head of the image codes. The VQ
    # model and the tower that reads pictures never train.
    train: Literal["language", "all"] = "language"
    dtype: Literal["bfloat16", "float32"] = "bfloat16"  # of the weights; the official code runs bfloat16
    text_slots: int = 96  # tokens of the longest prompt, with its template
    vq_batch: int = 16  # pictures decoded or encoded at once; the largest activation of 16 has 0.6 GB
    # Of keys and values while pictures are drawn; int8 takes about half of bfloat16, so that more are drawn
    # at once, by slower steps (sampling/cache.py says what else it costs). Replay needs none.
    cache: CacheForm = "full"

    def __post_init__(self) -> None:
        for name, least in (("text_slots", 8), ("vq_batch", 1)):
            if getattr(self, name) < least:
                raise UserError(f"janus.{name} must be {least} or more, got {getattr(self, name)}")

    @property
    def place(self) -> str:
        """Where its weights are, for messages."""
        return self.weights
