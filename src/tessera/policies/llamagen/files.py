"""LlamaGen's files: the published checkpoints, and anybody's in their layout. No model is imported."""

from dataclasses import dataclass
from typing import Literal

from tessera.config import config
from tessera.policies.llamagen.config import ENCODER, EncoderDType, Kind, SizeName
from tessera.types import CacheForm

C2I = "FoundationVision/LlamaGen"
T2I = "peizesun/llamagen_t2i"
LICENCES = {C2I: "MIT", T2I: "not stated (code: MIT)"}


@dataclass(frozen=True, slots=True)
class Published:
    """One of the checkpoints in LlamaGen's README."""

    kind: Kind
    size: SizeName
    gpt: str
    image_size: int

    @property
    def repo(self) -> str:
        """Where it is on the hub."""
        return C2I if self.kind == "c2i" else T2I

    @property
    def vq(self) -> str:
        """The file of its tokenizer."""
        return f"vq_ds16_{self.kind}.pt"


PUBLISHED = {
    "llamagen-c2i-b-256": Published("c2i", "B", "c2i_B_256.pt", 256),
    "llamagen-c2i-b-384": Published("c2i", "B", "c2i_B_384.pt", 384),
    "llamagen-c2i-l-256": Published("c2i", "L", "c2i_L_256.pt", 256),
    "llamagen-c2i-l-384": Published("c2i", "L", "c2i_L_384.pt", 384),
    "llamagen-c2i-xl-384": Published("c2i", "XL", "c2i_XL_384.pt", 384),
    "llamagen-c2i-xxl-384": Published("c2i", "XXL", "c2i_XXL_384.pt", 384),
    "llamagen-c2i-3b-384": Published("c2i", "3B", "c2i_3B_384.pt", 384),
    "llamagen-t2i-xl-256": Published("t2i", "XL", "t2i_XL_stage1_256.pt", 256),
    "llamagen-t2i-xl-512": Published("t2i", "XL", "t2i_XL_stage2_512.pt", 512),
}


@config
class LlamaGenFiles:
    """A checkpoint in LlamaGen's own layout."""

    kind: Literal["llamagen"] = "llamagen"
    gpt: str  # c2i_B_256.pt
    vq: str  # vq_ds16_c2i.pt
    image_size: int  # the weights do not tell; the published files have it in their names
    encoder: str = ENCODER  # of captions: a hub id or a folder
    encoder_dtype: EncoderDType = "bfloat16"
    heads: int | None = None  # of a transformer of no published size
    cache: CacheForm = "full"  # of keys and values while pictures are drawn: see LlamaGenConfig

    @property
    def place(self) -> str:
        """Where its weights are, for messages."""
        return self.gpt
