"""Prompts of LlamaGen: classes by number, captions as a frozen T5's features."""

import copy
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, T5EncoderModel

from tessera.errors import CheckpointError, PromptError
from tessera.policies.llamagen.config import Captions
from tessera.policies.llamagen.text import TextEncoder, class_ids, read_encoder, read_tokenizer
from tessera.policies.llamagen.untrained import letter_tokenizer, random_encoder
from tessera.tensors import TextBatch
from tests.unit.policies.llamagen.tiny import encoder_folder

SLOTS, WIDTH = 24, 16
CAPTIONS = ["a star", "two large red circles", "x"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return encoder_folder(tmp_path / "t5", WIDTH)


@pytest.fixture
def settings(folder: Path) -> Captions:
    return Captions(slots=SLOTS, width=WIDTH, encoder=str(folder), dtype="float32")


@pytest.fixture
def null() -> torch.Tensor:
    return torch.randn(SLOTS, WIDTH)


def null_of(text: TextBatch) -> TextBatch:
    return TextBatch(ids=torch.full_like(text.ids, -1), mask=text.mask)


# --- classes ------------------------------------------------------------------------------------------------


def test_a_class_is_read_by_its_number() -> None:
    text = class_ids(["207", "class 0", " Class  999 "], 1000)
    assert text.ids.tolist() == [[207], [0], [999]]
    assert text.mask.all()


@pytest.mark.parametrize("prompt", ["golden retriever", "class", "1000", "-1", "class 7 8", "", "2.0"])
def test_what_is_no_class_is_refused_with_what_is_one(prompt: str) -> None:
    with pytest.raises(PromptError, match="'class 207' or '207', at most 999"):
        class_ids(["3", prompt], 1000)


# --- ids ----------------------------------------------------------------------------------------------------


def test_captions_stand_at_the_right_end_of_their_slots(settings: Captions, folder: Path) -> None:
    text = read_encoder(settings).tokenize(CAPTIONS)
    theirs = AutoTokenizer.from_pretrained(folder)
    for row, caption in enumerate(CAPTIONS):
        ids = theirs(caption)["input_ids"]
        assert text.ids[row].tolist() == [0] * (SLOTS - len(ids)) + ids
        assert text.mask[row].tolist() == [False] * (SLOTS - len(ids)) + [True] * len(ids)


def test_a_caption_may_fill_its_slots_and_no_more(settings: Captions) -> None:
    encoder = read_encoder(settings)
    assert encoder.tokenize(["star" + "x" * 21]).mask.all()  # space, star, 21 letters, end
    with pytest.raises(PromptError, match="has 25 tokens; this policy reads at most 24"):
        encoder.tokenize(["star" + "x" * 22])


@pytest.mark.parametrize("prompt", ["", "  ", "红色的圆", "<br>"])
def test_a_caption_without_a_word_is_refused(settings: Captions, prompt: str) -> None:
    with pytest.raises(PromptError, match="has no word that this policy reads"):
        read_encoder(settings).tokenize(["a star", prompt])


# --- features -----------------------------------------------------------------------------------------------


def test_features_are_those_of_t5_in_their_slots_and_zero_before(
    settings: Captions, folder: Path, null: torch.Tensor
) -> None:
    encoder = read_encoder(settings)
    text = encoder.tokenize(CAPTIONS)
    features = encoder.features(text, null)
    model = T5EncoderModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for row, caption in enumerate(CAPTIONS):
        ids = tokenizer(caption, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            expected = model(input_ids=ids).last_hidden_state[0]
        torch.testing.assert_close(features[row, SLOTS - ids.shape[1] :], expected, rtol=0, atol=1e-6)
        assert not features[row, : SLOTS - ids.shape[1]].any()
    assert not features.requires_grad


def test_the_null_caption_has_the_features_it_is_given(settings: Captions, null: torch.Tensor) -> None:
    encoder = read_encoder(settings)
    text = encoder.tokenize(CAPTIONS)
    features = encoder.features(text.cat(null_of(text)), null)
    assert torch.equal(features[3:], null.expand(3, -1, -1))
    assert torch.equal(features[:3], encoder.features(text, null))


def test_a_caption_is_read_once_whoever_asks_and_alone(
    settings: Captions, folder: Path, null: torch.Tensor
) -> None:
    seen: list[tuple[int, ...]] = []

    def load() -> T5EncoderModel:
        model = T5EncoderModel.from_pretrained(settings.encoder)
        model.register_forward_pre_hook(
            lambda module, args, given: seen.append(tuple(given["input_ids"].shape)), with_kwargs=True
        )
        return model

    tokenizer = read_tokenizer(folder / "tokenizer.json")
    encoder = TextEncoder(settings, tokenizer, load, lambda: "counted")
    text = encoder.tokenize(["ab", "abcd", "ab"])
    first = encoder.features(text, null)
    again = copy.deepcopy(encoder).features(text.rows(torch.tensor([1, 0])), null)
    assert seen == [(1, 3), (1, 5)]
    assert torch.equal(again, first[:2].flip(0))


def test_only_the_last_captions_are_kept(
    monkeypatch: pytest.MonkeyPatch, settings: Captions, null: torch.Tensor
) -> None:
    monkeypatch.setattr("tessera.policies.llamagen.text.KEPT", 2)
    encoder = read_encoder(settings)
    one, two, three = (encoder.tokenize([caption]) for caption in CAPTIONS)
    expected = encoder.features(one, null)
    encoder.features(two, null)
    encoder.features(one, null)  # is now the newest
    encoder.features(three, null)
    assert [len(ids) for ids in encoder._kept] == [int(one.mask.sum()), int(three.mask.sum())]
    assert torch.equal(encoder.features(one, null), expected)


def test_features_are_the_same_inside_autocast(settings: Captions, null: torch.Tensor) -> None:
    """The loss asks inside autocast, the sampler outside; else a replay would not be what was drawn."""
    inside, outside = read_encoder(settings), read_encoder(settings)
    text = inside.tokenize(CAPTIONS)
    with torch.autocast("cpu", torch.bfloat16):
        features = inside.features(text, null)
    assert torch.equal(features, outside.features(text, null))


def test_features_take_the_precision_of_the_policy(settings: Captions, null: torch.Tensor) -> None:
    encoder = read_encoder(settings)
    text = encoder.tokenize(CAPTIONS)
    assert encoder.features(text, null.double()).dtype == torch.float64
    torch.testing.assert_close(encoder.features(text, null.double()).float(), encoder.features(text, null))


def test_reading_the_encoder_leaves_the_global_generator_alone(
    settings: Captions, null: torch.Tensor
) -> None:
    for encoder in (read_encoder(settings), random_encoder(settings, 3)):
        before = torch.get_rng_state()
        encoder.features(encoder.tokenize(["a star"]), null)
        assert torch.equal(before, torch.get_rng_state())


# --- what it is ---------------------------------------------------------------------------------------------


def test_the_digest_is_that_of_files_and_precision_not_of_the_folder(
    settings: Captions, folder: Path, tmp_path: Path
) -> None:
    moved = folder.rename(tmp_path / "elsewhere")
    there = Captions(slots=SLOTS, width=WIDTH, encoder=str(moved), dtype="float32")
    digest = read_encoder(there).digest()
    moved.rename(folder)
    assert read_encoder(settings).digest() == digest
    halved = Captions(slots=SLOTS, width=WIDTH, encoder=str(folder), dtype="bfloat16")
    assert read_encoder(halved).digest() != digest
    encoder_folder(folder, WIDTH)  # other random weights
    assert read_encoder(settings).digest() != digest


def test_a_folder_without_an_encoder_says_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"lacks .*; get .* from https://huggingface\.co/google/flan-t5-xl"
    ):
        read_encoder(Captions(encoder=str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "words"), [("{", "cannot be read"), (None, "does not end a text with '</s>'")]
)
def test_a_tokenizer_that_is_none_of_t5_is_refused(
    settings: Captions, folder: Path, text: str | None, words: str
) -> None:
    path = folder / "tokenizer.json"
    if text is None:
        tokenizer = letter_tokenizer()
        tokenizer.post_processor = None  # pyright: ignore[reportAttributeAccessIssue] - its setter takes None
        tokenizer.save(str(path))
    else:
        path.write_text(text)
    with pytest.raises(CheckpointError, match=words):
        read_encoder(settings)
