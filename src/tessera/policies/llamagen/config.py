"""The sizes of LlamaGen, its published checkpoints and the settings they are sampled with.

Sun and others, "Autoregressive Model Beats Diffusion: Llama for Scalable Image Generation", arXiv:2406.06525.
Sizes from FoundationVision/LlamaGen (commit 5a50452): autoregressive/models/gpt.py and
tokenizer/tokenizer_image/vq_model.py; default views from autoregressive/sample/sample_{c2i,t2i}.py.
"""

from dataclasses import dataclass, field
from typing import Literal

from tessera.config import config
from tessera.errors import UserError
from tessera.types import CacheForm, View

Kind = Literal["c2i", "t2i"]
SizeName = Literal["B", "L", "XL", "XXL", "3B"]
EncoderDType = Literal["bfloat16", "float32"]

CLASSES = 1000  # of ImageNet
CAPTION_SLOTS = 120  # T5 features before the picture (--cls-token-num, --t5-feature-max-len)
CAPTION_WIDTH = 2048  # of flan-t5-xl
ENCODER = "google/flan-t5-xl"
MLP_MULTIPLE = 256  # the gated MLP is 8/3 of the width, rounded up to this

# c2i: --cfg-scale 4.0 --top-k 2000; t2i: --cfg-scale 7.5 --top-k 1000.
VIEWS: dict[Kind, View] = {"c2i": View(guidance=4.0, top_k=2000), "t2i": View(guidance=7.5, top_k=1000)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """One of the published transformers."""

    layers: int
    width: int
    heads: int


SIZES: dict[SizeName, Size] = {
    "B": Size(layers=12, width=768, heads=12),  # 111 M parameters
    "L": Size(layers=24, width=1024, heads=16),  # 343 M
    "XL": Size(layers=36, width=1280, heads=20),  # 775 M
    "XXL": Size(layers=48, width=1536, heads=24),  # 1.4 B
    "3B": Size(layers=24, width=3200, heads=32),  # 3.1 B
}


@config
class VQConfig:
    """Sizes of the tokenizer; those of VQ-16, 72 M parameters, whose code stands for 16 x 16 pixels."""

    codebook: int = 16384
    code_dim: int = 8
    channels: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)  # of the channels, from the pixels to the codes
    residuals: int = 2  # blocks per level of the encoder; the decoder has one more
    latent: int = 256  # channels on either side of the codes

    @property
    def patch(self) -> int:
        """Pixels along a code's side: each level but the last halves the picture."""
        return 2 ** (len(self.multipliers) - 1)


@config
class Classes:
    """The prompt is a class of ImageNet, by its number."""

    kind: Literal["classes"] = "classes"
    count: int = CLASSES

    @property
    def slots(self) -> int:
        """Positions before the picture."""
        return 1


@config
class Captions:
    """The prompt is a text, which a frozen T5 reads."""

    kind: Literal["captions"] = "captions"
    slots: int = CAPTION_SLOTS
    width: int = CAPTION_WIDTH
    encoder: str = ENCODER  # a hub id or a folder; it is not saved with the policy
    dtype: EncoderDType = "bfloat16"  # of T5: --precision of sample_t2i.py and extract_t5_feature.py


@config
class LlamaGenConfig:
    """The whole policy."""

    layers: int
    width: int
    heads: int
    grid: int  # codes along a side: 16, 24 or 32
    condition: Classes | Captions
    default_view: View
    vq: VQConfig = field(default_factory=VQConfig)
    # Of keys and values while pictures are drawn; int8 takes about half of bfloat16, so that more are drawn
    # at once, by slower steps (sampling/cache.py says what else it costs). Replay needs none.
    cache: CacheForm = "full"

    def __post_init__(self) -> None:
        if self.width % (4 * self.heads):
            raise UserError(
                f"a width of {self.width} cannot be split among {self.heads} heads: the features of each "
                "turn in pairs, half of them by row and half by column, so it must divide by 4 heads"
            )

    @property
    def tokens(self) -> int:
        """T, codes per picture."""
        return self.grid**2

    @property
    def mlp_width(self) -> int:
        """Of the gated MLP."""
        return -(-int(8 * self.width / 3) // MLP_MULTIPLE) * MLP_MULTIPLE


def condition_of(kind: Kind, encoder: str = ENCODER) -> Classes | Captions:
    """Returns what the published models of a kind are told."""
    return Classes() if kind == "c2i" else Captions(encoder=encoder)


def grid_of(image_size: int, vq: VQConfig) -> int:
    """Returns the codes along the side of a picture; refuses a side that is no whole number of them."""
    if image_size < vq.patch or image_size % vq.patch:
        raise UserError(
            f"image_size must be a multiple of {vq.patch}, got {image_size}; the published checkpoints were "
            "trained at 256, 384 or 512, as their names say"
        )
    return image_size // vq.patch
