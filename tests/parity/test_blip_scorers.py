"""ImageReward and BLIP-VQA against BLIP in plain torch (tests/unit/scorers/blip/reference.py)."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from tessera.errors import CheckpointError
from tessera.hub import locate
from tessera.scorers import bert as vocabulary
from tessera.scorers.bert import read_words
from tessera.scorers.blip import imagereward, vqa
from tessera.scorers.blip.imagereward import load_imagereward
from tessera.scorers.blip.settings import BlipVqaConfig, ImageRewardConfig
from tessera.scorers.blip.towers import renamed
from tessera.scorers.blip.vqa import AUTHORS, load_blip_vqa
from tessera.scorers.placed import Placement
from tessera.types import Prompt
from tests.unit.scorers.blip import reference
from tests.unit.scorers.blip.reference import Sizes
from tests.unit.scorers.blip.tiny import (
    SIZES,
    VOCABULARY,
    ids_of,
    padded_ids,
    pictures,
    real_pictures,
    saved,
    words_folder,
)

CPU = Placement(device="cpu", batch_size=2)
START, END, PAD = VOCABULARY.index("[CLS]"), VOCABULARY.index("[SEP]"), 0
DEC, ENC = len(VOCABULARY), len(VOCABULARY) + 1
YES, NO = VOCABULARY.index("yes"), VOCABULARY.index("no")

TEXTS = ["a red car", "the big blue dog on a small round table", "two cat ##s and a star"]
# Three questions of two lengths for the first picture, none for the second.
ASKED = [["red car ?", "two big green dog ##s with a small blue star ?", "a cat ?"], [], ["blue table ?"]]


def as_typed(text: str) -> str:
    """Returns the words as a user types them."""
    return text.replace(" ##", "").replace(" ?", "?")


@pytest.mark.parametrize("sizes", [SIZES, Sizes(vision=192, text=64, pieces=SIZES.pieces)])
def test_image_reward_equals_blip_with_its_head(tmp_path: Path, sizes: Sizes) -> None:
    state = reference.image_reward_state(sizes)
    weights = saved(tmp_path / "weights", "ImageReward.pt", state)
    scorer = load_imagereward(
        ImageRewardConfig(weights=str(weights), tokenizer=str(words_folder(tmp_path)), place=CPU)
    )
    images = pictures(3)
    ids, mask = padded_ids([[START, *ids_of(text), END] for text in TEXTS], 35)
    expected = reference.image_reward(state, imagereward.preprocessed(images, sizes.side), ids, mask)
    got = scorer.score([Prompt(id="", text=as_typed(text)) for text in TEXTS], images).value_B
    assert expected.std() > 0.1
    torch.testing.assert_close(got, expected.double(), rtol=0, atol=1e-5)


def test_image_reward_cuts_a_prompt_at_35_pieces_and_keeps_the_end(tmp_path: Path) -> None:
    state = reference.image_reward_state(SIZES)
    weights = saved(tmp_path / "weights", "ImageReward.pt", state)
    scorer = load_imagereward(
        ImageRewardConfig(weights=str(weights), tokenizer=str(words_folder(tmp_path)), place=CPU)
    )
    long = " ".join(["red car"] * 16 + ["dog", "cat", "star"])  # 35 words and [CLS], [SEP]
    ids = torch.tensor([[START, *ids_of(long)[:33], END]])
    pixels = imagereward.preprocessed(pictures(1), SIZES.side)
    expected = reference.image_reward(state, pixels, ids, torch.ones_like(ids))
    got = scorer.score([Prompt(id="", text=long)], pictures(1)).value_B
    torch.testing.assert_close(got, expected.double(), rtol=0, atol=1e-5)


def test_the_heads_of_image_reward_are_those_of_med_config_where_it_is_there(tmp_path: Path) -> None:
    weights = saved(tmp_path / "weights", "ImageReward.pt", reference.image_reward_state(SIZES))
    words = str(words_folder(tmp_path))
    settings = ImageRewardConfig(weights=str(weights), tokenizer=words, place=CPU)
    prompt, image = [Prompt(id="", text="a red car")], pictures(1)
    without = load_imagereward(settings).score(prompt, image)
    (weights / "med_config.json").write_text('{"num_attention_heads": 2}')  # 128 wide, so the same
    same = load_imagereward(settings).score(prompt, image)
    (weights / "med_config.json").write_text('{"num_attention_heads": 4}')
    other = load_imagereward(settings).score(prompt, image)
    assert same.value_B.item() == without.value_B.item()
    assert abs(other.value_B.item() - same.value_B.item()) > 1e-3
    assert other.digest != same.digest


def expected_answers(state: reference.State, side: int) -> list[list[float]]:
    """Returns the reference's answers to ASKED, each question alone and unpadded."""
    pixels = vqa.preprocessed(pictures(3), side)

    def answer(row: int, text: str) -> float:
        ids = torch.tensor([[ENC, *ids_of(text), END]])
        pixels_1 = pixels[row : row + 1]
        return reference.probability_yes(state, pixels_1, ids, torch.ones_like(ids), YES, NO).item()

    return [[answer(row, text) for text in texts] for row, texts in enumerate(ASKED)]


def flat(rows: list[list[float]]) -> list[float]:
    return [value for row in rows for value in row]


def as_typed_questions() -> list[list[str]]:
    return [[as_typed(text) for text in texts] for texts in ASKED]


def test_blip_vqa_equals_blip_asked_one_question_at_a_time(tmp_path: Path) -> None:
    state = reference.vqa_state(SIZES)
    weights = saved(tmp_path / "weights", AUTHORS, state, under="model")
    scorer = load_blip_vqa(
        BlipVqaConfig(weights=str(weights), tokenizer=str(words_folder(tmp_path)), place=CPU)
    )
    expected = expected_answers(state, SIZES.side)
    got = scorer.probability_yes(pictures(3), as_typed_questions())
    assert [len(row) for row in got] == [3, 0, 1]
    assert max(flat(expected)) - min(flat(expected)) > 0.05
    np.testing.assert_allclose(flat(got), flat(expected), rtol=0, atol=1e-5)


def test_the_score_of_blip_vqa_is_the_rounded_product_of_its_answers(tmp_path: Path) -> None:
    state = reference.vqa_state(SIZES)
    weights = saved(tmp_path / "weights", AUTHORS, state)
    scorer = load_blip_vqa(
        BlipVqaConfig(weights=str(weights), tokenizer=str(words_folder(tmp_path)), place=CPU)
    )
    phrases = [as_typed(text).removesuffix("?").upper() for text in ASKED[0]]
    got = scorer.score([Prompt(id="", text="", metadata={"phrases": phrases})], pictures(3)[:1])
    one, two, three = (round(value, 4) for value in expected_answers(state, SIZES.side)[0])
    assert got.value_B.item() == round(one * two * three, 4)


def test_a_checkpoint_of_transformers_gives_what_the_authors_file_gives(tmp_path: Path) -> None:
    state = reference.vqa_state(SIZES)
    words = str(words_folder(tmp_path))
    authors = saved(tmp_path / "authors", AUTHORS, state)
    # The hub's configuration leaves the epsilon of the ViT's norms to the library, whose default is another.
    tower = {"hidden_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 96}
    words_of_it = {"vocab_size": SIZES.pieces + 2, "bos_token_id": DEC, "sep_token_id": END}
    sizes = transformers.BlipConfig(
        text_config={**tower, **words_of_it, "max_position_embeddings": SIZES.positions},
        vision_config={**tower, "image_size": SIZES.side, "patch_size": SIZES.patch},
    )
    hub = tmp_path / "hub"
    hub.mkdir()
    sizes.save_pretrained(hub)
    save_file(
        {key: value.clone() for key, value in renamed(state).items()},
        hub / "model.safetensors",
        {"format": "pt"},
    )
    answers = [
        load_blip_vqa(BlipVqaConfig(weights=str(each), tokenizer=words, place=CPU)).probability_yes(
            pictures(3), as_typed_questions()
        )
        for each in (authors, hub)
    ]
    np.testing.assert_allclose(*(flat(each) for each in answers), rtol=0, atol=1e-7)


def padded_by_transformers(weights: Path, ids: Tensor, mask: Tensor, pixels: Tensor) -> Tensor:
    """Returns the answers to a padded batch, the masks handed to transformers as its own `forward` does."""
    source = vqa.read_blip(weights).eval()
    with torch.no_grad():
        seen = source.vision_model(pixels).last_hidden_state
        asked = source.text_encoder(
            ids, attention_mask=mask, encoder_hidden_states=seen, is_decoder=False
        ).last_hidden_state
        first = torch.full((len(ids), 1), DEC)
        logits = source.text_decoder(
            first, encoder_hidden_states=asked, encoder_attention_mask=mask, is_decoder=True
        ).logits[:, 0]
    return torch.sigmoid(logits[:, YES] - logits[:, NO])


def test_transformers_drops_the_cross_attention_mask_which_is_why_lengths_do_not_mix(tmp_path: Path) -> None:
    """If this fails, transformers has mended BlipTextLayer, and questions could share padded batches."""
    state = reference.vqa_state(SIZES)
    texts = ASKED[0][:2]
    ids, mask = padded_ids([[ENC, *ids_of(text), END] for text in texts], 13)
    pixels = vqa.preprocessed(pictures(1).repeat(2, axis=0), SIZES.side)
    got = padded_by_transformers(saved(tmp_path, AUTHORS, state) / AUTHORS, ids, mask, pixels)
    masked = reference.probability_yes(state, pixels, ids, mask, YES, NO)
    unmasked = reference.probability_yes(state, pixels, ids, mask, YES, NO, cross_mask=False)
    torch.testing.assert_close(got, unmasked, rtol=0, atol=1e-5)
    assert abs(got[0] - masked[0]) > 1e-3  # the padded one is wrong
    assert abs(got[1] - masked[1]) < 1e-5  # the other has no padding


def test_image_reward_gives_the_four_numbers_of_its_readme() -> None:
    """Of THUDM/ImageReward; decoders of WebP differ a little, hence the tolerance."""
    try:
        folder = locate(imagereward.HOME, None, "weights")
        words = locate(vocabulary.HOME, None, "tokenizer")
    except CheckpointError as error:
        pytest.skip(f"needs the published weights: {error}")
    scorer = load_imagereward(ImageRewardConfig(weights=str(folder), tokenizer=str(words), place=CPU))
    text = "a painting of an ocean with clouds and birds, day time, low depth field effect"
    images = np.stack([np.asarray(image) for image in real_pictures()])
    got = scorer.score([Prompt(id="", text=text)] * 4, images).value_B
    expected = torch.tensor([0.5811622738838196, 0.2745276093482971, -1.4131819009780884, -2.029569625854492])
    torch.testing.assert_close(got, expected.double(), rtol=0, atol=0.01)


def test_the_ids_of_yes_and_no_and_of_blips_own_pieces_are_those_of_the_benchmark() -> None:
    """models/blip_vqa.py of T2I-CompBench has 2748, 2053 and 30522 in its text."""
    try:
        words = read_words(locate(vocabulary.HOME, None, "tokenizer"))
    except CheckpointError as error:
        pytest.skip(f"needs the published vocabulary: {error}")
    assert (words.id_of("yes"), words.id_of("no"), words.size) == (2748, 2053, 30522)
