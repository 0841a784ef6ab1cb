"""The sizes of the embedded policy. They travel with its weights, so that a checkpoint explains itself."""

from dataclasses import dataclass, field

from tessera.types import View


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerConfig:
    """Sizes of the VQ tokenizer."""

    grid: int = 8
    patch: int = 16
    codebook: int = 1024
    code_dim: int = 16
    encoder_width: int = 96
    width: int = 96
    blocks: int = 2
    decoder_width: int = 320


@dataclass(frozen=True, kw_only=True, slots=True)
class TransformerConfig:
    """Sizes of the decoder-only transformer. Heads of 32 dimensions: larger ones were slower on a CPU."""

    text_slots: int = 24
    width: int = 128
    layers: int = 6
    heads: int = 4
    mlp_width: int = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class MosaicConfig:
    """The whole embedded policy."""

    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    transformer: TransformerConfig = field(default_factory=TransformerConfig)
    words: tuple[str, ...] = ()
    default_view: View = field(default_factory=lambda: View(guidance=1.5))

    @property
    def tokens(self) -> int:
        """T, codes per picture."""
        return self.tokenizer.grid**2
