"""A checkpoint of Grounding DINO in a folder: the real class, tiny and random, and a tokenizer made here."""

import string
from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

WORDS = ("cup", "cat", "dog", "stop", "sign", "ball", "tennis", "car")
# The model ends phrases at these ids of BERT's vocabulary.
SPECIAL = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}
VOCABULARY = 1100


@cache
def vocabulary() -> dict[str, int]:
    """Returns words whole, and letters to spell the others with."""
    pieces = [*WORDS, *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    free = [index for index in range(VOCABULARY) if index not in SPECIAL.values()]
    known = dict(zip(pieces, free, strict=False)) | SPECIAL
    return known | {f"[unused{index}]": index for index in free[len(pieces) :]}


def tokenizer() -> Tokenizer:
    """Returns a tokenizer that works as BERT's uncased one does; as a file may, it says where to cut."""
    made = Tokenizer(WordPiece(vocabulary(), unk_token="[UNK]"))
    made.normalizer = BertNormalizer(lowercase=True)
    made.pre_tokenizer = BertPreTokenizer()
    ends = [(name, SPECIAL[name]) for name in ("[CLS]", "[SEP]")]
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    made.enable_truncation(max_length=8)
    return made


def model(seed: int = 0, width: int = 32) -> GroundingDinoForObjectDetection:
    """Returns the model; its scores are spread over (0, 1)."""
    backbone = SwinConfig(image_size=256, embed_dim=8, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=4)
    backbone.out_indices = [2, 3, 4]
    text = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    sizes = GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        d_model=width,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=20,
        max_text_len=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = GroundingDinoForObjectDetection(sizes)
        for head in made.bbox_embed.parameters():  # as made, all boxes are the places they started from
            head.data += 0.2 * torch.randn_like(head)
    return made.eval()


def save(folder: Path, seed: int = 0, width: int = 32) -> Path:
    """Returns the folder, with a checkpoint in it as the hub has it."""
    model(seed, width).save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder
