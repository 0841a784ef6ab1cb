"""LlamaGen, read from its own layout, against plain torch (tests/unit/policies/llamagen/reference.py)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer, T5EncoderModel

from tessera.errors import CheckpointError, UserError
from tessera.policies.llamagen.load import LlamaGenFiles, load_files, load_published
from tessera.policies.llamagen.policy import LlamaGenPolicy
from tessera.tensors import TextBatch
from tests.unit.policies.llamagen import reference
from tests.unit.policies.llamagen.tiny import encoder_folder
from tests.unit.policies.llamagen.weights import Sizes, gpt_state, saved, vq_state

SIZES = Sizes()
TOLERANCE = 1e-5
CAPTIONS = ["a star", "two large red circles", "x"]
SCALE = 7.5


def files(folder: Path, kind: str, encoder: Path | None = None) -> LlamaGenFiles:
    """Returns a checkpoint of a kind in its authors' layout."""
    return LlamaGenFiles(
        gpt=saved(folder, f"{kind}.pt", gpt_state(SIZES, kind)),
        vq=saved(folder, "vq.pt", vq_state(SIZES)),
        image_size=8,
        encoder=str(encoder),
        encoder_dtype="float32",
        heads=SIZES.heads,
    )


@pytest.fixture
def c2i(tmp_path: Path) -> LlamaGenPolicy:
    return load_files(files(tmp_path, "c2i"))


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return encoder_folder(tmp_path / "t5", SIZES.caption_width)


@pytest.fixture
def t2i(tmp_path: Path, encoder: Path) -> LlamaGenPolicy:
    settings = files(tmp_path, "t2i", encoder)
    policy = load_files(settings)
    assert policy.config.condition.kind == "captions"
    return policy


def tokens(rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randint(SIZES.codebook, (rows, SIZES.grid**2), generator=generator)


@torch.no_grad()
def ours(policy: LlamaGenPolicy, text: TextBatch, tokens_BT: Tensor) -> Tensor:
    return policy.head(policy.features(text, tokens_BT))


@torch.no_grad()
def official_captions(encoder: Path, captions: list[str]) -> tuple[Tensor, Tensor]:
    """Returns features and mask as the official scripts make them: padded to the right, read, then moved.

    All captions are read at once, with their padding, by classes of transformers alone.
    """
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = T5EncoderModel.from_pretrained(encoder).eval()
    rows = [tokenizer(caption)["input_ids"] for caption in captions]
    ids, mask = torch.zeros(2, len(rows), SIZES.slots, dtype=torch.long)
    for row, each in enumerate(rows):
        ids[row, : len(each)], mask[row, : len(each)] = torch.tensor(each), 1
    features = model(input_ids=ids, attention_mask=mask).last_hidden_state
    moved = [torch.cat([f[len(r) :], f[: len(r)]]) for f, r in zip(features, rows, strict=True)]
    mask_BP = mask.flip(-1)
    return torch.stack(moved) * mask_BP[..., None], mask_BP


def guided_greedy(policy: LlamaGenPolicy, text: TextBatch, scale: float) -> Tensor:
    """Returns the likeliest codes under guidance, by cached steps."""
    both, spec = text.cat(policy.null_like(text)), policy.spec
    cache = policy.new_cache(len(both), spec.prefix + spec.tokens - 1)
    drawn = []
    with torch.no_grad():
        features = policy.prefill(both, cache)
        for index in range(spec.tokens):
            said, unsaid = policy.head(features).chunk(2)
            drawn.append((unsaid + scale * (said - unsaid)).argmax(-1))
            if index + 1 < spec.tokens:
                features = policy.step(torch.cat([drawn[-1], drawn[-1]]), index, cache)
    return torch.stack(drawn, dim=1)


def test_class_logits_equal_the_reference(c2i: LlamaGenPolicy) -> None:
    tokens_BT = tokens(3)
    text = c2i.tokenize(["3", "class 11", "0"])
    state = gpt_state(SIZES, "c2i")
    for batch, classes in ((text, [3, 11, 0]), (c2i.null_like(text), [12, 12, 12])):
        condition = torch.tensor(classes)[:, None]
        everywhere = torch.ones(3, 1)
        expected = reference.logits(state, SIZES, condition, everywhere, tokens_BT[:, :-1])
        assert expected.std() > 0.3
        torch.testing.assert_close(ours(c2i, batch, tokens_BT), expected, rtol=0, atol=TOLERANCE)


def test_caption_logits_equal_the_reference_in_both_branches(t2i: LlamaGenPolicy, encoder: Path) -> None:
    tokens_BT = tokens(len(CAPTIONS))
    text = t2i.tokenize(CAPTIONS)
    state = gpt_state(SIZES, "t2i")
    features, mask_BP = official_captions(encoder, CAPTIONS)
    assert mask_BP.sum(1).unique().numel() == 3  # of different lengths
    assert torch.equal(text.mask, mask_BP.bool())
    null = state["cls_embedding.uncond_embedding"].expand_as(features)
    for batch, condition in ((text, features), (t2i.null_like(text), null)):
        expected = reference.logits(state, SIZES, condition, mask_BP, tokens_BT[:, :-1])[:, SIZES.slots - 1 :]
        assert expected.std() > 0.3
        # T5's features add their own rounding, in another batch: the encoder reads each caption alone.
        torch.testing.assert_close(ours(t2i, batch, tokens_BT), expected, rtol=0, atol=2 * TOLERANCE)


def test_greedy_classes_are_those_of_a_decode_without_cache(c2i: LlamaGenPolicy) -> None:
    text = c2i.tokenize(["5", "8"])
    classes, null = torch.tensor([[5], [8]]), torch.tensor([[12], [12]])
    state = gpt_state(SIZES, "c2i")
    expected = reference.greedy(state, SIZES, classes, null, torch.ones(2, 1), 4.0)
    drawn = guided_greedy(c2i, text, 4.0)
    assert torch.equal(drawn, expected)
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn, guided_greedy(c2i, text, 1.0))


def test_greedy_captions_are_those_of_a_decode_without_cache(t2i: LlamaGenPolicy, encoder: Path) -> None:
    state = gpt_state(SIZES, "t2i")
    features, mask_BP = official_captions(encoder, CAPTIONS)
    null = state["cls_embedding.uncond_embedding"].expand_as(features)
    expected = reference.greedy(state, SIZES, features, null, mask_BP, SCALE)
    assert torch.equal(guided_greedy(t2i, t2i.tokenize(CAPTIONS), SCALE), expected)
    assert len({tuple(row) for row in expected.tolist()}) == len(CAPTIONS)


def test_pictures_of_codes_equal_the_reference(c2i: LlamaGenPolicy) -> None:
    tokens_BT = tokens(4)
    expected = reference.decoded(vq_state(SIZES), SIZES, tokens_BT)
    assert expected.std() > 0.1
    with torch.no_grad():
        torch.testing.assert_close(c2i.tokenizer.reconstruct(tokens_BT), expected, rtol=0, atol=TOLERANCE)
    # The bytes of sample_t2i_ddp.py: 127.5 x + 128, cut. They differ where a level is within rounding.
    official = (127.5 * expected + 128).clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    difference = np.abs(c2i.decode(tokens_BT).astype(int) - official.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_codes_of_pictures_equal_the_reference(c2i: LlamaGenPolicy) -> None:
    images_BHWC = np.random.default_rng(3).integers(0, 256, size=(6, 8, 8, 3), dtype=np.uint8)
    pixels = (torch.from_numpy(images_BHWC).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    expected, margin = reference.encoded(vq_state(SIZES), SIZES, pixels)
    clear = margin > 1e-4
    assert clear.float().mean() > 0.95
    assert len(expected.unique()) > 5
    assert torch.equal(c2i.encode(images_BHWC)[clear], expected[clear])


# --- files that are something else --------------------------------------------------------------------------


def test_weights_at_the_top_of_a_file_and_stray_statistics_are_read(
    tmp_path: Path, c2i: LlamaGenPolicy
) -> None:
    """As the checkpoints of the larger models are laid out (--from-fsdp)."""
    state = {**gpt_state(SIZES, "c2i"), "freqs_cis": torch.zeros(17, 8, 2)}
    path = saved(tmp_path, "top.pt", state, under=None)
    settings = LlamaGenFiles(gpt=path, vq=str(tmp_path / "vq.pt"), image_size=8, heads=2)
    assert load_files(settings).digest() == c2i.digest()


def test_the_form_of_the_cache_comes_from_the_settings(tmp_path: Path, c2i: LlamaGenPolicy) -> None:
    policy = load_files(replace(files(tmp_path, "c2i"), cache="int8"))
    assert policy.footprint.cache_scales == SIZES.heads
    assert c2i.footprint.cache_scales == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"tok_embeddings.weight": None}, "no tok_embeddings.weight", id="another-layout"),
        pytest.param({"norm.weight": None}, "norm.weight has shape none", id="missing"),
        pytest.param({"layers.1.feed_forward.w2.weight": torch.zeros(32, 7)}, "needs", id="size"),
        pytest.param({"extra.weight": torch.zeros(3)}, "extra.weight has shape", id="something-more"),
        pytest.param({"cls_embedding.embedding_table.weight": None}, "no cls_embedding", id="no-prompt"),
        pytest.param({"tok_embeddings.weight": torch.zeros(7, 32)}, "do not belong together", id="codebook"),
    ],
)
def test_a_transformer_of_another_layout_is_refused_in_a_sentence(
    tmp_path: Path, change: dict[str, Tensor | None], words: str
) -> None:
    settings = files(tmp_path, "c2i")
    state = {**gpt_state(SIZES, "c2i"), **change}
    saved(tmp_path, "c2i.pt", {key: value for key, value in state.items() if value is not None})
    with pytest.raises(CheckpointError, match=words):
        load_files(settings)


def test_a_tokenizer_in_place_of_the_transformer_is_refused(tmp_path: Path) -> None:
    settings = files(tmp_path, "c2i")
    with pytest.raises(CheckpointError, match=r"the transformer is in c2i_\*.pt or t2i_\*.pt"):
        load_files(LlamaGenFiles(gpt=settings.vq, vq=settings.vq, image_size=8, heads=2))
    with pytest.raises(CheckpointError, match=r"no quantize\.embedding\.weight"):
        load_files(LlamaGenFiles(gpt=settings.gpt, vq=settings.gpt, image_size=8, heads=2))


def test_what_weights_do_not_tell_must_be_told(tmp_path: Path) -> None:
    settings = files(tmp_path, "c2i")
    with pytest.raises(CheckpointError, match="set heads"):
        load_files(LlamaGenFiles(gpt=settings.gpt, vq=settings.vq, image_size=8))
    with pytest.raises(UserError, match="multiple of 2, got 9"):
        load_files(LlamaGenFiles(gpt=settings.gpt, vq=settings.vq, image_size=9, heads=2))


def test_another_text_encoder_is_refused_when_it_is_first_asked(tmp_path: Path) -> None:
    policy = load_files(files(tmp_path, "t2i", encoder_folder(tmp_path / "wider", 24)))
    text = policy.tokenize(["a star"])
    with pytest.raises(
        CheckpointError, match="gives 24 features a token, and the policy was trained with 16"
    ):
        policy.features(text, tokens(1))


def test_published_names_say_what_they_need(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'llamagen-t2i-xl-256'"):
        load_published("llamagen-t2i-xl-265")
    with pytest.raises(CheckpointError, match=r"lacks t2i_XL_stage1_256\.pt, vq_ds16_t2i\.pt"):
        load_published("llamagen-t2i-xl-256", str(tmp_path))
